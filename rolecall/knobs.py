"""The reference of all knobs as Markdown, made from the fields that hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from policy.judges.base import JudgeConfig
from policy.judges.registry import JUDGES
from rolecall.params import params_model


class Knob(NamedTuple):
    """One knob. default: as YAML writes it, empty where a value must be given; bounds: such as ">= 1"."""

    name: str
    default: str
    bounds: str
    meaning: str


def knobs(model: type[BaseModel] | None = None, head: str = "") -> Iterator[Knob]:
    """All knobs of a model (None: of the params), those of nested sections under dotted names."""
    for name, field in (model or params_model()).model_fields.items():
        sections = list(_sections(field))
        if not sections or field.description:
            yield Knob(f"{head}{name}", _default(field), _bounds(field), field.description or "")
        for section, kind in sections:
            yield from knobs(section, f"{head}{name}{kind}.")


def as_markdown() -> str:
    """One table a section, for the documentation."""
    tables: dict[str, list[str]] = {}
    for knob in knobs():
        section = knob.name.partition(".")[0] if "." in knob.name else "all stages"
        bounds = f" ({knob.bounds})" if knob.bounds else ""
        row = (f"`{knob.name}`", f"`{knob.default}`" if knob.default else "", f"{knob.meaning}{bounds}")
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        tables.setdefault(section, []).append(f"| {' | '.join(cells)} |")
    head = "| knob | default | meaning |\n| --- | --- | --- |\n"
    return "\n\n".join(f"## {section}\n\n{head}" + "\n".join(rows) for section, rows in tables.items()) + "\n"


def _sections(field: FieldInfo) -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a field may hold, each with what tells it from the others: " (llm)"."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, JudgeConfig):
            yield from ((JUDGES.get(name).Config, f" ({name})") for name in JUDGES.names())
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind, ""


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if field.is_required() or isinstance(value, BaseModel):
        return ""
    return json.dumps(to_jsonable_python(value))


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    limits = [(sign, getattr(part, name, None)) for part in field.metadata for name, sign in signs.items()]
    return ", ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)
