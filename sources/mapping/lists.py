"""Rows in rows: a list inside each object whose values are the rows, and lists that stand in a table of their own."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from sources.findings import Finding
from sources.formats.base import How, format_of
from sources.mapping.fields import BadCell, plain_id, word_and_date
from sources.mapping.model import ListMapping, TableMapping
from sources.rows import RawRow

Stamp = tuple[str, int, int]
"""A file, its size and when it was changed, in nanoseconds."""


def renamed(rows: Iterator[RawRow], names: Mapping[str, str]) -> Iterator[RawRow]:
    """Rows with some of their columns under other names."""
    if not names:
        return rows
    return (
        row
        if row.value is None
        else row._replace(value={names.get(name, name): cell for name, cell in row.value.items()})
        for row in rows
    )


def each_of(rows: Iterator[RawRow], name: str) -> Iterator[RawRow]:
    """The objects of the list `name` of each row, each with what stands around the list; a row without it is said.

    A list that lies in objects is named by its path, "application.steps".
    """
    for row in rows:
        if row.value is None:
            yield row
            continue
        *heads, last = name.split(".")
        inner: Any = row.value
        for head in heads:
            inner = inner.get(head) if isinstance(inner, dict) else None
        parts = inner.get(last) if isinstance(inner, dict) else None
        if parts is None or isinstance(parts, list):
            around = {key: value for key, value in row.value.items() if key != (heads or [last])[0]}
            for part in parts or ():
                yield row._replace(value=around | nested(name, part))
            continue
        detail = f"{name} is a {type(parts).__name__} where the mapping's `rows` needs a list; name a list there"
        yield row._replace(value=None, raw=str(parts)[:1_000], reason="bad_json", detail=detail)


def nested(path: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} of the path "a.b"."""
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


class Lists:
    """The lists of one table's records that stand in tables of their own, held in memory."""

    def __init__(
        self,
        section: TableMapping,
        paths: Mapping[str, Sequence[Path]],
        ids: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        """Read the files of each list, once in a process as long as they stay as they are.

        Args:
            section: Says how they are read.
            paths: Field -> the files of its list.
            ids: Returns those of all records of the table; given where what became of no record is to be a finding of
                the first row, which costs another reading of the table.
        """
        self._found = {}
        for field, listed in section.lists.items():
            stamps = tuple((str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths[field])
            self._found[field] = _grouped(field, listed.model_dump_json(), stamps)
        self._problems: tuple[Finding, ...] = ()
        if ids is not None and self._found:
            known = set(map(plain_id, ids()))
            self._problems = tuple(chain.from_iterable(problems for _, problems in self._found.values()))
            self._problems += tuple(self._of_no_record(known, paths))

    def _of_no_record(self, known: Container[str], paths: Mapping[str, Sequence[Path]]) -> Iterator[Finding]:
        """A finding for each list that holds values of ids that are no record's."""
        for field, (by_id, _) in self._found.items():
            if left := sum(len(values) for key, values in by_id.items() if key not in known):
                names = ", ".join(path.name for path in paths[field])
                yield Finding(f"{field} of {names}", "of_no_record", f"{left:,} rows", "left out")

    def add(self, row: RawRow) -> RawRow:
        """A row under the fields of its record, with its lists."""
        if row.value is None or not self._found:
            return row
        key, value = plain_id(row.value.get("id", "")), dict(row.value)
        for field, (by_id, _) in self._found.items():
            if key in by_id:
                _set(value, field, by_id[key])
        findings, self._problems = self._problems, ()
        return row._replace(value=value, findings=(*row.findings, *findings))


def _set(value: dict[str, Any], path: str, found: list[Any]) -> None:
    *heads, last = path.split(".")
    for head in heads:
        value = value.setdefault(head, {})
    value[last] = [*value.get(last, ()), *found]


@lru_cache(maxsize=8)
def _grouped(field: str, listing: str, stamps: tuple[Stamp, ...]) -> tuple[Mapping[str, list[Any]], list[Finding]]:
    """Id -> the values of its list, in the order of the files; and what was not read."""
    listed = ListMapping.model_validate_json(listing)
    how = How(encoding=listed.encoding, delimiter=listed.delimiter)
    by_id: dict[str, list[Any]] = {}
    problems: dict[Finding, None] = {}
    for path in (Path(path) for path, *_ in stamps):
        for row in _rows(path, how):
            problems |= dict.fromkeys(row.findings)
            try:
                key, value = _value(field, listed, row)
            except BadCell as error:
                problems[Finding(f"{field} of {path.name}", error.reason, "", "not read")] = None
                continue
            if value not in (None, "", {}):
                by_id.setdefault(key, []).append(value)
    return by_id, list(problems)


def _rows(path: Path, how: How) -> Iterator[RawRow]:
    if form := format_of(path):
        for shard in form.shards("", path):
            yield from form.rows(shard, how)


def _value(field: str, listed: ListMapping, row: RawRow) -> tuple[str, Any]:
    """(id, value) of a row of a list; raises BadCell where it cannot be told."""
    if row.value is None:
        raise BadCell(row.reason, row.detail)
    key = row.value.get(listed.of)
    if key is None:
        raise BadCell("missing_field", f"{listed.of} is empty")
    return plain_id(key), row.value.get(listed.column) if listed.column else _record(field, listed, row.value)


def _record(field: str, listed: ListMapping, row: Mapping[str, Any]) -> dict[str, Any]:
    """One value of a list of records, of the row that holds it."""
    record = {}
    for part, column in listed.columns.items():
        given = [cell for name in column.column if (cell := row.get(name)) is not None]
        cell = given[0] if len(given) == 1 else column.join.join(map(str, given)) if given else column.constant
        for step in word_and_date(column, f"{field}.{part}"):
            cell = cell if cell is None else step(cell)
        cell = column.default if cell is None else cell
        if cell is not None:
            record[part] = cell
    return record
