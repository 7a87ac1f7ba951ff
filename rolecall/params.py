"""The recipe's knobs: one typed object, from one YAML file and the environment, checked before anything runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from contracts.errors import BadInput, UnreadableFile
from models.config import EncoderTraining, ExportConfig, StudentConfig, TeacherConfig
from policy.golden.golden import LEAST_AGREEMENT
from policy.judges.registry import AnyJudgeConfig
from policy.judges.rubric import RubricConfig
from retrieval.config import IndexConfig, RetrievalConfig
from retrieval.links.config import LinksConfig

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
    """The retrieval encoder. dim: numbers of a vector, the first ones that the backbone makes, all where None; train:
    learn it from the log (`{}`: with the defaults), None: as the backbone came."""

    precision: Literal["int8", "float32"] = "int8"
    dim: int | None = Field(None, ge=1)
    train: EncoderTraining | None = None


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
    judge: AnyJudgeConfig = RubricConfig()
    """Who grades: `{kind: rubric}`, `{kind: llm, model: ...}` or `{kind: local, folder: ...}`; see policy/judges."""
    most_ungraded: float = Field(0.05, ge=0, le=1)
    """Of the pairs of a batch of lists, before the job stops."""
    policy: Path | None = None
    """The product policy, from the working directory; the built-in one where None. Of every command that reads one."""
    least_kappa: float = Field(LEAST_AGREEMENT, ge=0, le=1)
    """Quadratic kappa with the golden set from which the judge may label."""
    require_golden: bool = False

    def as_flags(self) -> list[str]:
        numbers = self.model_dump(exclude={"judge", "require_golden", "policy"})
        golden = "--require-golden" if self.require_golden else "--no-require-golden"
        policy = ["--policy", str(self.policy)] if self.policy else []
        flags = [part for name, value in numbers.items() for part in (_flag(name), str(value))]
        return ["--judge", self.judge.model_dump_json(), golden, *policy, *flags]


class Rules(_Section):
    """Rules from member feedback. file: from the working directory; None: the workspace's own, else the built-in."""

    file: Path | None = None


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
    index: IndexConfig = IndexConfig()
    links: LinksConfig = LinksConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    rules: Rules = Rules()
    replay: Replay = Replay()

    def as_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_params(path: Path | None = None) -> Params:
    """Knobs of `path` (`params.yaml` here where None, defaults where that is absent), then of the environment.

    ROLECALL_STUDENT__EPOCHS=2 overrides `student: {epochs: ...}`. Raises BadInput naming the knob and its value,
    UnreadableFile where the file is no text.
    """
    source = path or (DEFAULT if DEFAULT.is_file() else None)
    content = _read(source) if source else {}
    if not isinstance(content, dict):
        raise BadInput(f"holds {type(content).__name__}, not sections", where=str(source), cure="see params.yaml")
    try:
        return Params.model_validate(_overridden(content))
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadInput(_told(problem), where=_origin(problem["loc"], source), cure=_cure(problem)) from None


def _origin(loc: Sequence[str | int], source: Path | None) -> str:
    """Where the value of a knob comes from: a variable, or the file and the variables that set parts of it."""
    asked, parts = [str(part) for part in loc], []
    for name in sorted(os.environ):
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or name in NOT_KNOBS:
            continue
        within = iter(asked)  # which may hold the kind of a section beside the names of knobs
        if all(part in within for part in path):
            return name
        if path[: len(asked)] == asked:
            parts.append(name)
    return " and ".join([str(source or "environment"), *parts])


def _cure(problem: ErrorDetails) -> str:
    if problem["type"] != "extra_forbidden":
        return "mend its value"
    *section, knob = map(str, problem["loc"])
    known: Any = Params
    for name in section:
        field = getattr(known, "model_fields", {}).get(name)
        parts = (field.annotation, *get_args(field.annotation)) if field else ()
        known = next((part for part in parts if hasattr(part, "model_fields")), None)
    near = get_close_matches(knob, getattr(known, "model_fields", {}), 1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(getattr(known, 'model_fields', {}))}"


def _told(problem: ErrorDetails) -> str:
    """A knob, what is wrong with it and its value, without what may be a secret: a key where no key belongs."""
    knob, value, what = ".".join(map(str, problem["loc"])), problem["input"], problem["msg"]
    what = "no such knob" if problem["type"] == "extra_forbidden" else what.removeprefix("Value error, ")
    if problem["type"] == "union_tag_invalid":
        return f"{knob}: its kind is not one of {problem['ctx']['expected_tags']}"
    address = isinstance(value, str) and "://" in value
    hidden = isinstance(value, dict | list) or (knob.endswith("base_url") and not address)
    if hidden or problem["type"] == "extra_forbidden":
        return f"{knob}: {what}"
    return f"{knob}: {what} (found {_masked(value) if address else value!r})"


def _masked(address: str) -> str:
    """Without user, password and query."""
    without_user = re.sub(r"://.*@", "://***@", address, flags=re.DOTALL)
    return re.sub(r"[?#].*", "?***", without_user, flags=re.DOTALL)


def _read(source: Path) -> Any:
    try:
        text = source.read_text("utf-8")
    except OSError as error:
        raise BadInput(f"{source} cannot be read", cure="give the path of a params file") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"not UTF-8: {error.reason}", where=str(source), cure="save it as UTF-8") from error
    return _yaml(text, str(source)) or {}


def _yaml(text: str, where: str) -> Any:
    """What the text says is not told: it may be a secret."""
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"line {line} is not YAML: {error.problem}", where=where, cure="see params.yaml") from None
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise BadInput("not YAML", where=where, cure="see params.yaml") from error


def _overridden(content: dict[str, Any]) -> dict[str, Any]:
    for name, value in sorted(os.environ.items()):
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or name in NOT_KNOBS:
            continue
        if path[0] in Params.model_fields:
            _set(content, path, _yaml(value, name), name)
        near = get_close_matches(path[0], Params.model_fields, 1)
        if path[0] not in Params.model_fields and (near or len(path) > 1):  # else it may be another program's
            cure = f"one of {', '.join(near or Params.model_fields)}"
            raise BadInput(f"no section {path[0]!r}", where=name, cure=cure)
    return content


def _set(content: dict[str, Any], path: Iterable[str], value: Any, where: str) -> None:
    *sections, knob = path
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            what = f"{section} holds {type(content).__name__}, not knobs"
            raise BadInput(what, where=where, cure="mend the section in the params file")
    content[knob] = value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
