"""What each stage of a recipe's run took: `stages.json` of a workspace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.errors import UnreadableFile
from contracts.workspace import Workspace


class _Cost(BaseModel):
    name: str
    seconds: float
    peak_mb: float


_COSTS = TypeAdapter(list[_Cost])


def read_costs(workspace: Workspace) -> list[dict[str, Any]]:
    """{name, seconds, peak_mb} of each stage in order; none where no recipe ran. Raises UnreadableFile."""
    path = _path(workspace)
    if not path.is_file():
        return []
    try:
        return [cost.model_dump() for cost in _COSTS.validate_json(path.read_bytes())]
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'costs'}: {first['msg']}"
        cure = f"delete {path}: the costs of earlier stages are lost with it"
        raise UnreadableFile(what, where=str(path), cure=cure) from error


def write_costs(workspace: Workspace, costs: Sequence[Mapping[str, Any]]) -> None:
    """Atomically: a run that is broken off leaves the former file or the new one."""
    path = _path(workspace)
    staged = path.with_suffix(".json.staged")
    staged.write_text(json.dumps(costs, indent=2), "utf-8")
    staged.replace(path)


def _path(workspace: Workspace) -> Path:
    return workspace.root / "stages.json"
