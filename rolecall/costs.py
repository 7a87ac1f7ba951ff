"""What each stage of a recipe's run took: `stages.json` of a workspace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.errors import UnreadableFile
from contracts.validation import typed
from contracts.versions import write_text
from contracts.workspace import Workspace


class _Cost(BaseModel):
    name: str
    seconds: float
    peak_mb: float


_COSTS = TypeAdapter(list[_Cost])


def read_costs(workspace: Workspace) -> list[dict[str, Any]]:
    """{name, seconds, peak_mb} of each stage in order; none where no recipe ran. Raises UnreadableFile."""
    path = workspace.stages
    if not path.is_file():
        return []
    try:
        return [cost.model_dump() for cost in _COSTS.validate_json(path.read_bytes())]
    except ValidationError as error:
        cure = f"delete {path}: the costs of earlier stages are lost with it"
        raise typed(error, UnreadableFile, where=str(path), cure=cure, root="costs") from error


def write_costs(workspace: Workspace, costs: Sequence[Mapping[str, Any]]) -> None:
    """Atomically: a run that is broken off leaves the former file or the new one."""
    write_text(workspace.stages, json.dumps(costs, indent=2))
