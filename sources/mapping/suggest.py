"""A mapping file made from the data: which file is which table, which column which field, which word which value.

Names are looked up in `names.yaml`, words in the spellings that records read themselves. What is not sure is left to
the person who edits the file, in a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

from contracts.documents import read_yaml, to_yaml
from contracts.errors import UnknownSource
from contracts.reading.spellings import spelled, spelling_key
from contracts.reading.times import read_time
from contracts.records import RECORDS
from contracts.versions import write_text
from sources import files
from sources.formats.base import How, format_of
from sources.mapping.fields import heading
from sources.mapping.model import fields_of
from sources.rows import Shard

SAMPLE_ROWS = 1_000
TABLES = ("members", "jobs", "events")
MOST_WORDS = 40
"""Different words of a column past which it is no column of few values."""
PLACE = ("location", "region", "country")
"""Columns that together are the field `location`."""
SPELLED = ("employment", "workplace", "seniority", "salary_period")
"""Fields whose words `contracts.reading` knows."""
_EVENT_KEY = ("member_id", "job_id", "time")
_LEAST_SCORE = {"members": 2, "jobs": 2, "events": 3}
"""Fields that a file must have to be taken for a table that its name does not say."""


@dataclass
class File:
    """A data file and its first rows."""

    path: Path
    columns: list[str]
    rows: Sequence[Mapping[str, Any]]

    def cells(self, column: str) -> list[str]:
        return [str(row[column]).strip() for row in self.rows if row.get(column) not in (None, "")]


@dataclass
class Section:
    """What is suggested for one table.

    Attributes:
        files: Their names.
        columns: Field -> as the mapping file writes it.
        open: What a person has to say, a line each.
        unused: Columns without a field.
    """

    files: list[str] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def suggest(folder: Path) -> dict[str, Section]:
    """Table -> what its rows are in a folder of files under any names.

    Raises:
        UnknownSource: No file of the folder holds rows, or no table can be told.
    """
    found = list(_files(folder))
    sections: dict[str, Section] = {}
    for table, file in _tables(found):
        section = sections.setdefault(table, Section())
        section.files.append(file.path.name)
        for name, column in _columns(table, file, section).items():
            section.columns.setdefault(name, column)
    if not sections:
        listed = ", ".join(file.path.name for file in found) or "no file with rows"
        cure = "name the files members, jobs and events, or write the mapping by hand"
        raise UnknownSource(f"no table can be told of {listed}", where=str(folder), cure=cure)
    for table, section in sections.items():
        _complete(table, section)
    return {table: sections[table] for table in TABLES if table in sections}


def write_suggestion(sections: Mapping[str, Section], path: Path) -> None:
    """Write a mapping file with what a person has to look at in comments."""
    lines = [
        "# Which column is which field, and which word is which value. Suggested from the data: correct it and run",
        "# `rolecall validate` again. Fields and their values: docs/how-to/bring-your-data.md",
    ]
    for table, section in sections.items():
        body: dict[str, Any] = {"files": section.files, "columns": section.columns}
        lines += ["", to_yaml({table: body}).rstrip("\n")]
        lines += [f"  # to say: {line}" for line in section.open]
        if section.unused:
            lines.append(f"  # without a field: {', '.join(section.unused)}")
    write_text(path, "\n".join(lines) + "\n")


def _files(folder: Path) -> Iterator[File]:
    """The data files of a folder and of the folders of tables in it, with their first rows."""
    for path in sorted(p for p in folder.glob("*") if p.is_file()):
        form = format_of(path)
        if form is None:
            continue
        how = How()
        rows = list(islice(form.rows(Shard(form.table(path) or "jobs", str(path)), how), SAMPLE_ROWS))
        values = [_flat(row.value) for row in rows if row.value is not None]
        columns = form.columns(path, how) or list(dict.fromkeys(name for value in values for name in value))
        if values and columns:
            yield File(path, [column for column in columns if column], values)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the parts of its objects by their path."""
    flat: dict[str, Any] = {}
    for name, cell in row.items():
        flat |= {f"{name}.{part}": value for part, value in cell.items()} if isinstance(cell, dict) else {name: cell}
    return flat


def _tables(found: Sequence[File]) -> Iterator[tuple[str, File]]:
    """The tables that the files hold. One without jobs of its own may give them beside its events."""
    told = []
    for file in found:
        form = format_of(file.path)
        table = _table_named(file.path) or (form.table(file.path) if form else "") or _table_like(file)
        if table:
            told.append((table, file))
    yield from told
    if not any(table == "jobs" for table, _ in told):
        for table, file in told:
            if table == "events" and _matched("jobs", file).get("title"):
                yield "jobs", file


def _table_named(path: Path) -> str:
    stem = spelling_key(heading(files.stem(path)).replace("_", " "))
    words = {stem, *stem.split()}
    return next((table for table in TABLES for name in _names()["tables"][table] if name in words), "")


def _table_like(file: File) -> str:
    """The table most of whose fields the columns are."""
    scores = {table: len(_matched(table, file)) for table in TABLES}
    for table in ("events", "jobs", "members"):
        matched = _matched(table, file)
        needed = {"events": {"member_id", "job_id", "time"}, "jobs": {"title"}, "members": {"headline"}}[table]
        if needed <= matched.keys() and scores[table] >= _LEAST_SCORE[table]:
            return table
    return ""


def _matched(table: str, file: File) -> dict[str, str]:
    """Field -> the column whose name is most like its names; a column is one field."""
    ranked = []
    for name, words in _names()["fields"][table].items():
        for column in file.columns:
            score = _likeness(column, [name, *words])
            if score:
                ranked.append((-score, name, column))
    taken: dict[str, str] = {}
    for _, name, column in sorted(ranked, key=lambda item: item[0]):
        if name not in taken and column not in taken.values():
            taken[name] = column
    return taken


def _likeness(column: str, names: Sequence[str]) -> float:
    """How sure it is that a column is the field of these names: 2 and more for one of them, 1 for one among others."""
    key = spelling_key(heading(column).replace("_", " ").replace(".", " "))
    keys = [spelling_key(name) for name in names]
    if key in keys:
        return 3 - keys.index(key) / 1000
    words = key.split()
    inside = [name for name in keys if len(name) > 3 and _within(name.split(), words)]
    return 1 + max(map(len, inside)) / 1000 if inside else 0


def _within(part: list[str], whole: list[str]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


def _columns(table: str, file: File, section: Section) -> dict[str, Any]:
    """The fields of a file's columns, as the mapping file writes them."""
    matched = _matched(table, file)
    place = [matched.pop(name) for name in PLACE if name in matched]
    if table == "events" and "time" not in matched and (times := _times(file, matched.values())):
        matched["time"] = times[0]
    if table != "events" and "id" not in matched and (ids := _ids(file, matched.values())):
        matched["id"] = ids[0]
    columns: dict[str, Any] = {}
    for name in _names()["fields"][table]:
        if name == "location" and place:
            columns[name] = place[0] if len(place) == 1 else place
        elif name in matched:
            columns[name] = _with_words(table, name, matched[name], file, section)
    if table == "events" and "action" not in columns and (action := _action_named(file.path)):
        columns["action"] = {"constant": action}
    if table == "events" and "id" not in columns and all(name in matched for name in _EVENT_KEY):
        columns["id"] = {"column": [matched[name] for name in _EVENT_KEY], "join": "-"}
    used = {*place, *matched.values()}
    section.unused += [column for column in file.columns if column not in used and column not in section.unused]
    return columns


def _with_words(table: str, name: str, column: str, file: File, section: Section) -> Any:
    """A column with its words, where the field has few values; a word that is not understood is left to say."""
    options = dict(fields_of(table)).get(name, ())
    words = list(dict.fromkeys(file.cells(column)))
    if not options or not words or len(words) > MOST_WORDS:
        return column
    values: dict[str, str | None] = {}
    for word in words:
        if word in options:
            continue
        values[word] = _meaning(name, word)
        if values[word] is None:
            section.open.append(f"{name} {word!r} of column {column}: one of {', '.join(options)}, or null for none")
    return {"column": column, "values": values} if values else column


def _meaning(name: str, word: str) -> str | None:
    if name == "action":
        key = spelling_key(word)
        return next((action for action, words in _names()["actions"].items() if key in words), None)
    return spelled(name, word) if name in SPELLED else None


def _action_named(path: Path) -> str | None:
    """What a file's name says that its rows are: "bewerbungen.csv" holds applications."""
    words = spelling_key(heading(files.stem(path)).replace("_", " ")).split()
    return next((action for action, names in _names()["actions"].items() if set(words) & set(names)), None)


def _ids(file: File, taken: Any) -> list[str]:
    """The columns that could identify a row: full, unlike each other, short."""
    found = []
    for column in file.columns:
        cells = file.cells(column)
        if column not in taken and len(set(cells)) == len(cells) == len(file.rows) and max(map(len, cells)) <= 40:
            found.append(column)
    return found


def _times(file: File, taken: Any) -> list[str]:
    """The columns of which every value is a time."""
    return [column for column in file.columns if column not in taken and _are_times(file.cells(column)[:20])]


def _are_times(cells: Sequence[str]) -> bool:
    try:
        return bool(cells) and all(not cell.isdigit() and read_time(cell) for cell in cells)
    except ValueError:
        return False


def _complete(table: str, section: Section) -> None:
    """Say what every row needs and no column gives."""
    needed = [name for name, info in RECORDS[table].model_fields.items() if info.is_required()]
    if "updated_at" in needed and "updated_at" not in section.columns and "posted_at" in section.columns:
        section.columns["updated_at"] = section.columns["posted_at"]
    for name in needed:
        if name not in section.columns:
            section.open.append(f"{name}: name its column, or write {name}: {{constant: VALUE}}")


@cache
def _names() -> dict[str, Any]:
    file = resources.files("sources.mapping").joinpath("names.yaml")
    loaded: dict[str, Any] = read_yaml(file.read_text("utf-8"), file.name)
    return loaded
