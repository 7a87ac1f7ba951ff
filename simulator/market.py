"""A whole market: draw who lives in it, write their records, let time pass, write what happens.

Memory holds the latent arrays (about 150 bytes a member or job) and a block of requests, whatever the number of events.
The same arguments give the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrow import TIME, arrow_schema, to_table
from contracts.errors import BadInput
from contracts.progress import Progress
from contracts.records import Event, Job, Member
from contracts.tables import write_part
from simulator import behaviour, logging_policy, truth
from simulator.catalogue import Catalogue
from simulator.effects import Effects
from simulator.graders import write_golden
from simulator.logging_policy import RELATED, Requests, Shelves
from simulator.phrases import LANGUAGE
from simulator.population import DAY, Jobs, Members, draw_jobs, draw_members, draw_related, related_steps
from simulator.prose import DRAWS, EPOCH, job_rows, member_rows, query_text

LOGGED_BY = "simulator/logging"
SEARCH_SHARE = 0.3
EVENTS_PER_REQUEST = 12.4
"""Ten impressions and what follows from them; measured."""
BLOCK_REQUESTS = 8_192
PART_ROWS = 100_000
RECORD_ROWS = 20_000
_ACTIONS = pa.array(["impression", "view", "apply", "save", "dismiss", "hire"])
_DISMISS = _ACTIONS.to_pylist().index("dismiss")
_REASONS = pa.array([reason or None for reason in behaviour.REASONS])
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 12, 11, 10, 10, 9, 9, 9, 10, 11, 10, 7, 4], np.float64)
_WEEKDAYS = np.array([1.2, 1.25, 1.2, 1.1, 0.9, 0.6, 0.7])
"""Relative traffic by hour, and by day counted from the start of the market."""
_EVENT = np.dtype(
    [
        ("time", "i8"),
        ("request", "i8"),
        ("member", "i4"),
        ("job", "i4"),
        ("query", "i4"),
        ("position", "i2"),
        ("action", "i1"),
        ("propensity", "f8"),
        ("reason", "i1"),
    ]
)


def simulate(
    out: Path,
    *,
    members: int,
    jobs: int,
    events: int,
    seed: int = 0,
    catalogue: Catalogue | None = None,
    start: datetime | None = None,
    days: int = 60,
    language: str = LANGUAGE,
    effects: bool = False,
) -> dict[str, Any]:
    """Write a market to `out` in Rolecall's layout, with `golden/` and `truth/`, and return its parameters and counts.

    With a start given, the same arguments give the same bytes.

    Args:
        out: an empty folder, or one with an earlier simulated market, which is replaced.
        members: number of members.
        jobs: number of jobs.
        events: approximate number of events; the number of requests follows from it.
        seed: of all draws.
        catalogue: words and occupations; None: Rolecall's own.
        start: when the market begins; None: so that it ends at today's midnight and its newest jobs are open now.
        days: length of the market.
        language: of Rolecall's own catalogue, such as "de"; another catalogue brings its own words.
        effects: whether members like what `simulator.effects` plants: without, the bytes are those of a market that
            knows of no effects.

    Raises:
        BadInput: there are no words of that language, a number is below 1, or `out` holds something that is not a
            simulated market.
    """
    for name, value in (("members", members), ("jobs", jobs), ("events", events), ("days", days)):
        if value < 1:
            raise BadInput(f"{name} {value} is below 1", cure="a market needs at least one of each")
    catalogue = catalogue or Catalogue.own(language)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = (start or midnight - timedelta(days=days)).astimezone(UTC)
    end = start + timedelta(days=days)
    _clear(out)
    began = _micros(start)
    people = draw_members(np.random.default_rng([seed, 1]), members, catalogue)
    adverts = draw_jobs(np.random.default_rng([seed, 2]), jobs, catalogue, began, days)
    params = {
        "members": members,
        "jobs": jobs,
        "about_events": events,
        "seed": seed,
        "start": start.isoformat(),
        "days": days,
        "language": language,
        "catalogue": catalogue.name,
        "attribution": catalogue.attribution,
        "search_share": SEARCH_SHARE,
        "examination_power": behaviour.EXAMINATION_POWER,
        "fit_weights": truth.WEIGHTS,
        "fit_cuts": truth.CUTS,
    }
    if effects:
        params["effects"] = {"company": behaviour.COMPANY, "together": behaviour.TOGETHER}
    truth.write_truth(out / "truth", people, adverts, catalogue, {**params, "complete": False})
    for part, rows in enumerate(_chunks(members)):
        draws = np.random.default_rng([seed, 3, part]).random((len(rows), DRAWS))
        records = member_rows(people, rows, catalogue, draws, start, days)
        _write(out / "members", part, to_table(map(Member.model_validate, records), Member))
    for part, rows in enumerate(_chunks(jobs)):
        draws = np.random.default_rng([seed, 4, part]).random((len(rows), DRAWS))
        records = job_rows(adverts, rows, catalogue, draws, end)
        _write(out / "jobs", part, to_table(map(Job.model_validate, records), Job))
    requests = max(round(events / EVENTS_PER_REQUEST), 1)
    counts = _write_events(out / "events", people, adverts, catalogue, seed, began, days, requests, effects)
    if counts["impression"]:
        write_golden(out, truth.Truth(people, adverts, catalogue), seed, end)
    params |= {"requests": requests, "events": counts}
    truth.write_truth(out / "truth", people, adverts, catalogue, {**params, "complete": True})
    (out / "truth" / "README").write_text(_README)
    return params


def is_market(folder: Path) -> bool:
    """Whether a folder holds a simulated market, finished or not."""
    return (folder / "truth" / "params.json").is_file()


def read_params(out: Path) -> dict[str, Any] | None:
    """The parameters of the finished market in a folder, as `simulate` returned them; None where there is none."""
    try:
        params = json.loads((out / "truth" / "params.json").read_bytes())
    except FileNotFoundError:
        return None
    return params if params["complete"] else None


_README = """Simulated: no person, employer or job in this folder is real.

members.parquet and jobs.parquet hold the latent state behind the records, row for row; catalogue.json the words and
how related the occupations are; params.json the parameters. `simulator.truth.Truth.load(folder).fit(member_id, job_id)`
is the true fit, 0 to 4. Nothing of this folder may be shown to a model.
"""


def _write_events(
    folder: Path,
    members: Members,
    jobs: Jobs,
    catalogue: Catalogue,
    seed: int,
    began: int,
    days: int,
    requests: int,
    effects: bool,
) -> dict[str, int]:
    """Stream the events to parts of PART_ROWS rows, in order of time. Returns the count of each action."""
    market = _Market(members, jobs, catalogue, Effects(len(members), jobs.company) if effects else None)
    waiting: list[np.ndarray] = []  # sorted and complete, not yet a full part
    later = np.empty(0, _EVENT)  # happen after the block that caused them
    counts, number, part, done = np.zeros(len(_ACTIONS), np.int64), 0, 0, 0
    progress = Progress("simulate", "requests", requests)
    progress.start()
    for block, times in _blocks(seed, began, days, requests):
        happened = np.concatenate([later, market.block(np.random.default_rng([seed, 6, block]), times, done)])
        done += len(times)
        happened = happened[np.argsort(happened["time"], kind="stable")]
        cut = np.searchsorted(happened["time"], times[-1], "right") if done < requests else len(happened)
        later = happened[cut:]
        now = happened[:cut]
        waiting.append(now[now["time"] < began + days * DAY])  # what comes after the end is not known yet
        while (ready := sum(map(len, waiting))) >= PART_ROWS or (ready and done == requests):
            rows = np.concatenate(waiting)
            waiting = [rows[PART_ROWS:]]
            rows = rows[:PART_ROWS]
            _write(folder, part, market.events(rows, number))
            counts += np.bincount(rows["action"], minlength=len(counts))
            number, part = number + len(rows), part + 1
        progress.add(len(times))
    return dict(zip(_ACTIONS.to_pylist(), counts.tolist(), strict=True))


class _Market:
    """The market's constants, the queries so far, and the pairs of member and job that applied."""

    def __init__(self, members: Members, jobs: Jobs, catalogue: Catalogue, effects: Effects | None) -> None:
        self.effects = effects
        self.members, self.jobs, self.catalogue = members, jobs, catalogue
        self.shelves: Shelves = logging_policy.shelves(jobs, catalogue)
        self.steps = related_steps(catalogue)
        self.visits = np.cumsum(members.activity, dtype=np.float64)
        self.queries: dict[str, int] = {}
        self.applied = np.empty(0, np.int64)  # sorted keys member * jobs + job: an applied job is not shown again

    def block(self, rng: np.random.Generator, times: np.ndarray, first: int) -> np.ndarray:
        """The events that follow from the requests at `times` (sorted microseconds); first: the first one's number."""
        n, people, jobs = len(times), self.members, self.jobs
        member = np.searchsorted(self.visits, rng.random(n) * self.visits[-1], "right")
        searches = rng.random(n) < SEARCH_SHARE
        mood = rng.random(n)
        target = np.where(mood < 0.4, people.occupation[member], people.wish[member])
        target = np.where(searches & (mood > 0.8) & (people.curious[member] >= 0), people.curious[member], target)
        query, asked, asked_city = self._ask(rng, searches, target, member)
        city = np.where(asked_city >= 0, asked_city, people.city[member])
        requests = Requests(times, member, target, self.catalogue.regions[city], city, people.curious[member])
        related = draw_related(rng, np.repeat(target[:, None], RELATED, 1), self.steps)
        pool = logging_policy.pools(rng, requests, jobs, self.shelves, self.catalogue, related)
        pool[self._has_applied(member[:, None], pool)] = -1
        scores = logging_policy.crude_scores(requests, pool, jobs, self.catalogue)
        lists = logging_policy.draw_lists(rng, pool, scores)
        row, place = np.nonzero(lists.jobs >= 0)
        j = lists.jobs[row, place]
        shown = np.zeros(len(row), _EVENT)
        shown["time"], shown["request"], shown["member"], shown["job"] = times[row], first + row, member[row], j
        shown["position"], shown["propensity"], shown["query"] = place + 1, lists.propensity[row, place], query[row]
        relatedness = np.where(searches[row], asked[row, jobs.occupation[j]], np.nan)
        fit = truth.dimensions(people, jobs, member[row], j, self.catalogue, relatedness, asked_city[row])
        tastes = behaviour.taste(people, jobs, member[row], j, times[row])
        if self.effects is not None:
            planted = self.effects.of(member[row], j)
            tastes = tastes + behaviour.COMPANY * planted.company + behaviour.TOGETHER * planted.together
        outcomes = behaviour.outcomes(rng, fit, tastes, place + 1)
        if self.effects is not None:
            self.effects.add(member[row][outcomes.view], j[outcomes.view])
        return self._act(rng, shown, outcomes, fit)

    def events(self, rows: np.ndarray, first: int) -> pa.Table:
        """Rows of _EVENT as a table of Event records; first: the number of the first one."""
        texts = pa.array(["", *self.queries])
        searched = rows["query"] >= 0
        columns = {
            "id": _ids("e", first + np.arange(len(rows)), 12),
            "time": pa.array(rows["time"]).cast(pa.timestamp("us")).cast(TIME),
            "surface": pc.if_else(pa.array(searched), "search", "recommendation"),
            "request_id": _ids("r", rows["request"], 10),
            "member_id": _ids("m", rows["member"], 8),
            "query": texts.take(pa.array(rows["query"] + 1)),
            "job_id": _ids("j", rows["job"], 8),
            "position": pa.array(rows["position"].astype(np.int64)),
            "action": _ACTIONS.take(pa.array(rows["action"])),
            "propensity": pa.array(rows["propensity"]),
            "logged_by": pa.array([LOGGED_BY]).take(pa.array(np.zeros(len(rows), np.int8))),
            "reason": _REASONS.take(pa.array(rows["reason"])),
            "found_by": pa.array([""]).take(pa.array(np.zeros(len(rows), np.int8))),
        }
        return pa.table(columns, schema=arrow_schema(Event))

    def _ask(
        self, rng: np.random.Generator, searches: np.ndarray, target: np.ndarray, member: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each request's query number (-1: none), the relatedness asked for (n, occupations), and city (-1: none)."""
        n = len(searches)
        query, city = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
        asked = np.zeros((n, len(self.catalogue.occupations)), np.float32)
        dice = rng.random((n, 4))
        for i in np.flatnonzero(searches):
            home = self.catalogue.cities[self.members.city[member[i]]].name
            text = query_text(self.catalogue.occupations[target[i]], home, self.catalogue.phrases, dice[i])
            query[i] = self.queries.setdefault(text, len(self.queries))
            intent = self.catalogue.intent(text)
            asked[i], city[i] = intent.relatedness, intent.city
        return query, asked, city

    def _has_applied(self, member: np.ndarray, job: np.ndarray) -> np.ndarray:
        if not len(self.applied):
            return np.zeros(job.shape, bool)
        keys = member * np.int64(len(self.jobs)) + job
        return self.applied[np.minimum(np.searchsorted(self.applied, keys), len(self.applied) - 1)] == keys

    def _act(
        self, rng: np.random.Generator, shown: np.ndarray, done: behaviour.Outcomes, fit: truth.Dimensions
    ) -> np.ndarray:
        """The impressions and all that follows them, each with its own time; nobody applies to a job twice."""
        n = len(shown)
        keys = shown["member"].astype(np.int64) * len(self.jobs) + shown["job"]
        applies = np.flatnonzero(done.apply)
        _, once = np.unique(keys[applies], return_index=True)
        apply = np.zeros(n, bool)
        apply[applies[once]] = True
        self.applied = np.union1d(self.applied, keys[apply])
        seconds = 1_000_000
        looked = (
            shown["time"]
            + shown["position"].astype(np.int64) * 3 * seconds
            + (rng.random(n) * 60 * seconds).astype(np.int64)
        )
        sent = looked + ((1 + 24 * rng.random(n)) * behaviour.MINUTE).astype(np.int64)
        hired = sent + ((3 + 17 * rng.random(n)) * DAY).astype(np.int64)
        shown["reason"] = behaviour.reasons(rng, fit)
        parts = [shown]
        for code, (mask, time) in enumerate(
            (
                (done.view, looked),
                (apply, sent),
                (done.save, looked + 20 * seconds),
                (done.dismiss, looked),
                (done.hire & apply, hired),
            ),
            start=1,
        ):
            rows = shown[mask].copy()
            rows["time"], rows["action"] = time[mask], code
            parts.append(rows)
        happened = np.concatenate(parts)
        happened["reason"][happened["action"] != _DISMISS] = 0
        return happened


def _blocks(seed: int, began: int, days: int, requests: int) -> Iterator[tuple[int, np.ndarray]]:
    """(number, sorted times of its requests in microseconds) of each block; none spans midnight."""
    rng = np.random.default_rng([seed, 5])
    traffic = np.resize(_WEEKDAYS, days)
    hours = np.concatenate([[0.0], np.cumsum(_HOURS / _HOURS.sum())])
    block = 0
    for day, count in enumerate(rng.multinomial(requests, traffic / traffic.sum())):
        clock = np.interp(np.sort(rng.random(count)), hours, np.arange(25.0)) / 24.0
        times = began + day * DAY + (clock * DAY).astype(np.int64) // 1_000 * 1_000
        for first in range(0, count, BLOCK_REQUESTS):
            yield block, times[first : first + BLOCK_REQUESTS]
            block += 1


def _ids(letter: str, numbers: np.ndarray, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers.astype(np.int64)).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(letter), digits, "")


def _write(folder: Path, part: int, table: pa.Table) -> None:
    write_part(folder, table, f"{part:05d}")


def _chunks(n: int) -> list[range]:
    return [range(first, min(first + RECORD_ROWS, n)) for first in range(0, n, RECORD_ROWS)]


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _clear(out: Path) -> None:
    """Remove the parts of an earlier simulated market, so that none of it mixes with the new one."""
    if not is_market(out):
        if out.is_dir() and any(out.iterdir()):
            raise BadInput(f"{out} is not empty and holds no simulated market", cure="give another folder")
        return
    for table in ("members", "jobs", "events"):
        for path in (out / table).glob("part-*.parquet"):
            path.unlink()
    shutil.rmtree(out / "golden", ignore_errors=True)
