"""What the stages of `rolecall run` would refuse of a folder of data and of the knobs, said before anything runs.

Data may be the few changes of a night, for a workspace that holds a whole board: so a refusal is of a run on this data
alone, and no reason not to load it. It is held against what the stage itself asks for; what only a model that is
trained can tell (the gates of `export`, the agreement of a teacher) is not foretold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from contracts.errors import RolecallError
from contracts.reading.rates import read_rates
from contracts.text.work import WorkReader
from history.forecast import Forecast
from policy.document.load import load_policy
from retrieval.rules.rules import load_rules
from retrieval.words.synonyms import load_synonyms
from rolecall.backbones import check_backbones
from rolecall.params import Params
from sources.validate import Report

KNOWN_TITLES = 0.3
"""Share of the titles under which the policy's words of work are said not to be those of the board."""
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Of rejects, to be allowed."""


class Refusal(NamedTuple):
    """stage: of the recipe; what: it would say; cure: the one that helps."""

    stage: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.stage} would stop: {self.what} ({self.cure})"


def refusals(report: Report, forecast: Forecast, knobs: Params, now: datetime) -> list[Refusal]:
    """The refusals in the order of the stages.

    Args:
        report: Of the folder.
        forecast: That has taken in its records, with the knobs' `made_below`.
        knobs: In force.
        now: Timezone-aware moment of the run.
    """
    return [*_of_files(knobs), *_of_rows(report, knobs.ingest.max_reject_share), *_of_requests(forecast, knobs, now)]


def board_notes(forecast: Forecast, knobs: Params) -> Iterator[str]:
    """What no stage refuses and what is learned will lack."""
    try:
        reader = WorkReader(load_policy(knobs.label.policy).vocabulary)
    except RolecallError:
        return  # among the refusals
    titles = forecast.titles
    known = sum(bool(reader.read(title).kinds) for title in titles)
    if titles and known < KNOWN_TITLES * len(titles):
        yield (
            f"the policy's words of work know {known:,} of {len(titles):,} titles: elsewhere the judge goes by common "
            "words alone (add the board's kinds of work to a policy of your own: `label: {policy: FILE}`)"
        )


def _of_files(knobs: Params) -> Iterator[Refusal]:
    """Of the files that the knobs name."""
    money, rules, synonyms = knobs.money.rates, knobs.rules.file, knobs.index.terms.synonyms
    asked: list[tuple[str, Callable[[], object]]] = [
        ("run", lambda: check_backbones(knobs)),
        ("golden", lambda: load_policy(knobs.label.policy)),
        ("index", lambda: load_synonyms(synonyms)),
        ("index", lambda: read_rates(money) if money else None),
        ("replay", lambda: load_rules(rules) if rules else None),
    ]
    for stage, ask in asked:
        try:
            ask()
        except RolecallError as error:
            yield Refusal(stage, ": ".join(filter(None, (error.where, error.what))), error.cure or "mend it")


def _of_rows(report: Report, share: float) -> Iterator[Refusal]:
    for name, table in report.tables.items():
        if table.rejected > share * table.rows:
            rejected = table.rejected / table.rows
            allowed = next(more for more in SHARES if rejected <= more)
            what = f"{table.rejected:,} of {table.rows:,} rows of {name} do not fit, allowed are {share:.1%}"
            yield Refusal("ingest", what, f"mend them as said above, or run with --max-reject-share {allowed:g}")
    jobs = report.tables.get("jobs")
    if jobs is None or not jobs.accepted + jobs.repeated:
        yield Refusal("verbalize", "no job is taken in", "give jobs, with an id and a title each")


def _of_requests(forecast: Forecast, knobs: Params, now: datetime) -> Iterator[Refusal]:
    """Of the stages that learn: from requests of the log, and made ones."""
    label, jobs = knobs.label, forecast.open_jobs(now)
    if forecast.makes and not jobs:
        cure = "give jobs that are open: without `hidden`, and with an `expires_at` that is to come or none"
        yield Refusal("label", "none of the jobs is open, and requests have to be made of them", cure)
        return
    logged, made = forecast.requests(), forecast.made(now)
    by_split = logged + made
    if not by_split.total():
        yield Refusal("label", "there is no request in the log, and none are made", "set label: {made_below: 20}")
        return
    if not by_split["test"]:
        yield Refusal("replay", "no request is held out", "give more jobs, or a log of members who acted twice")
    lists = min(label.train_lists, by_split["train"])
    of_log = min(lists, label.graded_lists, logged["train"])
    of_made = min(lists, label.graded_lists) - of_log
    size = label.train_candidates
    graded = of_log * min(size, forecast.jobs) + of_made * min(size, jobs - 1)  # a made one: not its own advert
    for name, config in sorted(knobs):
        least = getattr(config, "least_graded", 0)
        if name == "policy_teacher" and graded < least:
            what = f"at most {graded:,} pairs can be graded ({lists:,} lists), least_graded is {least:,}"
            enough = label.graded_lists * label.train_candidates >= least
            more = "give more jobs or a longer log" if enough else "raise label: {graded_lists: ...}"
            yield Refusal(name, what, more)
