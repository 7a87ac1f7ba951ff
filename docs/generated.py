"""References that are made from the code when the site is built: commands, knobs, records and errors."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

ROOT = Path(__file__).parents[1]


def cli() -> str:
    """Every command with its arguments and options."""
    import typer.main

    from rolecall.cli import app

    return "\n".join(_command(typer.main.get_command(app), "rolecall"))


def _command(command: Any, name: str) -> Iterator[str]:
    yield f"## {name}\n\n{_prose(command.help or '')}\n"
    shown = [
        parameter for parameter in command.params if parameter.name != "help" and not getattr(parameter, "hidden", 0)
    ]
    if shown:
        yield "| option | default | meaning |\n|---|---|---|"
        yield from (_option(option) for option in shown)
        yield ""
    for inner in getattr(command, "commands", {}).values():
        yield from _command(inner, f"{name} {inner.name}")


def _option(parameter: Any) -> str:
    names = parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)
    if parameter.required:
        default = "needed"
    else:
        default = "" if parameter.default in (None, (), "", False) else f"`{parameter.default}`"
    return f"| `{names}` | {_cell(default)} | {_cell(getattr(parameter, 'help', '') or '')} |"


def params() -> str:
    """Every knob of `params.yaml`, a section a heading."""
    from rolecall.params import load_params

    sections: dict[str, list[str]] = {}
    for name, default, meaning in _knobs(type(load_params(ROOT / "params.yaml")), ""):
        section = name.partition(".")[0] if "." in name else "all stages"
        cells = (f"`{name}`", f"`{default}`" if default else "", meaning)
        sections.setdefault(section, []).append(f"| {' | '.join(map(_cell, cells))} |")
    head = "| knob | default | meaning |\n|---|---|---|\n"
    return "\n\n".join(f"## {section}\n\n{head}" + "\n".join(rows) for section, rows in sections.items()) + "\n"


def metrics() -> str:
    """Every metric of the service that is its own."""
    from serving.metrics import Metrics

    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {_cell(about)} |"
        for name, kind, about, labels in sorted(Metrics().described())
    ]
    return "| metric | type | labels | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _knobs(model: type[BaseModel], head: str) -> Iterator[tuple[str, str, str]]:
    """The knobs of a model with their defaults and meanings, those of nested sections under dotted names."""
    for name, field in model.model_fields.items():
        sections = list(_sections(field))
        value = field.get_default(call_default_factory=True)
        if not sections or field.description or not isinstance(value, BaseModel):
            needed = field.is_required() or isinstance(value, BaseModel)
            bounds = _bounds(field)
            meaning = f"{field.description or ''} ({bounds})" if bounds else field.description or ""
            yield f"{head}{name}", "" if needed else json.dumps(to_jsonable_python(value)), meaning
        for section, kind in sections:
            yield from _knobs(section, f"{head}{name}{kind}.")


def _sections(field: FieldInfo) -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a field may hold, each with what tells it from the others: " (llm)"."""
    from policy.judges.base import JudgeConfig
    from policy.judges.registry import JUDGES

    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, JudgeConfig):
            yield from ((JUDGES.get(name).Config, f" ({name})") for name in JUDGES.names())
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind, ""


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    limits = [(sign, getattr(part, name, None)) for part in field.metadata for name, sign in signs.items()]
    return ", ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)


def records() -> str:
    """The records of `contracts.records` with their fields."""
    from contracts import records as module

    models = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    ]
    return "\n".join(f"## {model.__name__}\n\n{_own_doc(model)}\n\n{_fields(model.model_fields)}" for model in models)


def columns() -> str:
    """The columns of each table: which are needed, and what they hold."""
    from contracts.records import RECORDS
    from sources.rows import BY_LOAD

    lines = ["| table | needed | may be absent |", "|---|---|---|"]
    for table in ("members", "jobs", "events", "grades"):
        fields = RECORDS[table].model_fields
        asked = [name for name, field in fields.items() if field.is_required() and name not in BY_LOAD.get(table, ())]
        needed, others = ([f"`{n}`" for n in fields if (n in asked) == wanted] for wanted in (True, False))
        lines.append(f"| {table} | {', '.join(needed)} | {', '.join(others)} |")
    return "\n".join(lines) + "\n"


def errors() -> str:
    """The tree of typed errors, each with its reason, exit code, HTTP status and meaning."""
    from contracts.errors import RolecallError

    def rows(kind: type[RolecallError], depth: int) -> Iterator[str]:
        indent = "&nbsp;&nbsp;&nbsp;" * depth
        meaning = _cell(" ".join((kind.__dict__.get("__doc__") or "").split("\n\n")[0].split()))
        yield f"| {indent}`{kind.__name__}` | `{kind.reason}` | {kind.exit_code} | {kind.http_status} | {meaning} |"
        for inner in kind.__subclasses__():
            if inner.__module__ == RolecallError.__module__:
                yield from rows(inner, depth + 1)

    return "\n".join(
        ["| error | reason | exit code | HTTP | meaning |", "|---|---|---|---|---|", *rows(RolecallError, 0)]
    )


def _fields(fields: dict[str, FieldInfo]) -> str:
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        cells = (f"`{name}`", _type(field.annotation), _default(field), field.description or "")
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or isinstance(field.default, BaseModel):
        return "its defaults"
    if field.default is PydanticUndefined:
        return "needed"
    return f"`{field.default}`"


def _type(annotation: Any) -> str:
    return f"`{_type_name(annotation)}`"


def _type_name(annotation: Any) -> str:
    """A type as a person writes it: `int or None`, `list of str`, `one of view, apply`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin is Literal:
        return ", ".join(map(str, inner)) if len(inner) > 1 else str(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(_type_name(part) for part in inner)
    if annotation is type(None):
        return "None"
    if origin is None:
        return getattr(annotation, "__name__", str(annotation))
    if issubclass(origin, Mapping):
        return f"{_type_name(inner[0])} to {_type_name(inner[1])}"
    parts = dict.fromkeys(_type_name(part) for part in inner if part is not Ellipsis)
    return f"list of {', '.join(parts)}" if Ellipsis in inner or len(inner) == 1 else f"({', '.join(parts)})"


def _own_doc(model: type[BaseModel]) -> str:
    return _prose(inspect.cleandoc(model.__dict__.get("__doc__") or ""))


def _prose(text: str) -> str:
    """Indented lines of a docstring are no code block here."""
    return "\n".join(line.strip() for line in text.replace("\b", "").splitlines())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
