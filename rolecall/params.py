"""The recipe's knobs: one typed object, from one YAML file and the environment, checked before anything runs."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, cast, get_args

from pydantic import BaseModel, Field, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource

from beam_jobs.config import IngestConfig, LabelConfig, VerbalizeConfig
from contracts.documents import read_text, read_yaml, to_yaml
from contracts.errors import BadInput
from contracts.plugins import load_plugin
from contracts.tasks import TASKS
from contracts.validation import field_path, first_problem, problem_text
from contracts.values import FrozenModel
from contracts.versions import write_text
from models.config import EncoderConfig, ExportConfig, StudentConfig, TeacherName
from models.registry import DEFAULT_TEACHERS, TEACHERS, teacher_config
from policy.judges.base import JudgeConfig
from policy.judges.registry import JUDGES
from replay.config import ServedConfig
from retrieval.config import IndexConfig, MoneyConfig, RetrievalConfig
from retrieval.links.config import LinksConfig
from serving.config import ServeConfig

DEFAULT = Path("params.yaml")
PREFIX = "ROLECALL_"
NOT_KNOBS = {"ROLECALL_WORKSPACE"}


class Simulate(FrozenModel):
    """The market that is simulated where no data is given."""

    members: int = Field(500, ge=1, description="Members.")
    jobs: int = Field(1_500, ge=1, description="Jobs.")
    events: int = Field(40_000, ge=1, description="Events, about: impressions and what follows them.")
    days: int = Field(60, ge=2, description="Days of the log.")
    effects: bool = Field(
        False, description="Plant effects of companies and of what others open, which no text tells and a graph does."
    )
    language: str = Field("en", description="Of its words: en, de, es or pt, or another of simulator/languages.")


class Rules(FrozenModel):
    """Rules from member feedback."""

    file: Path | None = Field(
        None, description="Rules, by a path from the working directory; where null the workspace's own or the built-in."
    )


class Replay(FrozenModel):
    """The ranking of past requests by every system."""

    resamples: int = Field(1_000, ge=100, description="Bootstrap samples of an interval.")
    seed: int = Field(0, description="Seed of the draw of requests and of the intervals.")
    served: ServedConfig = ServedConfig()


class Params(FrozenModel):
    """All knobs. A section is one stage's; `params_model` adds `<name>_teacher` for each teacher that is registered."""

    seed: int = Field(0, description="Seed of the simulation and of the sampling.")
    plugins: tuple[str, ...] = Field(
        (),
        description="Modules, or paths of Python files, that register a teacher, a retrieval source, a judge or a "
        "raw-data source; every command imports them first.",
    )
    backbone: Path | None = Field(
        None,
        description="Hugging Face folder of the encoder for retrieval, teachers and student, where a section names "
        "none of its own; the embedded MiniLM where null.",
    )
    teachers: tuple[TeacherName, ...] = Field(
        DEFAULT_TEACHERS,
        min_length=1,
        description="The teachers that are on: each is a stage of the recipe, and the student is distilled from it. "
        "Another that is registered is trained by `rolecall train NAME` alone, and nothing waits for it.",
    )
    simulate: Simulate = Simulate()
    ingest: IngestConfig = IngestConfig()
    verbalize: VerbalizeConfig = VerbalizeConfig()
    encoder: EncoderConfig = EncoderConfig()
    label: LabelConfig = LabelConfig()
    student: StudentConfig = Field(default_factory=StudentConfig)
    export: ExportConfig = ExportConfig()
    index: IndexConfig = IndexConfig()
    money: MoneyConfig = MoneyConfig()
    links: LinksConfig = LinksConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    rules: Rules = Rules()
    replay: Replay = Replay()
    serve: ServeConfig = ServeConfig()

    @model_validator(mode="after")
    def _distils_what_is_on(self) -> Self:
        if off := [name for name in self.student.distil if name not in self.teachers]:
            raise ValueError(f"student.distil names {', '.join(off)}: not of teachers ({', '.join(self.teachers)})")
        if unknown := [task for task in self.student.mix if task not in TASKS]:
            raise ValueError(f"student.mix names the task {', '.join(unknown)}: not of {', '.join(TASKS)}")
        mixed = dict.fromkeys(name for weights in self.student.mix.values() for name in weights)
        if off := [name for name in mixed if name not in self.student.distil]:
            raise ValueError(
                f"student.mix names {', '.join(off)}: not of student.distil ({', '.join(self.student.distil)})"
            )
        return self

    @model_validator(mode="after")
    def _start_from_what_is_on(self) -> Self:
        for place, name in enumerate(self.teachers):
            start, knobs = getattr(TEACHERS.get(name), "starts_from", None), self.teacher(name)
            alone = not getattr(knobs, "warm_start", True) or getattr(knobs, "base", None) is not None
            if start is not None and not alone and start not in self.teachers[:place]:
                own = "" if not hasattr(knobs, "warm_start") else f", or set {name}_teacher: {{warm_start: false}}"
                raise ValueError(f"teachers: {name} builds on {start}, which is to stand before it{own}")
        return self

    def as_yaml(self) -> str:
        return to_yaml(self.model_dump(mode="json"))

    def teacher(self, name: str) -> Any:
        """The knobs of a teacher, the defaults where there is no section of it."""
        return getattr(self, f"{name}_teacher", None) or teacher_config(name)()


def params_model() -> type[Params]:
    """`Params` with a section for each teacher that is registered by now."""
    return _params_model(TEACHERS.names())


@lru_cache
def _params_model(teachers: tuple[str, ...]) -> type[Params]:
    sections: dict[str, Any] = {f"{name}_teacher": (teacher_config(name), teacher_config(name)()) for name in teachers}
    return create_model("Params", __base__=Params, __module__=__name__, **sections)


class _Environment(EnvSettingsSource):
    """Knobs from variables such as ROLECALL_STUDENT__EPOCHS; a value is YAML, as it would be in the file."""

    def __init__(self) -> None:
        super().__init__(cast(type[BaseSettings], params_model()), env_prefix=PREFIX, env_nested_delimiter="__")
        knobs = [name for name, path in _variables().items() if path[0] in params_model().model_fields]
        self.env_vars = {name.lower(): read_yaml(os.environ[name], name) for name in knobs}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return value  # it is no text any more


def load_params(path: Path | None = None) -> Params:
    """Read the knobs of a file, then those of the environment, which win; import the plugins that they name.

    Args:
        path: A YAML file; None for `params.yaml` in the working directory, or the defaults where that is absent.

    Raises:
        BadInput: A knob does not exist or its value does not fit; the message names the file or the variable.
        NotReady: There is no such file, or a plugin cannot be imported.
            A plugin's path is looked for beside the file of knobs, then in the working directory.
    """
    source = path or (DEFAULT if DEFAULT.is_file() else None)
    file = _beside(_read(source), params_model(), source.parent) if source else {}
    plugins = _merged(file, _Environment()()).get("plugins")
    for plugin in plugins if isinstance(plugins, list) else ():
        load_plugin(str(plugin), source.parent if source else Path())  # it may add the section of a teacher
    _check_variables()
    content = _with_teachers(_with_backbone(_merged(file, _Environment()())))
    try:
        return params_model().model_validate(content)
    except ValidationError as error:
        problem = first_problem(error)
        raise BadInput(_message(problem), where=_origin(problem["loc"], source), cure=_cure(problem, content)) from None


def _with_backbone(content: dict[str, Any]) -> dict[str, Any]:
    """The knobs with `backbone` in each section that has such a knob and does not set it."""
    if content.get("backbone") is None:
        return content
    found = dict(content)
    for name, field in params_model().model_fields.items():
        own = content.get(name, {})
        if isinstance(own, dict) and "backbone" in getattr(field.annotation, "model_fields", {}):
            found[name] = {"backbone": content["backbone"]} | {k: v for k, v in own.items() if k != "backbone" or v}
    return found


def _with_teachers(content: dict[str, Any]) -> dict[str, Any]:
    """The knobs with a student that is distilled from the teachers that are on, unless it names some of them."""
    student = content.get("student", {})
    if "teachers" not in content or not isinstance(student, dict):
        return content
    return content | {"student": {"distil": content["teachers"]} | student}


def write_shares(path: Path | None, shares: Mapping[str, Mapping[str, float]]) -> Path:
    """Put shares of retrieval sources into a params file, whose other lines stay; returns the file.

    Args:
        path: The file; None: `params.yaml`, made where it is not there.
        shares: Surface (recommend, search) -> source -> share.

    Raises:
        BadInput: The file has the section in a form that no line of it can stand for.
    """
    source = path or DEFAULT
    lines = read_text(source).splitlines() if source.is_file() else []
    cure = "put the printed shares there by hand"
    if "retrieval:" not in lines:
        if any(line.startswith("retrieval:") for line in lines):
            raise BadInput("the section retrieval stands on one line", where=str(source), cure=cure)
        lines.append("retrieval:")
    head = lines.index("retrieval:")
    for surface, mix in shares.items():
        made = f"  {surface}: {{{', '.join(f'{name}: {share:g}' for name, share in mix.items())}}}"
        section = itertools.takewhile(lambda i: not lines[i] or lines[i][0] in " #", range(head + 1, len(lines)))
        there = next((i for i in section if lines[i].startswith(f"  {surface}:")), None)
        if there is None:
            lines.insert(head + 1, made)
        elif "}" in lines[there]:
            lines[there] = made
        else:
            raise BadInput(f"retrieval.{surface} stands on several lines", where=str(source), cure=cure)
    write_text(source, "\n".join(lines) + "\n")
    return source


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both trees of knobs; where both hold one, the one above."""
    shared = {name for name in above if isinstance(above[name], dict) and isinstance(below.get(name), dict)}
    return below | above | {name: _merged(below[name], above[name]) for name in shared}


def _beside(content: dict[str, Any], model: type[BaseModel], folder: Path) -> dict[str, Any]:
    """The knobs of a file with its relative paths taken from the file's folder; without a change where that is here."""
    paths: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value, kinds = content.get(name), _kinds(field.annotation)
        if isinstance(value, str) and Path in kinds:
            paths[name] = str(folder / value)
        elif isinstance(value, dict):
            for kind in kinds:
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    paths[name] = value = _beside(value, kind, folder)
    return content | paths


def _kinds(annotation: Any) -> list[Any]:
    """A type and those that it is made of, however deep."""
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]


def _read(source: Path) -> dict[str, Any]:
    content = read_yaml(read_text(source, cure="give the path of a params file"), str(source)) or {}
    if not isinstance(content, dict):
        raise BadInput(f"holds {type(content).__name__}, not sections", where=str(source), cure="see params.yaml")
    for name, field in params_model().model_fields.items():
        section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        if section and not isinstance(content.get(name, {}), dict):
            kind = type(content[name]).__name__
            raise BadInput(f"{name}: holds {kind}, not knobs", where=str(source), cure="mend the section")
    return content


def _variables() -> dict[str, list[str]]:
    """The path of the knob that each variable names: {"ROLECALL_INDEX__ENGINE": ["index", "engine"]}."""
    names = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in NOT_KNOBS)
    return {name: name.removeprefix(PREFIX).lower().split("__") for name in names}


def _check_variables() -> None:
    """Raise BadInput for a variable of no section, unless it may be another program's."""
    for name, (section, *knobs) in _variables().items():
        near = get_close_matches(section, params_model().model_fields, 1)
        if section not in params_model().model_fields and (near or knobs):
            raise BadInput(
                f"no section {section!r}", where=name, cure=f"one of {', '.join(near or params_model().model_fields)}"
            )


def _origin(loc: Sequence[str | int], source: Path | None) -> str:
    """Where a knob's value comes from: a variable, or the file and the variables that set parts of it."""
    knob, variables = [str(part) for part in loc], _variables()
    for name, path in variables.items():
        parts = iter(knob)  # the kind of a section may stand between the names of knobs
        if all(part in parts for part in path):
            return name
    return " and ".join(
        [str(source or "environment"), *(n for n, path in variables.items() if path[: len(knob)] == knob)]
    )


def _cure(problem: ErrorDetails, content: Any) -> str:
    if problem["type"] != "extra_forbidden":
        return "mend its value"
    *sections, knob = map(str, problem["loc"])
    model: Any = params_model()
    for name in sections:
        field = getattr(model, "model_fields", {}).get(name)
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        model = next((kind for kind in kinds if hasattr(kind, "model_fields")), None)
        content = content.get(name) if isinstance(content, dict) else None
        if model is JudgeConfig and isinstance(content, dict):
            model = JUDGES.get(content["kind"]).Config
    names = getattr(model, "model_fields", {})
    near = get_close_matches(knob, names, 1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}"


def _message(problem: ErrorDetails) -> str:
    """A knob, what is wrong with it and its value, unless that may be a secret: a key where no key belongs."""
    knob, value = field_path(problem["loc"]), problem["input"]
    if problem["type"] == "union_tag_invalid":
        return f"{knob}: its kind is not one of {problem['ctx']['expected_tags']}"
    if problem["type"] == "extra_forbidden":
        return f"{knob}: no such knob"
    address = isinstance(value, str) and "://" in value
    if isinstance(value, dict | list) or (knob.endswith("base_url") and not address):
        return f"{knob}: {problem_text(problem)}"
    return f"{knob}: {problem_text(problem)} (found {_masked(value) if address else value!r})"


def _masked(address: str) -> str:
    """The address without user, password and query."""
    without_user = re.sub(r"://.*@", "://***@", address, flags=re.DOTALL)
    return re.sub(r"[?#].*", "?***", without_user, flags=re.DOTALL)
