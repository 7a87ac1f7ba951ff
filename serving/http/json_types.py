"""Whether a body's values are of the JSON types that a schema states: a number is no text, and true is no number.

Records are read leniently, since the tables of a board hold numbers as text and dates as people write them. A client of
the API is told its slip instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
Path = tuple[str | int, ...]


def misfit(model: type[BaseModel], body: Any) -> tuple[Path, str] | None:
    """The first value of another JSON type than the model's schema states, and what was wanted; None: all fit.

    It follows the schema, so that its depth is the schema's own whatever was sent.
    """
    schema = _schema(model)
    return _misfit(schema, schema.get("$defs", {}), body, ())


@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _misfit(schema: Mapping[str, Any], defs: Mapping[str, Any], value: Any, at: Path) -> tuple[Path, str] | None:
    if "$ref" in schema:
        return _misfit(defs[schema["$ref"].rpartition("/")[2]], defs, value, at)
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        all_found = [_misfit(branch, defs, value, at) for branch in branches]
        return None if None in all_found else max(all_found, key=lambda one: len(one[0]) if one else 0)
    wanted = str(schema.get("type", ""))
    if wanted == "integer":
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return None if whole and not isinstance(value, bool) else (at, "a whole number is wanted")
    if wanted in _TYPES and (
        not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")
    ):
        return at, f"a value of type {wanted} is wanted"
    if isinstance(value, Mapping):
        parts = schema.get("properties", {})
        inner = ((parts[name], part, (*at, name)) for name, part in value.items() if name in parts)
    elif isinstance(value, list) and "items" in schema and len(value) <= schema.get("maxItems", len(value)):
        inner = ((schema["items"], part, (*at, i)) for i, part in enumerate(value))
    else:
        return None
    return next((found for part in inner if (found := _misfit(part[0], defs, part[1], part[2]))), None)
