"""O*NET: occupations of the US Department of Labor, read as jobs, with expert relatedness as grades.

A query is an occupation's title; its own job has grade 4, related ones by tier. The same files can give the simulator
its words (`simulator.catalogue`).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from contracts.errors import MissingColumn, UnreadableFile
from sources.rows import RawRow, Shard

ATTRIBUTION = (
    "This includes information from O*NET 27.0 by the U.S. Department of Labor, Employment and Training "
    "Administration (USDOL/ETA), used under the CC BY 4.0 license. O*NET is a trademark of USDOL/ETA."
)
"""To be shown wherever something drawn from this source is shown."""

OCCUPATIONS = "Occupation Data.txt"
RELEASED = datetime(2022, 8, 1, tzinfo=UTC)
TIERS: Mapping[str, int] = {"Primary-Short": 3, "Primary-Long": 2, "Supplemental": 1}
ZONES: Mapping[int, str] = {1: "entry", 2: "entry", 3: "mid", 4: "senior", 5: "lead"}
"""Job zone (preparation needed, 1 to 5) -> seniority of the advert."""
TASKS_SHOWN = 6
SKILLS_SHOWN = 20

_CODE = "O*NET-SOC Code"
_NEEDED: Mapping[str, tuple[str, ...]] = {
    OCCUPATIONS: (_CODE, "Title", "Description"),
    "Task Statements.txt": (_CODE, "Task"),
    "Technology Skills.txt": (_CODE, "Example", "Hot Technology"),
    "Job Zones.txt": (_CODE, "Job Zone"),
    "Related Occupations.txt": (_CODE, "Related O*NET-SOC Code", "Relatedness Tier", "Index"),
    "Alternate Titles.txt": (_CODE, "Alternate Title"),
    "Sample of Reported Titles.txt": (_CODE, "Reported Job Title"),
}


@dataclass(frozen=True)
class Onet:
    """A folder with O*NET's tab-separated files; every file but the occupations' may be absent."""

    folder: Path
    name: str = "onet"

    @property
    def tables(self) -> tuple[str, ...]:
        return ("jobs", "grades") if (self.folder / "Related Occupations.txt").is_file() else ("jobs",)

    def shards(self, table: str) -> list[Shard]:
        file = "Related Occupations.txt" if table == "grades" else OCCUPATIONS
        return [Shard(table, str(self.folder / file))] if table in self.tables else []

    def read(self, shard: Shard) -> Iterator[RawRow]:
        yield from _jobs(self.folder, shard.path) if shard.table == "jobs" else _grades(self.folder, shard.path)

    def ignored_columns(self) -> Mapping[str, tuple[str, ...]]:
        return {}


def recognise(folder: Path) -> Onet | None:
    return Onet(folder) if (folder / OCCUPATIONS).is_file() else None


def lines(folder: Path, name: str) -> list[dict[str, str]]:
    """One of O*NET's files as a list of rows by column; empty where the file is absent.

    Raises MissingColumn, and UnreadableFile for a line that does not match the header.
    """
    path = folder / name
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(reader, [])
        missing = [column for column in _NEEDED[name] if column not in header]
        if missing:
            raise MissingColumn(
                f"column {', '.join(missing)} is missing; the file has {', '.join(header) or 'none'}",
                where=str(path),
                cure="use the tab-separated files of an O*NET release",
            )
        rows = []
        for row, cells in enumerate(reader, start=1):
            if len(cells) != len(header):
                raise UnreadableFile(
                    f"row {row} has {len(cells)} cells under {len(header)} columns",
                    where=str(path),
                    cure="fetch the file again",
                )
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def technologies(folder: Path) -> dict[str, list[str]]:
    """Occupation code -> its tools, the hot ones first, else in the file's order."""
    tools: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for line in lines(folder, "Technology Skills.txt"):
        tools[line[_CODE]].append((line["Hot Technology"] != "Y", line["Example"]))
    return {
        code: list(dict.fromkeys(name for _, name in sorted(found, key=lambda f: f[0])))
        for code, found in tools.items()
    }


def zones(folder: Path) -> dict[str, int]:
    return {line[_CODE]: int(line["Job Zone"]) for line in lines(folder, "Job Zones.txt")}


def tasks(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in lines(folder, "Task Statements.txt"):
        found[line[_CODE]].append(line["Task"])
    return dict(found)


def _jobs(folder: Path, source: str) -> Iterator[RawRow]:
    tools, zone, duties = technologies(folder), zones(folder), tasks(folder)
    for row, line in enumerate(lines(folder, OCCUPATIONS), start=1):
        code = line[_CODE]
        value = {
            "id": code,
            "title": line["Title"],
            "skills": tools.get(code, [])[:SKILLS_SHOWN],
            "description": " ".join([line["Description"], *duties.get(code, [])[:TASKS_SHOWN]]),
            "updated_at": RELEASED,
        }
        if code in zone:
            value["seniority"] = ZONES[zone[code]]
        yield RawRow("jobs", source, row, value)


def _grades(folder: Path, source: str) -> Iterator[RawRow]:
    titles = {line[_CODE]: line["Title"] for line in lines(folder, OCCUPATIONS)}
    fixed = {"grader": "onet", "policy_version": "onet-27.0", "time": RELEASED}
    for code, title in titles.items():
        yield RawRow("grades", source, 0, {"query": title, "job_id": code, "grade": 4, "rationale": "itself", **fixed})
    for row, line in enumerate(lines(folder, "Related Occupations.txt"), start=1):
        tier, asked = line["Relatedness Tier"], titles.get(line[_CODE])
        if asked is None or tier not in TIERS:
            detail = f"{_CODE} {line[_CODE]} with tier {tier!r} is not known; use files of one release"
            yield RawRow("grades", source, row, None, "\t".join(line.values()), "unknown_value", detail)
            continue
        related = line["Related O*NET-SOC Code"]
        rationale = f"{tier} related occupation, rank {line['Index']}"
        yield RawRow(
            "grades",
            source,
            row,
            {"query": asked, "job_id": related, "grade": TIERS[tier], "rationale": rationale, **fixed},
        )
