"""A mapping file made from the data: which file is which table, which column which field, which word which value.

Names are looked up in `names.yaml`, words in the spellings that records read themselves. What is not sure is left to
the person who edits the file, in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from contracts.documents import to_yaml
from contracts.errors import UnknownSource
from contracts.reading.spellings import spelled, spelling_key
from contracts.reading.times import read_time
from contracts.records import RECORDS
from contracts.versions import write_text
from sources import files
from sources.formats.base import How, format_of
from sources.formats.json import Json
from sources.mapping.fields import heading
from sources.mapping.lists import each_of
from sources.mapping.model import fields_of, lists_of
from sources.mapping.names import names as _names
from sources.mapping.written import NO, YES
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
MOST_UNUSED = 60
PROSE_CHARS = 60
"""Characters of the longest part of a cell past which, in half of the cells, it is no list of skills."""
_LISTED = re.compile(r"[,;|\n/•·]")
REFERENCE_SHARE = 0.6
"""Of a column's different values, how many are ids of a table where the column refers to it."""
LEAST_REFERENCES = 20
"""Different values below which that may be chance, where the table has as many ids."""


@dataclass
class File:
    """A data file and its first rows; `inner` names the list in each of its objects whose values the rows are."""

    path: Path
    columns: list[str]
    rows: Sequence[Mapping[str, Any]]
    inner: str = ""

    def cells(self, column: str) -> list[str]:
        return [str(row[column]).strip() for row in self.rows if row.get(column) not in (None, "")]


@dataclass
class Section:
    """What is suggested for one table.

    Attributes:
        files: Their names.
        rows: The list in each object whose values the rows are.
        columns: Field -> as the mapping file writes it.
        lists: Field -> as the mapping file writes a list that stands in a table of its own.
        open: What a person has to say, a line each.
        unused: Columns without a field.
    """

    files: list[str] = field(default_factory=list)
    rows: str = ""
    columns: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, Any] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def suggest(folder: Path) -> dict[str, Section]:
    """Table -> what its rows are in a folder of files under any names.

    Raises:
        UnknownSource: No file of the folder holds rows, or no table can be told.
    """
    found = list(_files(folder))
    told = _tables(found)
    ids = {table: _ids_of(table, held) for table, held in told.items() if table != "events"}
    for file in found:
        if file.inner and file.path not in {one.path for one in told.get("events", ())} and _is_log(file, ids):
            told.setdefault("events", []).append(file)
            around = [one for one in told.get("jobs", ()) if one.path != file.path]
            told["jobs"] = around or told.get("jobs", [])
    sections: dict[str, Section] = {}
    for table, held in told.items():
        section = sections.setdefault(table, Section())
        for file in _without_lists(table, held, section):
            section.files.append(file.path.name)
            section.rows = section.rows or file.inner
            for name, column in _columns(table, file, section, ids).items():
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
        body: dict[str, Any] = {"files": section.files}
        body |= {"rows": section.rows} if section.rows else {}
        body |= {"columns": section.columns} | ({"lists": section.lists} if section.lists else {})
        lines += ["", to_yaml({table: body}).rstrip("\n")]
        lines += [f"  # to say: {line}" for line in section.open]
        if section.unused:
            lines.append(f"  # without a field: {in_short(section.unused)}")
    write_text(path, "\n".join(lines) + "\n")


def in_short(names: Sequence[str]) -> str:
    """Names in one line, the first of very many."""
    more = len(names) - MOST_UNUSED
    return ", ".join(names[:MOST_UNUSED]) + (f" and {more:,} more" if more > 0 else "")


def _files(folder: Path) -> Iterator[File]:
    """The data files of a folder with their first rows; a file whose objects hold lists of objects also as those."""
    for path in sorted(p for p in folder.glob("*") if p.is_file()):
        form = format_of(path)
        if form is None:
            continue
        how = How(_is_field) if isinstance(form, Json) else How()  # only JSON tells rows from fields by their names
        raw = list(islice(form.rows(Shard(form.table(path) or "jobs", str(path)), how), SAMPLE_ROWS))
        values = [_flat(row.value) for row in raw if row.value is not None]
        columns = form.columns(path, how) or _names_in(values)
        if not values or not columns:
            continue
        yield File(path, [column for column in columns if column], values)
        for inner in (name for name in columns if any(_holds_objects(value.get(name)) for value in values)):
            parts = [_flat(row.value) for row in each_of(iter(raw), inner) if row.value is not None]
            yield File(path, _names_in(parts), parts[:SAMPLE_ROWS], inner)


def _is_field(name: str) -> bool:
    return any(heading(name) in record.model_fields for record in RECORDS.values())


def _names_in(values: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for value in values for name in value))


def _holds_objects(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(isinstance(part, dict) for part in cell)


def _flat(row: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """A row with the parts of its objects by their paths."""
    flat: dict[str, Any] = {}
    for name, cell in row.items():
        flat |= _flat(cell, f"{head}{name}.") if isinstance(cell, dict) else {f"{head}{name}": cell}
    return flat


def _tables(found: Sequence[File]) -> dict[str, list[File]]:
    """Table -> the files that hold it. One without jobs of its own may give them beside its events."""
    told: dict[str, list[File]] = {}
    likely: list[tuple[str, File]] = []
    for file in found:
        form = format_of(file.path)
        table = "" if file.inner else _table_named(file.path) or (form.table(file.path) if form else "")
        if table:
            told.setdefault(table, []).append(file)
        elif like := _table_like(file):
            likely.append((like, file))
    logs = {file.path for table, file in likely if table == "events"}
    for table, file in likely:
        if table == "events" or not (file.inner or (told.get(table) and file.path in logs)):
            told.setdefault(table, []).append(file)
    if "jobs" not in told and (
        beside := [file for file in told.get("events", ()) if _matched("jobs", file).get("title")]
    ):
        told["jobs"] = beside
    return told


def _ids_of(table: str, files: Sequence[File]) -> set[str]:
    """The ids of the first rows of a table's files."""
    columns = ((file, _matched(table, file).get("id") or next(iter(_ids(file, ())), "")) for file in files)
    return {cell for file, column in columns for cell in file.cells(column)}


def _is_log(file: File, ids: Mapping[str, set[str]]) -> bool:
    """Whether the rows say who did something with which job, and when, by the ids that stand in them."""
    matched = _with_references(file, ids)
    return matched.keys() >= {"member_id", "job_id"} and bool(matched.get("time") or _times(file, matched.values()))


def _with_references(file: File, ids: Mapping[str, set[str]]) -> dict[str, str]:
    """The fields of events by their names; who and which job also by the ids in a column, where its name says less."""
    matched = _matched("events", file)
    for name, table in (("member_id", "members"), ("job_id", "jobs")):
        known = ids.get(table, set())
        shares = {column: _share_of(set(file.cells(column)), known) for column in file.columns}
        if shares.get(matched.get(name, ""), 0.0) >= REFERENCE_SHARE:
            continue
        taken = {matched.get(other) for other in ("member_id", "job_id") if other != name}
        share, column = max(
            ((share, column) for column, share in shares.items() if column not in taken), default=(0, "")
        )
        if share >= REFERENCE_SHARE:
            matched = {other: was for other, was in matched.items() if was != column} | {name: column}
    return matched


def _share_of(values: set[str], ids: set[str]) -> float:
    """How many of a column's different values are ids; 0 for so few that it may be chance."""
    return len(values & ids) / len(values) if values and len(values) >= min(LEAST_REFERENCES, len(ids)) else 0.0


def _without_lists(table: str, files: Sequence[File], section: Section) -> list[File]:
    """The files with one row a record; those with many of one, beside these, are lists that stand by themselves."""
    keyed = {id(file): _matched(table, file).get("id", "") for file in files}
    single = [file for file in files if (cells := file.cells(keyed[id(file)])) and len(set(cells)) == len(cells)]
    if not single or table == "events":
        return list(files)
    rest = [file for file in files if file not in single]
    for file in rest:
        if found := _list_in(table, file, keyed[id(file)]):
            name, listed = found
            section.lists.setdefault(name, listed)
            section.unused += [column for column in file.columns if column not in str(listed)]
        else:
            single.append(file)
    return single


def _list_in(table: str, file: File, of: str) -> tuple[str, dict[str, Any]] | None:
    """(field, as the mapping file writes its list) of a file with many rows of one record."""
    for name, parts in _names()["lists"].get(table, {}).items():
        matched = _matched_names(file, parts, {of})
        if next(iter(parts)) not in matched:
            continue
        what = {"columns": matched} if lists_of(table)[name] else {"column": next(iter(matched.values()))}
        return name, {"files": [file.path.name], "of": of} | what
    return None


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
    return _matched_names(file, _names()["fields"][table])


def _matched_names(file: File, names: Mapping[str, Sequence[str]], not_these: Collection[str] = ()) -> dict[str, str]:
    ranked = []
    for name, words in names.items():
        for column in file.columns:
            score = 0 if column in not_these else _likeness(column, [name, *words])
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


def _columns(table: str, file: File, section: Section, ids: Mapping[str, set[str]]) -> dict[str, Any]:
    """The fields of a file's columns, as the mapping file writes them."""
    matched = _matched(table, file)
    if table == "events":
        matched = _with_references(file, ids)
    place = [matched.pop(name) for name in PLACE if name in matched]
    if table == "events" and "time" not in matched and (times := _times(file, matched.values())):
        matched["time"] = times[0]
    if table != "events" and "id" not in matched and (keys := _ids(file, matched.values())):
        matched["id"] = keys[0]
    columns: dict[str, Any] = {}
    prose = matched.pop("skills") if table == "jobs" and _is_prose(file, matched.get("skills")) else None
    for name in _names()["fields"][table]:
        if name == "description" and prose:
            said = [matched["description"], prose] if "description" in matched else [prose]
            columns[name] = {"column": said, "join": "\n"}
        elif name == "location" and place:
            columns[name] = place[0] if len(place) == 1 else place
        elif name in matched and not _counts(table, name, file.cells(matched[name])):
            columns[name] = _with_words(table, name, matched[name], file, section)
    if table == "events" and "action" not in columns and (action := _action_named(file.path)):
        columns["action"] = {"constant": action}
    if table == "events" and "id" not in columns and all(name in matched for name in _EVENT_KEY):
        key = [*_EVENT_KEY, "action"] if "action" in matched else _EVENT_KEY
        columns["id"] = {"column": [matched[name] for name in key], "join": "-"}
    used = {*place, prose, *(column for name, column in matched.items() if name in columns or name in _EVENT_KEY)}
    section.unused += [column for column in file.columns if column not in used and column not in section.unused]
    return columns


def _is_prose(file: File, column: str | None) -> bool:
    """Whether sentences stand where a list is expected: requirements as an advert tells them."""
    cells = file.cells(column) if column else []
    longest = [max(map(len, _LISTED.split(cell))) for cell in cells]
    return bool(longest) and sorted(longest)[len(longest) // 2] > PROSE_CHARS


def _counts(table: str, name: str, cells: Sequence[str]) -> bool:
    """Whether numbers stand where the field has words: years of experience are no level."""
    return bool(dict(fields_of(table)).get(name)) and bool(cells) and all(cell.isdigit() for cell in cells)


def _with_words(table: str, name: str, column: str, file: File, section: Section) -> Any:
    """A column with its words, where the field has few values; a word that is not understood is left to say."""
    options = dict(fields_of(table)).get(name, ())
    words = list(dict.fromkeys(file.cells(column)))
    if not options or not words or len(words) > MOST_WORDS:
        return column
    values: dict[str, str | None] = {}
    flag = name == "workplace" and {word.casefold() for word in words} <= YES | NO
    for word in words:
        if word in options:
            continue
        if flag:
            values[word] = "remote" if word.casefold() in YES else None
            continue
        values[word] = _meaning(name, word)
        if values[word] is None:
            section.open.append(f"{name} {word!r} of column {column}: one of {', '.join(options)}, or null for none")
    return {"column": column, "values": values} if values else column


def _meaning(name: str, word: str) -> str | None:
    if name == "action":
        return _action_meant(word)
    return spelled(name, word) if name in SPELLED else None


def _action_meant(word: str) -> str | None:
    """The action that a status says: that of the first of the known words in it, and of these the longest.

    A refusal counts wherever it stands. None where nothing is known, or a word such as "not" turns what is.
    """
    said = spelling_key(word).split()
    found = []
    for action, words in _names()["actions"].items():
        for one in (one.split() for one in words):
            at = next((at for at in range(len(said)) if said[at : at + len(one)] == one), None)
            if at is not None:
                found.append((action != "reject", at, -len(one), action, one))
    if not found:
        return None
    *_, action, known = min(found)
    turned = set(said) & set(_names()["turning"]) - set(known)
    return None if turned else action


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
