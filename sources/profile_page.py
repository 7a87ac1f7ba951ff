"""The profile of a folder for a terminal, and as one HTML page that opens anywhere.

It shows counts alone and names no member; the most frequent places and companies are those of adverts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sources.profile import JOB_FIELDS, MEMBER_FIELDS, Profile
from sources.validate import Report
from sources.whereabouts import whereabouts

MOST = 8
"""Bars of a chart."""
NONE = "(none)"


class Bar(NamedTuple):
    """A bar of a chart: its name, its length between 0 and 1, and what stands behind it."""

    name: str
    share: float
    told: str


class Chart(NamedTuple):
    """A title and its bars."""

    title: str
    bars: list[Bar]


def profile_lines(profile: Profile, report: Report) -> Iterator[str]:
    """The profile for a terminal, a line a finding."""
    for title, value in tiles(profile, report):
        yield f"{title}: {value}"
    for chart in charts(profile):
        yield f"{chart.title}: {', '.join(f'{bar.name} {bar.told}' for bar in chart.bars)}"
    for name, lines in _findings(profile, report).items():
        yield from (f"assumed or changed in {name}: {line}" for line in lines)
    for what, answer in profile.possible():
        yield f"possible, {what}: {answer}"
    for number, mending in enumerate(profile.mendings(), start=1):
        yield f"mend {number}: {mending.what}; {mending.cure}"


def profile_page(profile: Profile, report: Report) -> str:
    """The profile as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # reading data needs none

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("profile.html").render(
        report=report,
        tiles=tiles(profile, report),
        charts=charts(profile),
        possible=profile.possible(),
        mendings=profile.mendings(),
        findings=_findings(profile, report),
        rejects={name: table for name, table in report.tables.items() if table.rejects},
        made=profile.now,
    )


def tiles(profile: Profile, report: Report) -> list[tuple[str, str]]:
    """The figures that are read first: (what, figure)."""
    jobs, events = profile.jobs, profile.events
    counted = [(name, f"{table.rows:,}") for name, table in report.tables.items()]
    return [
        *counted,
        ("different jobs", f"{len(jobs.newest):,}"),
        ("rows that do not fit", f"{sum(table.rejected for table in report.tables.values()):,}"),
        ("jobs open now", f"{jobs.open:,}"),
        ("jobs that repeat an advert", f"{jobs.repeated:,}"),
        ("words of a description, median", f"{jobs.median_words:,}"),
        ("members who acted", f"{len(events.of_member):,}"),
        ("logged requests", f"{len(events.requests):,}"),
    ]


def _findings(profile: Profile, report: Report) -> dict[str, Sequence[object]]:
    """What was assumed or changed: table -> sentences."""
    found: dict[str, Sequence[object]] = {name: table.findings for name, table in report.tables.items()}
    found["places"] = whereabouts(profile.jobs.places).assumed
    return {name: lines for name, lines in found.items() if lines}


def charts(profile: Profile) -> list[Chart]:
    """The charts that have something to show."""
    jobs, members, events = profile.jobs, profile.members, profile.events
    months: Counter[str] = Counter()
    for (_, month), count in events.months.items():
        months[month] += count
    of_time = Chart("events by month", _bars(months, by_name=True))
    read = profile.adverts.read_out()
    asked = [
        Bar(name, read.read[name] / missing, f"{read.read[name]:,} of {missing:,}")
        for name, missing in read.missing.most_common()
        if read.read[name]
    ]
    found = [
        Chart("jobs that say", _filled(jobs.filled, jobs.rows, list(JOB_FIELDS))),
        Chart("members that say", _filled(members.filled, members.rows, list(MEMBER_FIELDS))),
        Chart(f"read out of the text of {read.adverts:,} adverts, where no field says it", asked),
        Chart("names of skills in them that may mean something else, not taken", _bars(read.held_back)),
        Chart("languages of the jobs", _bars(jobs.languages)),
        Chart("way of working", _bars(jobs.workplaces) if jobs.filled["workplace"] else []),
        Chart("pay", _bars(jobs.pay)),
        Chart("places", _bars(jobs.places)),
        Chart("places understood as", _bars(whereabouts(jobs.places).kinds)),
        Chart("companies", _bars(jobs.companies)),
        Chart("events by action", _bars(events.actions)),
        of_time,
    ]
    return [chart for chart in found if chart.bars]


def _filled(filled: Counter[str], rows: int, names: list[str]) -> list[Bar]:
    if not rows:
        return []
    return [Bar(name, filled[name] / rows, f"{filled[name] / rows:.0%}") for name in names]


def _bars(counts: Counter[str], by_name: bool = False) -> list[Bar]:
    """The most frequent first, or in the order of their names with the last of them; a share is of the longest bar."""
    shown = sorted(counts.items())[-2 * MOST :] if by_name else counts.most_common(MOST)
    longest = max((count for _, count in shown), default=0)
    return [Bar(name or NONE, count / longest, f"{count:,}") for name, count in shown]
