"""The public job-views dataset: people of a US job board who opened jobs, read as members, jobs and events.

It has no jobs table: a job is what its view rows say. Nothing may be known before its time, so
- a job exists from midnight of the dataset's first view day (all jobs are candidates; the board's posting dates are
  not given, and the first view of a job would tell that someone will view it);
- a member has a version at that midnight, and one more whenever a wish or a position was entered later (`Created.At`).

An example of a raw-data source, for `plugins: [examples/sources/jobviews.py]` in params.yaml.

The dataset is a few megabytes and its rows have to be grouped, so a table is read as one shard and held in memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, ClassVar

from contracts.errors import UnreadableFile
from contracts.reading.spellings import is_missing
from contracts.records import EARLIEST, utc
from sources import delimited
from sources.delimited import NamedCells
from sources.open import SOURCES
from sources.rows import RawRow, Shard

VIEWS = "Job_Views.csv"
EXPERIENCE = "Experience.csv"
WISHES = "Positions_Of_Interest.csv"
LOGGED_BY = "jobviews/unknown"

_NEEDED: Mapping[str, tuple[str, ...]] = {
    VIEWS: ("Applicant.ID", "Job.ID", "Title", "View.Start"),
    EXPERIENCE: ("Applicant.ID", "Position.Name", "Start.Date", "End.Date", "Created.At"),
    WISHES: ("Applicant.ID", "Position.Of.Interest", "Created.At"),
}


@SOURCES.register("jobviews")
@dataclass(frozen=True)
class JobViews:
    """A folder with the job-views dataset; Experience.csv and Positions_Of_Interest.csv may be absent."""

    name: ClassVar[str] = "jobviews"
    looks_for: ClassVar[str] = f"{VIEWS} (job views)"
    folder: Path

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return (folder / VIEWS).is_file()

    @property
    def tables(self) -> tuple[str, ...]:
        return ("members", "jobs", "events")

    def shards(self, table: str) -> list[Shard]:
        if table not in self.tables:
            return []
        for name, columns in _NEEDED.items():  # whichever table: what is missing is said before any work starts
            delimited.require(self.folder / name, columns, "use the dataset's own files, or Rolecall's layout")
        return [Shard(table, str(self.folder / VIEWS))]

    def read(self, shard: Shard) -> Iterator[RawRow]:
        views, bad = _lines(self.folder / VIEWS, shard.table)
        views, bad_times = _with_times(views, "View.Start", shard.table, str(self.folder / VIEWS))
        if not views:
            raise UnreadableFile("it holds no view that can be read", where=shard.path, cure="fetch the file again")
        if shard.table == "events":  # each bad line is reported once, with the table it would have made rows of
            yield from bad
            yield from bad_times
            yield from _events(views, shard.path)
        elif shard.table == "jobs":
            yield from _jobs(views, shard.path)
        else:
            yield from self._members(views)

    def ignored_columns(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def _members(self, views: list[NamedCells]) -> Iterator[RawRow]:
        """Members with their versions, oldest first. source: the file that first names the member."""
        first_day = _first_day(views)
        known: dict[str, list[tuple[datetime, str, Any]]] = defaultdict(list)
        source: dict[str, tuple[str, int]] = {}
        for line in views:
            source.setdefault(line["Applicant.ID"], (str(self.folder / VIEWS), line.row))
        for name, column, build in ((EXPERIENCE, "positions", _position), (WISHES, "titles", _wish)):
            path = self.folder / name
            if not path.is_file():
                continue
            lines, bad = _lines(path, "members")
            lines, bad_times = _with_times(lines, "Created.At", "members", str(path))
            yield from bad
            yield from bad_times
            for line in lines:
                source.setdefault(line["Applicant.ID"], (str(path), line.row))
                value, problem = build(line)
                if problem:  # the member is kept without the value; the row shows what was left out
                    yield RawRow(
                        "members",
                        str(path),
                        line.row,
                        None,
                        line.raw,
                        "unusable_date",
                        f"{problem}; the position is kept without it",
                    )
                if value:
                    since = max(_time(line["Created.At"]), first_day)
                    known[line["Applicant.ID"]].append((since, column, value))
        for member, (origin, row) in sorted(source.items()):
            for since in sorted({first_day, *(since for since, _, _ in known[member])}):
                seen = [(column, value) for at, column, value in known[member] if at <= since]
                yield RawRow("members", origin, row, _member(member, seen, since))


def _jobs(views: list[NamedCells], source: str) -> Iterator[RawRow]:
    first_day = _first_day(views)
    groups: dict[str, list[NamedCells]] = defaultdict(list)
    for line in views:
        groups[line["Job.ID"]].append(line)
    for job, lines in groups.items():
        city, region = _most_common(lines, "City"), _most_common(lines, "State.Code")
        value = {
            "id": job,
            "title": _most_common(lines, "Position") or _most_common(lines, "Title"),
            "company": _most_common(lines, "Company"),
            "location": ", ".join(part for part in (city, region) if part),
            "industry": _most_common(lines, "Industry"),
            "updated_at": first_day,
        }
        yield RawRow("jobs", source, lines[0].row, value)


def _events(views: list[NamedCells], source: str) -> Iterator[RawRow]:
    seen: set[tuple[str, str]] = set()
    for line in sorted(views, key=lambda line: (line["View.Start"], line.row)):
        pair = line["Applicant.ID"], line["Job.ID"]
        if pair in seen:
            detail = "this member opened this job before; the first view is kept"
            yield RawRow("events", source, line.row, None, line.raw, "repeated_view", detail)
            continue
        seen.add(pair)
        value = {
            "id": f"v{line.row}",
            "time": _time(line["View.Start"]),
            "surface": "recommendation",
            "request_id": f"v{line.row}",
            "member_id": pair[0],
            "job_id": pair[1],
            "action": "view",
            "logged_by": LOGGED_BY,
        }
        yield RawRow("events", source, line.row, value)


def _member(member: str, seen: list[tuple[str, Any]], since: datetime) -> dict[str, Any]:
    positions = [value for column, value in seen if column == "positions"]
    titles = list(dict.fromkeys(value for column, value in seen if column == "titles"))
    newest = sorted(positions, key=lambda p: (p["end"] is None, p["end"] or EARLIEST, p["start"] or EARLIEST))[::-1]
    return {
        "id": member,
        "headline": next((p["title"] for p in newest if p["title"]), ""),
        "location": next((p["location"] for p in newest if p["location"]), ""),
        "positions": [{name: cell for name, cell in p.items() if name != "location"} for p in newest],
        "preferences": {"titles": titles},
        "updated_at": since,
    }


def _position(line: NamedCells) -> tuple[dict[str, Any] | None, str]:
    """A position, and what was wrong with its dates: one outside 1900 to its own entry date is left out.

    An end date in the future of the entry is a plan: the position is still held.
    """
    entered = _time(line["Created.At"])
    start, bad_start = _date(line["Start.Date"])
    end, bad_end = _date(line["End.Date"])
    problem = bad_start or bad_end
    if start and start > entered:
        start, problem = None, f"Start.Date {line['Start.Date']} is after the row's own entry {line['Created.At']}"
    if end and end > entered:
        end = None
    if start and end and end < start:
        problem, start, end = f"End.Date {line['End.Date']} is before Start.Date {line['Start.Date']}", None, None
    value = {
        "title": line["Position.Name"],
        "company": line.get("Employer.Name", ""),
        "start": start,
        "end": end,
        "description": line.get("Job.Description", ""),
        "location": ", ".join(part for part in (line.get("City", ""), line.get("State.Code", "")) if part),
    }
    return (value if value["title"] or value["company"] or value["description"] else None), problem


def _wish(line: NamedCells) -> tuple[str | None, str]:
    return line["Position.Of.Interest"] or None, ""


def _lines(path: Path, table: str) -> tuple[list[NamedCells], list[RawRow]]:
    """The lines of a file with "NA" and its like as "", and those that have no place under the header."""
    lines, bad = delimited.read_whole(path, table)
    for line in lines:
        for name, cell in line.items():
            line[name] = "" if is_missing(cell) else cell.strip()
    return lines, bad


def _with_times(lines: list[NamedCells], column: str, table: str, source: str) -> tuple[list[NamedCells], list[RawRow]]:
    good, bad = [], []
    for line in lines:
        try:
            _time(line[column])
            good.append(line)
        except ValueError as error:
            detail = f"{column} {line[column]!r}: {error}; write it like 2014-12-12 20:10:02 UTC"
            bad.append(RawRow(table, source, line.row, None, line.raw, "bad_date", detail))
    return good, bad


def _first_day(views: list[NamedCells]) -> datetime:
    first = min(_time(line["View.Start"]) for line in views)
    return datetime.combine(first.date(), time(), UTC)


def _most_common(lines: list[NamedCells], column: str) -> str:
    """The value that most lines give, the earliest among equals; "" where none gives one."""
    counts = Counter(value for line in lines if (value := line.get(column, "")))
    return counts.most_common(1)[0][0] if counts else ""


def _time(text: str) -> datetime:
    return utc(datetime.fromisoformat(text.removesuffix(" UTC")))


def _date(text: str) -> tuple[datetime | None, str]:
    if not text:
        return None, ""
    try:
        moment = datetime.combine(date.fromisoformat(text[:10]), time(), UTC)
    except ValueError:
        return None, f"{text!r} is no date"
    return (moment, "") if moment >= EARLIEST else (None, f"{text} is before 1900")
