"""The mapping file: which column is which field of a record, and which word is which value.

jobs:
  files: [stellen.csv]
  columns:
    id: Nummer
    title: Titel
    location: [Ort, Land]
    posted_at: {column: Datum, format: "%d.%m.%Y"}
    employment: {column: Art, values: {Vollzeit: full_time, Teilzeit: part_time}}
    currency: {constant: EUR}
"""

from __future__ import annotations

import codecs
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from contracts.arrow import arrow_schema
from contracts.documents import Lines, at, parse, read_text, wrong
from contracts.errors import BadInput
from contracts.reading.spellings import spelling_key
from contracts.records import RECORDS
from contracts.values import FrozenModel
from contracts.versions import json_hash

NAME = "mapping.yaml"
"""A mapping of this name in the folder of the data is used without being named."""
Scalar = str | bool | int | float | date | datetime | None


def _texts(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | float) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Column(FrozenModel):
    """Where the value of a field comes from. Written short, a text or a list of texts is `column`.

    Attributes:
        column: The column, `pay.least` for a part of an object in JSON; of several, the values that are there are
            joined by `join`.
        constant: One value for every row, instead of a column.
        default: The value where the column's cell is empty, or the row has none.
        values: Word of the column -> value of the field, in any case; a word that is not here stays as it is.
        format: How a date is written, as Python's strptime has it: "%d.%m.%Y".
        separator: What stands between the values of a list.
        join: What stands between the values of several columns.
    """

    column: Columns = ()
    constant: Scalar = None
    default: Scalar = None
    values: Mapping[str, Scalar] = Field(default_factory=dict)
    format: str | None = None
    separator: str | None = Field(None, min_length=1)
    join: str = ", "

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str | list | int) else value

    @model_validator(mode="before")
    @classmethod
    def _words_are_text(cls, value: Any) -> Any:
        """To YAML, `yes` and 1 are no text; as a word of a column they are."""
        if not isinstance(value, dict) or not isinstance(value.get("values"), dict):
            return value
        words = {_word(word): meant for word, meant in value["values"].items()}
        return value | {"values": words}

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.column and self.constant is not None:
            raise wrong("it has a column and a constant", "keep one of them; a value for empty cells is `default`")
        if not self.column and self.constant is None and self.default is None:
            raise wrong("it says neither column nor constant", "name the column, or write {constant: VALUE}")
        return self


def _word(word: Any) -> str:
    return {True: "yes", False: "no", None: ""}.get(word, str(word)) if isinstance(word, bool | None) else str(word)


class ListMapping(FrozenModel):
    """A list of a record whose values stand in a table of their own, a row for each value.

    Attributes:
        files: Names of the files that hold them, with `*` for any part.
        of: The column that says whose they are: the id of the record.
        columns: Part of a value -> where it comes from: `title`, `start` of a position.
        column: Or the one column of a list of words, such as skills.
        encoding: Of the text, as Python names it.
        delimiter: Between the cells of a delimited file.
    """

    files: Columns
    of: str
    columns: Mapping[str, Column] = Field(default_factory=dict)
    column: str | None = None
    encoding: str | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.columns) == bool(self.column):
            raise wrong("it needs `columns`, or for a list of words `column`", "keep one of them")
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that it needs."""
        of_parts = (name for column in self.columns.values() for name in column.column)
        return self.of, *((self.column,) if self.column else ()), *of_parts


class TableMapping(FrozenModel):
    """How the rows of one table are read.

    Attributes:
        files: Names of the files that hold them, with `*` for any part; the usual names where empty.
        table: The table of a database.
        query: Or a query there.
        encoding: Of the text, as Python names it: "windows-1252".
        delimiter: Between the cells of a delimited file.
        rows: A list of objects in each object of the files, `prospects`: it is they that are the rows, with their
            columns under its name, `prospects.date`, beside those of the object around them.
        columns: Field -> where its value comes from. `preferences.salary_min` names a part of a field.
        lists: Field -> the table of its own that its values stand in.
        ignore: Columns that are known to have no use; they are not reported.
    """

    files: Columns = ()
    table: str | None = None
    query: str | None = None
    encoding: str | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    rows: str | None = None
    columns: Mapping[str, Column] = Field(default_factory=dict)
    lists: Mapping[str, ListMapping] = Field(default_factory=dict)
    ignore: Columns = ()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise wrong(f"no encoding {self.encoding!r}", "one like windows-1252, utf-16 or shift-jis") from None
        if self.table and self.query:
            raise wrong("it has a table and a query", "keep one of them")
        return self

    def spelled(self, columns: Sequence[str]) -> dict[str, str]:
        """Column of a file -> as the mapping writes it, of those that differ in case, spaces or hyphens alone."""
        named = [name for column in self.columns.values() for name in column.column]
        wanted = {spelling_key(name): name for name in [*named, *self.ignore] if name not in columns}
        return {name: wanted[key] for name in columns if (key := spelling_key(name)) in wanted and name not in named}


class DataMapping(FrozenModel):
    """A whole mapping file, a section for each table that needs one."""

    members: TableMapping = TableMapping()
    jobs: TableMapping = TableMapping()
    events: TableMapping = TableMapping()
    grades: TableMapping = TableMapping()

    def of(self, table: str) -> TableMapping:
        """The section of a table."""
        found: TableMapping = getattr(self, table)
        return found

    @property
    def version(self) -> str:
        """Changes with whatever changes what is read."""
        return json_hash(self.model_dump(mode="json"))


def read_mapping(path: Path) -> DataMapping:
    """The mapping in a file.

    Raises:
        NotReady: There is no such file.
        BadInput: It is no mapping, or names a field or value that no record has; the error names line and cure.
    """
    mapping, lines = parse(read_text(path, "`rolecall validate FOLDER --suggest` writes one"), DataMapping, str(path))
    for table in RECORDS:
        _require_fields(table, mapping.of(table), lines, str(path))
    return mapping


def _require_fields(table: str, section: TableMapping, lines: Lines, where: str) -> None:
    """Raise BadInput for a field that the record lacks, or a word that means no value of it."""
    known = {name: options for name, options in fields_of(table)}
    lists = lists_of(table)
    for name, listed in section.lists.items():
        parts = lists.get(name)
        if parts is None:
            what = f"{table} have no list {name}"
            raise at(lines, (table, "lists", name), what, where, f"one of {', '.join(lists) or 'none'}")
        if bool(parts) != bool(listed.columns):
            cure = f"say its `columns`: {', '.join(parts)}" if parts else "say its `column`"
            what = f"{name} is a list of {'records' if parts else 'words'}"
            raise at(lines, (table, "lists", name), what, where, cure)
        for part in listed.columns:
            if part not in parts:
                what = f"{name} has no {part}"
                raise at(lines, (table, "lists", name, "columns", part), what, where, f"one of {', '.join(parts)}")
    for name, column in section.columns.items():
        path = (table, "columns", name)
        if name not in known:
            near = get_close_matches(name, known, 1)
            cure = f"did you mean {near[0]}? " if near else ""
            raise at(lines, path, f"{table} have no field {name}", where, f"{cure}one of {', '.join(known)}")
        options = known[name]
        if not options:
            continue
        for word, value in (("constant", column.constant), ("default", column.default), *column.values.items()):
            if value is not None and str(value) not in options:
                spot = (*path, word) if word in ("constant", "default") else (*path, "values", word)
                what = f"{value!r} is no value of {name}"
                raise at(lines, spot, what, where, f"one of {', '.join(options)}; null leaves it empty")


@cache
def fields_of(table: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The fields of a table's record that a column may be, each with the words that it may hold; () for any.

    The fields of a record inside the record are there by their path, lists of records as a whole.
    """
    return tuple(_fields(RECORDS[table], ""))


@cache
def lists_of(table: str) -> Mapping[str, tuple[str, ...]]:
    """The lists of a table's record -> the parts of their records; () of a list of words."""
    found: dict[str, tuple[str, ...]] = {}
    schema = arrow_schema(RECORDS[table])
    for name, _ in fields_of(table):
        head, _, last = name.partition(".")
        kind = schema.field(head).type
        kind = kind.field(last).type if last else kind
        if pa.types.is_list(kind):
            inner = kind.value_type
            found[name] = tuple(part.name for part in inner) if pa.types.is_struct(inner) else ()
    return found


def _fields(model: type[BaseModel], head: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, field in model.model_fields.items():
        yield f"{head}{name}", _options(field.annotation)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{head}{name}.")


def _options(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal, of one that may be missing, and of a list of them."""
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple):
        return next((found for part in get_args(annotation) if (found := _options(part))), ())
    return ()


def require_used(table: str, section: TableMapping, columns: Sequence[str], where: str) -> None:
    """Check that what the mapping names is among the columns of a table's files.

    Raises:
        BadInput: A column is not.
    """
    for field, column in section.columns.items():
        for name in column.column:
            if name not in columns:
                near = get_close_matches(name, columns, 1)
                cure = f"did you mean {near[0]!r}? " if near else ""
                there = ", ".join(dict.fromkeys(columns))
                what = f"{table}.columns.{field}: no column {name!r}; there are {there}"
                cure += "name the column as its file does, or take the field out"
                raise BadInput(what, where=where, cure=cure)
