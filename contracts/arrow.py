"""Arrow schemas derived from the records, and the way between rows and tables."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

TIME = pa.timestamp("us", tz="UTC")
R = TypeVar("R", bound=BaseModel)


def arrow_schema(model: type[BaseModel]) -> pa.Schema:
    """The Arrow schema of a record: one column per field, nullable where the field allows None."""
    return pa.schema([_arrow_field(name, field.annotation) for name, field in model.model_fields.items()])


def to_table(records: Iterable[BaseModel], model: type[BaseModel]) -> pa.Table:
    """Records of one model as an Arrow table with `arrow_schema(model)`."""
    return pa.Table.from_pylist([record.model_dump() for record in records], schema=arrow_schema(model))


def to_records(table: pa.Table | pa.RecordBatch, model: type[R]) -> Iterator[R]:
    """The records in a table with the columns of `arrow_schema(model)`; each row is validated again.

    Raises:
        ValidationError: A row is no such record.
    """
    fields = [name for name in table.schema.names if name in model.model_fields]
    for row in table.select(fields).to_pylist():
        yield model.model_validate(row)


def _arrow_field(name: str, annotation: Any) -> pa.Field:
    inner, nullable = _without_none(annotation)
    return pa.field(name, _arrow_type(inner), nullable=nullable)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"no Arrow type for the union {annotation}")
        return _without_none(inner[0])[0], True
    return annotation, False


def _arrow_type(annotation: Any) -> pa.DataType:
    annotation, _ = _without_none(annotation)
    if get_origin(annotation) is tuple:
        return pa.list_(_arrow_type(get_args(annotation)[0]))
    if get_origin(annotation) is Literal:
        return pa.string()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct([_arrow_field(name, f.annotation) for name, f in annotation.model_fields.items()])
    return _SCALARS[annotation]


_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: TIME,
}
