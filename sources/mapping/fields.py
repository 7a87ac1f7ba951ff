"""A row under the names of its file -> a row under the fields of its record, with findings of what that took.

What a record has no field for is counted and not read. What a cell holds is left to the record to read, but for what
only a file needs: lists and records written into one cell, ids that a spreadsheet took for numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, get_args

import orjson
import pyarrow as pa

from contracts.arrow import arrow_schema
from contracts.errors import BadInput, MissingColumn
from contracts.reading.spellings import is_missing
from contracts.records import RECORDS, Action
from sources.findings import Finding, shape
from sources.mapping.model import Column, TableMapping
from sources.mapping.names import action_called
from sources.mapping.written import COMMA, STRONG, WEAK, decoded, flag, is_written, mark_of, value_in, words_in
from sources.rows import BY_LOAD, RawRow

IDS = ("id", "member_id", "job_id")
_ACTIONS = frozenset(get_args(Action))

_GUARDED = re.compile(r"""="(.*)"|'(.*)""", re.DOTALL)
"""How spreadsheets keep a number as text."""
_FULL_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")
_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE]\+?\d+")
_WHOLE = re.compile(r"(\d+)\.0+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAPS = re.compile(r"[\s\-_]+")


class BadCell(ValueError):
    """A cell that cannot be read as its field is; `reason` as the quarantine counts it."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


def heading(name: str) -> str:
    """A column's name as fields are written: "Updated At", "updated-at" and "updatedAt" are updated_at."""
    return _GAPS.sub("_", _CAMEL.sub("_", name.strip(" \t\r\n\ufeff\xa0\"'"))).lower()


class Fields:
    """Reads the rows of one file as rows of one table."""

    def __init__(self, table: str, section: TableMapping, columns: Sequence[str] = ()) -> None:
        """columns: those of the whole file, where it has such."""
        self._table, self._section, self._columns = table, section, tuple(columns)
        self._by_name = _by_name(table)
        self._of_column: dict[str, tuple[str, ...]] = {}
        for field, column in section.columns.items():
            if len(column.column) == 1:
                name = column.column[0]
                self._of_column[name] = (*self._of_column.get(name, ()), field)
        self._joined = {f: c for f, c in section.columns.items() if len(c.column) > 1}
        self._parts = {name for column in self._joined.values() for name in column.column}
        self._filled = {
            field: column.default if column.constant is None else column.constant
            for field, column in section.columns.items()
            if column.constant is not None or column.default is not None
        }
        self._passed = {*self._columns, *self._parts, *section.ignore}
        """Without a word for each row: what the file lacks use for as a whole is told once (`ignored_columns`)."""
        mapped = {name for column in section.columns.values() for name in column.column}
        self._deep = {name: name.split(".") for name in mapped if "." in name and name not in self._columns}
        self._inside: set[str] = set()
        """The lists with commas inside their values."""
        self._readers: dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]] = {}
        self._found: list[Finding] = []

    def known(self, column: str) -> bool:
        """Whether a column has a use."""
        return column in self._parts or bool(self._fields_of(column))

    def missing(self, where: str) -> list[str]:
        """The fields that every row needs and no column of the file gives.

        Raises:
            BadInput: Two columns are one field.
        """
        given: dict[str, str] = {}
        for column in self._columns:
            for field in self._fields_of(column):
                if field in given and (column != given[field] or self._columns.count(column) > 1):
                    what = f"the columns {given[field]!r} and {column!r} are both {field}"
                    raise BadInput(what, where=where, cure="rename one, or say in a mapping which one counts")
                given[field] = column
        have = {*given, *self._joined, *self._filled, *BY_LOAD.get(self._table, ())}
        fields = RECORDS[self._table].model_fields
        return [name for name, field in fields.items() if field.is_required() and name not in have]

    def sample(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Learn from a file's first rows which lists have commas inside their values: those of which no more cells are
        parted by commas alone than by other marks."""
        lists = [field for field, kind in _kinds(self._table).items() if kind == "words"]
        strong, commas = dict.fromkeys(lists, 0), dict.fromkeys(lists, 0)
        for row in rows:
            for name, cell in row.items():
                for field in self._fields_of(name):
                    if field in strong and isinstance(cell, str) and not is_written(text := decoded(cell)):
                        mark = mark_of(text)
                        strong[field] += mark in STRONG
                        commas[field] += mark == COMMA
        self._inside = {field for field in lists if strong[field] and strong[field] >= commas[field]}

    def read(self, row: RawRow) -> RawRow:
        """The row under the fields of its record, or with the reason why it cannot be."""
        if row.value is None:
            return row
        self._found = []
        value: dict[str, Any] = {}
        cells = _with_parts(row.value, self._deep) if self._deep else row.value
        try:
            for name, cell in cells.items():
                readers = self._readers.get(name)
                if readers is None:
                    readers = self._readers[name] = self._readers_of(name)
                for field, read in readers:
                    if field not in self._filled or not _is_empty(cell):
                        _put(value, field, read(cell))
                if not readers and name not in self._passed:
                    self._found.append(Finding(self._table, "unknown_field", name, "not read"))
            for field, column in self._joined.items():
                parts = [cells.get(name) for name in column.column]
                if said := [str(cell).strip() for cell in parts if cell is not None and not is_missing(str(cell))]:
                    _put(value, field, self._reader(field, column)(column.join.join(said)))
            for field, given in self._filled.items():
                if not _has(value, field):
                    _put(value, field, self._reader(field, Column(constant=given))(given))
        except BadCell as error:
            return row._replace(value=None, raw=_text(row), reason=error.reason, detail=str(error))
        findings = (*row.findings, *self._found) if self._found else row.findings
        return row._replace(value=value, findings=findings)

    def _fields_of(self, column: str) -> tuple[str, ...]:
        """The fields that a column is; the mapping's word goes over the name's."""
        if column in self._of_column:
            return self._of_column[column]
        if column in self._section.ignore or column in self._parts:
            return ()
        field = self._by_name.get(column) or self._by_name.get(heading(column))
        return (field,) if field and field not in self._section.columns else ()

    def _readers_of(self, name: str) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        return tuple((f, self._reader(f, self._section.columns.get(f))) for f in self._fields_of(name))

    def _reader(self, field: str, column: Column | None) -> Callable[[Any], Any]:
        """How a cell is read as a field."""
        kind = _kinds(self._table).get(field, "")
        steps = word_and_date(column, field, kind == "words") if column is not None else []
        if field in IDS:
            steps.append(lambda cell: self._id(cell, field))
        elif field == "action":
            steps.append(self._action)
        elif kind == "words":
            steps.append(lambda cell: self._words(cell, field, column))
        elif kind == "records":
            steps.append(lambda cell: self._records(cell, field))
        elif kind == "flag":
            steps.append(flag)
        else:
            steps.append(lambda cell: self._scalar(cell, field))
        if len(steps) == 1:
            return steps[0]

        def read(cell: Any) -> Any:
            for step in steps:
                if cell is not None:
                    cell = step(cell)
            return cell

        return read

    def _id(self, cell: Any, field: str) -> Any:
        """An id as text; one that a spreadsheet or a table of numbers took for a number is said."""
        if isinstance(cell, float) and cell.is_integer():
            exact = abs(cell) < 2**53
            reason, done = ("id_as_number", "read without its .0") if exact else ("id_cut", "kept; write it as text")
            self._found.append(Finding(field, reason, shape(cell), done))
            return str(int(cell))
        if isinstance(cell, str):
            plain = plain_id(cell)
            if plain != cell.strip():
                self._found.append(Finding(field, "id_as_number", shape(cell), f"read as {shape(plain)}"))
                return plain
            if _SCIENTIFIC.fullmatch(plain):
                self._found.append(Finding(field, "id_cut", shape(cell), "kept; export the column as text"))
            return cell
        return self._scalar(cell, field)

    def _action(self, cell: Any) -> Any:
        """What somebody did, by its name; one that data call otherwise is said."""
        if not isinstance(cell, str) or cell in _ACTIONS:
            return cell
        action = action_called(cell)
        if action is not None:
            self._found.append(Finding("action", "other_name", shape(cell), f"read as {action}"))
        return action or cell

    def _scalar(self, cell: Any, field: str) -> Any:
        if field == "location" and isinstance(cell, str) and is_written(text := cell.strip()):
            cell = words_in(text)
        if isinstance(cell, list) and all(isinstance(part, str | int | float) for part in cell) and cell:
            self._found.append(Finding(field, "too_many_values", "", "joined"))
            return ("; " if field == "location" else ", ").join(map(str, cell))
        return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell

    def _words(self, cell: Any, field: str, column: Column | None) -> Any:
        if isinstance(cell, str):
            cell = [word for part in self._parted(decoded(cell), field, column) if (word := str(part).strip())]
        if column is not None and column.values and isinstance(cell, list):
            by_word = _by_word(column.values)
            cell = [meant for word in cell if (meant := by_word(word)) is not None]
        return cell

    def _parted(self, text: str, field: str, column: Column | None) -> list[Any]:
        """The values of a list in one cell; what was assumed of a mark that may stand inside a value is said."""
        if is_written(text):
            return words_in(text)
        if text[:2] in ('["', "['"):  # its end is missing
            self._found.append(Finding(field, "bad_json", shape(text), "left empty"))
            return []
        if column is not None and column.separator:
            return text.split(column.separator)
        mark = mark_of(text)
        if mark is None or mark in STRONG:
            return text.split(mark) if mark else [text]
        if mark == COMMA:
            name, parts = "comma", field not in self._inside
        else:
            spaced = f" {mark} "
            name, parts = WEAK[mark], spaced in text or text.count(mark) > 1
            mark = spaced if spaced in text else mark
        self._found.append(Finding(field, "separator", name, "parted there" if parts else "kept inside the value"))
        return text.split(mark) if parts else [text]

    def _records(self, cell: Any, field: str) -> Any:
        if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
            try:
                cell = value_in(cell.strip())
            except ValueError:
                self._found.append(Finding(field, "bad_json", shape(cell), "left empty"))
                return None
        return self._known_parts(cell, field)

    def _known_parts(self, value: Any, field: str) -> Any:
        """Nested records without what they have no field for, which is counted."""
        if isinstance(value, list):
            return [self._known_parts(part, field) for part in value]
        if not isinstance(value, dict):
            return value
        known = _parts(self._table, field)
        for name in value.keys() - known:
            self._found.append(Finding(self._table, "unknown_field", f"{field}.{name}", "not read"))
        return {name: part for name, part in value.items() if name in known}


def require_columns(table: str, section: TableMapping, columns: Sequence[str], where: str) -> None:
    """Check that the columns of a file give every field that a row needs, and each of them one.

    Raises:
        MissingColumn: A field has no column.
        BadInput: Two columns are one field.
    """
    missing = Fields(table, section, columns).missing(where)
    if missing:
        by_load, fields = BY_LOAD.get(table, ()), RECORDS[table].model_fields.items()
        needed = [name for name, field in fields if field.is_required() and name not in by_load]
        raise MissingColumn(
            f"column {', '.join(missing)} is missing; the file has {', '.join(columns)}",
            where=where,
            cure=f"rename or add it: {table} need {', '.join(needed)}; or say in a mapping which column it is, "
            "`rolecall validate FOLDER --suggest` writes one",
        )


def _with_parts(row: Mapping[str, Any], paths: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """A row with the parts of the objects that a mapping goes into, under their paths, instead of the objects."""
    cells = dict(row)
    for name, (head, *rest) in paths.items():
        part = row.get(head)
        if isinstance(part, dict):
            cells.pop(head, None)
            cells = {f"{head}.{inner}": cell for inner, cell in part.items()} | cells
        for step in rest:
            part = part.get(step) if isinstance(part, dict) else None
        if part is not None:
            cells[name] = part
    return cells


def _put(value: dict[str, Any], field: str, cell: Any) -> None:
    """Set a field, given by its path; nothing for None."""
    if cell is None:
        return
    *heads, last = field.split(".") if "." in field else (field,)
    for head in heads:
        value = value.setdefault(head, {})
    value[last] = cell


def plain_id(cell: Any) -> str:
    """An id as text, without what a spreadsheet did to it: `="0017"`, `'0017`, 17.0, full-width digits."""
    text = str(cell).strip()
    if not text.isascii():
        text = text.translate(_FULL_WIDTH)
    if text[:1] in "='" and (guarded := _GUARDED.fullmatch(text)):
        text = (guarded[1] or guarded[2] or "").strip()
    return whole[1] if (whole := _WHOLE.fullmatch(text)) else text


def _is_empty(cell: Any) -> bool:
    return isinstance(cell, str) and is_missing(cell)


def _has(value: Any, field: str) -> bool:
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def word_and_date(column: Column, field: str, is_list: bool = False) -> list[Callable[[Any], Any]]:
    """What a mapping says of a single cell: its word's value, and its date's form; a list's words are read one by one.

    A date that is not written so raises BadCell.
    """
    steps: list[Callable[[Any], Any]] = []
    if column.values and not is_list:
        steps.append(_by_word(column.values))
    if column.format:
        form = column.format
        steps.append(lambda cell: _dated(cell, form, field))
    return steps


def _by_word(values: Mapping[str, Any]) -> Callable[[Any], Any]:
    folded = {word.strip().casefold(): meant for word, meant in values.items()}
    return lambda cell: folded.get(str(cell).strip().casefold(), cell)


def _dated(cell: Any, form: str, field: str) -> Any:
    if isinstance(cell, datetime | date):
        return cell
    try:
        found = datetime.strptime(str(cell).strip(), form)
    except ValueError:
        cure = "write all dates so, or take the format out of the mapping"
        raise BadCell("bad_date", f"{field} {str(cell)[:80]!r} is not written as {form!r}; {cure}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(row: RawRow) -> str:
    return orjson.dumps(row.value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


@cache
def _by_name(table: str) -> Mapping[str, str]:
    """Heading -> field."""
    return {name: name for name in RECORDS[table].model_fields}


@cache
def _kinds(table: str) -> Mapping[str, str]:
    """Field -> "words" for a list of text, "records" for a record or a list of them, "flag" for a bool."""
    kinds: dict[str, str] = {}
    for field in arrow_schema(RECORDS[table]):
        _note_kind(kinds, field.name, field.type)
    return kinds


def _note_kind(kinds: dict[str, str], name: str, kind: pa.DataType) -> None:
    if pa.types.is_list(kind):
        kinds[name] = "words" if pa.types.is_string(kind.value_type) else "records"
    elif pa.types.is_boolean(kind):
        kinds[name] = "flag"
    elif pa.types.is_struct(kind):
        kinds[name] = "records"
        for part in kind:
            _note_kind(kinds, f"{name}.{part.name}", part.type)


@cache
def _parts(table: str, field: str) -> frozenset[str]:
    """The names of the parts of a field that holds records."""
    kind = arrow_schema(RECORDS[table]).field(field).type
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return frozenset(part.name for part in inner)
