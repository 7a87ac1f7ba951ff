"""O*NET: occupations of the US Department of Labor, read as jobs, with expert relatedness as grades.

A query is an occupation's title; its own job has grade 4, related ones by tier. It is an example of a raw-data source:

    plugins: [examples/sources/onet.py]        # in params.yaml; then `rolecall run --data FOLDER`

The same files give the simulator a larger catalogue of occupations than its own:

    python examples/sources/onet.py FOLDER > catalogue.json
    rolecall simulate MARKET --catalogue catalogue.json
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from contracts.errors import UnreadableFile
from simulator.catalogue import Catalogue, Occupation
from sources import delimited
from sources.delimited import NamedCells
from sources.open import SOURCES
from sources.rows import RawRow, Shard

ATTRIBUTION = (
    "This includes information from O*NET 27.0 by the U.S. Department of Labor, Employment and Training "
    "Administration (USDOL/ETA), used under the CC BY 4.0 license. O*NET is a trademark of USDOL/ETA."
)
"""To be shown wherever something drawn from this source is shown."""

OCCUPATIONS = "Occupation Data.txt"
RELATED = "Related Occupations.txt"
_TASKS, _TOOLS, _ZONES = "Task Statements.txt", "Technology Skills.txt", "Job Zones.txt"
RELEASED = datetime(2022, 8, 1, tzinfo=UTC)
TIERS: Mapping[str, int] = {"Primary-Short": 3, "Primary-Long": 2, "Supplemental": 1}
ZONES: Mapping[int, str] = {1: "entry", 2: "entry", 3: "mid", 4: "senior", 5: "lead"}
"""Job zone (preparation needed, 1 to 5) -> seniority of the advert."""
TASKS_SHOWN = 6
SKILLS_SHOWN = 20

_CURE = "use the tab-separated files of an O*NET release"
_CODE = "O*NET-SOC Code"
_NEEDED: Mapping[str, tuple[str, ...]] = {
    OCCUPATIONS: (_CODE, "Title", "Description"),
    _TASKS: (_CODE, "Task"),
    _TOOLS: (_CODE, "Example", "Hot Technology"),
    _ZONES: (_CODE, "Job Zone"),
    RELATED: (_CODE, "Related O*NET-SOC Code", "Relatedness Tier", "Index"),
    "Alternate Titles.txt": (_CODE, "Alternate Title"),
    "Sample of Reported Titles.txt": (_CODE, "Reported Job Title"),
}


@SOURCES.register("onet")
@dataclass(frozen=True)
class Onet:
    """A folder with O*NET's tab-separated files; every file but the occupations' may be absent."""

    name: ClassVar[str] = "onet"
    looks_for: ClassVar[str] = f"{OCCUPATIONS!r} (O*NET)"
    folder: Path

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return (folder / OCCUPATIONS).is_file()

    @property
    def tables(self) -> tuple[str, ...]:
        return ("jobs", "grades") if (self.folder / RELATED).is_file() else ("jobs",)

    def shards(self, table: str) -> list[Shard]:
        for name, columns in _NEEDED.items():  # whichever table: what is missing is said before any work starts
            delimited.require(self.folder / name, columns, _CURE, "\t")
        file = RELATED if table == "grades" else OCCUPATIONS
        return [Shard(table, str(self.folder / file))] if table in self.tables else []

    def read(self, shard: Shard) -> Iterator[RawRow]:
        yield from _jobs(self.folder, shard.path) if shard.table == "jobs" else _grades(self.folder, shard.path)

    def ignored_columns(self) -> Mapping[str, tuple[str, ...]]:
        return {}


def lines(folder: Path, name: str) -> list[NamedCells]:
    """The good lines of one of O*NET's files; empty where the file is absent. Raises MissingColumn."""
    delimited.require(folder / name, _NEEDED[name], _CURE, "\t")
    return delimited.read_whole(folder / name, "", "\t")[0] if (folder / name).is_file() else []


def technologies(folder: Path) -> dict[str, list[str]]:
    """Occupation code -> its tools, the hot ones first, else in the file's order."""
    tools: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for line in lines(folder, _TOOLS):
        tools[line[_CODE]].append((line["Hot Technology"] != "Y", line["Example"]))
    return {
        code: list(dict.fromkeys(name for _, name in sorted(found, key=lambda f: f[0])))
        for code, found in tools.items()
    }


def zones(folder: Path) -> dict[str, int]:
    """Occupation code -> its job zone, a key of ZONES; without those that have another."""
    return {line[_CODE]: int(line["Job Zone"]) for line in lines(folder, _ZONES) if _known_zone(line)}


def tasks(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in lines(folder, _TASKS):
        found[line[_CODE]].append(line["Task"])
    return dict(found)


def _known_zone(line: NamedCells) -> bool:
    return line["Job Zone"].strip() in map(str, ZONES)


def _bad_lines(folder: Path, name: str, table: str) -> list[RawRow]:
    return delimited.read_whole(folder / name, table, "\t")[1] if (folder / name).is_file() else []


def _jobs(folder: Path, source: str) -> Iterator[RawRow]:
    for name in (OCCUPATIONS, _TASKS, _TOOLS, _ZONES):
        yield from _bad_lines(folder, name, "jobs")
    for line in lines(folder, _ZONES):
        if not _known_zone(line):  # the job is kept without the value; the row shows what was left out
            detail = f"Job Zone {line['Job Zone']!r} is not 1 to {max(ZONES)}; the job is kept without a seniority"
            yield RawRow("jobs", str(folder / _ZONES), line.row, None, line.raw, "unknown_value", detail)
    tools, zone, duties = technologies(folder), zones(folder), tasks(folder)
    for line in lines(folder, OCCUPATIONS):
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
        yield RawRow("jobs", source, line.row, value)


def _grades(folder: Path, source: str) -> Iterator[RawRow]:
    titles = {line[_CODE]: line["Title"] for line in lines(folder, OCCUPATIONS)}
    fixed = {"grader": "onet", "policy_version": "onet-27.0", "time": RELEASED}
    for code, title in titles.items():
        yield RawRow("grades", source, 0, {"query": title, "job_id": code, "grade": 4, "rationale": "itself", **fixed})
    yield from _bad_lines(folder, RELATED, "grades")
    for line in lines(folder, RELATED):
        tier, asked = line["Relatedness Tier"], titles.get(line[_CODE])
        if asked is None or tier not in TIERS:
            detail = f"{_CODE} {line[_CODE]} with tier {tier!r} is not known; use files of one release"
            yield RawRow("grades", source, line.row, None, line.raw, "unknown_value", detail)
            continue
        related = line["Related O*NET-SOC Code"]
        rationale = f"{tier} related occupation, rank {line['Index']}"
        yield RawRow(
            "grades",
            source,
            line.row,
            {"query": asked, "job_id": related, "grade": TIERS[tier], "rationale": rationale, **fixed},
        )


def catalogue(folder: Path) -> Catalogue:
    """A catalogue for the simulator: O*NET's occupations, titles, tasks and tools; Rolecall's own cities and companies.

    O*NET's files used here give no pay and no share of remote work: pay follows from the job zone. Occupations without
    tasks or with fewer than three tools are left out: nothing could be written about them.

    Raises:
        UnreadableFile: No occupation is left.
    """
    tools, zone, duties, titles = technologies(folder), zones(folder), tasks(folder), _titles(folder)
    codes = [c for c in titles if c in zone and len(tools.get(c, ())) >= 3 and len(duties.get(c, ())) >= 4]
    if not codes:
        raise UnreadableFile(
            "no occupation has a title, a job zone, tasks and tools",
            where=str(folder),
            cure=f"give {OCCUPATIONS!r}, Job Zones, Task Statements and Technology Skills of one release",
        )
    related: dict[str, dict[str, float]] = {code: {} for code in codes}
    for code in codes:
        related[code] = {other: 0.2 for other in codes if other[:2] == code[:2] and other != code}
    for line in lines(folder, RELATED):
        code, other = line[_CODE], line["Related O*NET-SOC Code"]
        if code in related and other in related:
            related[code][other] = max(_RELATEDNESS[line["Relatedness Tier"]], related[code].get(other, 0.0))
    occupations = tuple(
        Occupation(
            id=code,
            family=code[:2],
            titles=tuple(titles[code][:12]),
            skills=tuple(tools[code][:14]),
            tasks=tuple(task[0].lower() + task[1:].rstrip(".") for task in duties[code][:10]),
            industries=(_MAJOR_GROUPS.get(code[:2], "Services"),),
            education=_ZONE_EDUCATION[zone[code]],
            pay=_ZONE_PAY[zone[code]],
            lowest=max(zone[code] - 3, 0) + 1,
            highest=min(zone[code] + 1, 6),
            remote=0.1,
            related=related[code],
        )
        for code in codes
    )
    own = Catalogue.own()
    return Catalogue("onet", occupations, own.cities, own.companies, ATTRIBUTION)


def _titles(folder: Path) -> dict[str, list[str]]:
    """Occupation code -> titles that people report, then alternate ones, without their abbreviations."""
    titles: dict[str, dict[str, None]] = defaultdict(dict)
    for file, column in (
        ("Sample of Reported Titles.txt", "Reported Job Title"),
        ("Alternate Titles.txt", "Alternate Title"),
    ):
        for line in lines(folder, file):
            titles[line[_CODE]][line[column].partition(" (")[0]] = None
    return {line[_CODE]: list(titles[line[_CODE]] or {line["Title"]: None}) for line in lines(folder, OCCUPATIONS)}


_RELATEDNESS: Mapping[str, float] = {"Primary-Short": 0.7, "Primary-Long": 0.5, "Supplemental": 0.35}
_MAJOR_GROUPS: Mapping[str, str] = {
    "11": "Management",
    "13": "Business and Finance",
    "15": "Computing",
    "17": "Engineering",
    "19": "Science",
    "21": "Social Services",
    "23": "Legal Services",
    "25": "Education",
    "27": "Arts and Media",
    "29": "Health Care",
    "31": "Health Support",
    "33": "Protective Services",
    "35": "Food Services",
    "37": "Building Maintenance",
    "39": "Personal Care",
    "41": "Sales",
    "43": "Office Services",
    "45": "Farming and Forestry",
    "47": "Construction",
    "49": "Installation and Repair",
    "51": "Production",
    "53": "Transportation",
    "55": "Military",
}
"""The first two digits of an occupation code, which O*NET takes from the Standard Occupational Classification."""
_ZONE_PAY: Mapping[int, float] = {1: 32_000, 2: 40_000, 3: 54_000, 4: 82_000, 5: 104_000}
_ZONE_EDUCATION: Mapping[int, tuple[str, str]] = {
    1: ("", ""),
    2: ("High School Diploma", "General Studies"),
    3: ("Associate Degree", "Applied Studies"),
    4: ("Bachelor's Degree", ""),
    5: ("Master's Degree", ""),
}

if __name__ == "__main__":
    print(catalogue(Path(sys.argv[1])).to_json())
