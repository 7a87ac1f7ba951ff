"""The recipe's knobs: one typed object, from one YAML file and the environment, checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadInput
from models.config import ExportConfig, StudentConfig, TeacherConfig
from policy.config import JudgeConfig, RubricConfig
from policy.golden import LEAST_AGREEMENT

DEFAULT = Path("params.yaml")
PREFIX = "ROLECALL_"
NOT_KNOBS = {"ROLECALL_WORKSPACE"}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Simulate(_Section):
    """The market that is simulated where no data is given."""

    members: int = Field(500, ge=1)
    jobs: int = Field(1_500, ge=1)
    events: int = Field(40_000, ge=1)
    days: int = Field(60, ge=2)


class Ingest(_Section):
    max_reject_share: float = Field(0.05, ge=0, le=1)


class Encoder(_Section):
    precision: Literal["int8", "float32"] = "int8"


class Label(_Section):
    """How many requests are labelled, and how long their lists are; flags of `beam_jobs.label`."""

    train_lists: int = Field(300, ge=1)
    valid_lists: int = Field(80, ge=1)
    test_lists: int = Field(80, ge=1)
    graded_lists: int = Field(300, ge=0)
    train_candidates: int = Field(16, ge=2)
    valid_candidates: int = Field(40, ge=2)
    test_candidates: int = Field(50, ge=2)
    random_share: float = Field(0.25, ge=0, le=1)
    hard_share: float = Field(0.2, ge=0, le=1)
    """Of the jobs that a training list is filled up with: any job, and those that retrieval may misjudge."""
    judge: JudgeConfig = RubricConfig()
    """Who grades: `{kind: rubric}`, `{kind: llm, model: ...}` or `{kind: local, folder: ...}`; see policy/config.py."""
    most_ungraded: float = Field(0.05, ge=0, le=1)
    """Of the pairs of a batch of lists, before the job stops."""
    least_kappa: float = Field(LEAST_AGREEMENT, ge=0, le=1)
    """Quadratic kappa with the golden set from which the judge may label."""
    require_golden: bool = False

    def as_flags(self) -> list[str]:
        numbers = self.model_dump(exclude={"judge", "require_golden"})
        golden = "--require-golden" if self.require_golden else "--no-require-golden"
        flags = [part for name, value in numbers.items() for part in (_flag(name), str(value))]
        return ["--judge", self.judge.model_dump_json(), golden, *flags]


class Index(_Section):
    engine: Literal["exact", "faiss"] = "exact"


class Replay(_Section):
    """seed: of the requests that are drawn and of the intervals."""

    resamples: int = Field(1_000, ge=100)
    seed: int = 0


class Params(_Section):
    """All knobs. A section is one stage's; `seed` is the simulation's and the sampling's."""

    seed: int = 0
    simulate: Simulate = Simulate()
    ingest: Ingest = Ingest()
    encoder: Encoder = Encoder()
    label: Label = Label()
    policy_teacher: TeacherConfig = TeacherConfig()
    click_teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    export: ExportConfig = ExportConfig()
    index: Index = Index()
    replay: Replay = Replay()

    def as_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_params(path: Path | None = None) -> Params:
    """Knobs of `path` (`params.yaml` here where None, defaults where that is absent), then of the environment.

    ROLECALL_STUDENT__EPOCHS=2 overrides `student: {epochs: ...}`. Raises BadInput naming the knob and its value.
    """
    source = path or (DEFAULT if DEFAULT.is_file() else None)
    try:
        content = yaml.safe_load(source.read_text("utf-8")) if source else {}
    except OSError as error:
        raise BadInput(f"{source} cannot be read", cure="give the path of a params file") from error
    except yaml.YAMLError as error:
        raise BadInput("not YAML", where=str(source), cure=" ".join(str(error).split())) from error
    if not isinstance(content or {}, dict):
        raise BadInput(f"holds {type(content).__name__}, not sections", where=str(source), cure="see params.yaml")
    try:
        return Params.model_validate(_overridden(content or {}))
    except ValidationError as error:
        first = error.errors()[0]
        knob = ".".join(map(str, first["loc"]))
        value = "" if first["type"] == "extra_forbidden" else f" (found {first['input']!r})"
        raise BadInput(
            f"{knob}: {first['msg']}{value}", where=str(source or "environment"), cure="mend the knob"
        ) from error


def _overridden(content: dict[str, Any]) -> dict[str, Any]:
    for name, value in sorted(os.environ.items()):
        path = name.removeprefix(PREFIX).lower().split("__")
        if name.startswith(PREFIX) and name not in NOT_KNOBS and path[0] in Params.model_fields:
            _set(content, path, yaml.safe_load(value))
    return content


def _set(content: dict[str, Any], path: Iterable[str], value: Any) -> None:
    *sections, knob = path
    for section in sections:
        content = content.setdefault(section, {})
    content[knob] = value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
