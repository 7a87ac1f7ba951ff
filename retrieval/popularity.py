"""How often a job was viewed and applied to, as of any time; and which jobs are popular near a place.

Events before the given time are counted, online and in replay alike; live events count at once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import IndexMismatch
from retrieval.engines.append_only import AppendOnlyArray
from retrieval.engines.hits import NO_HITS, Hits

POPULAR_DAYS = 30
_HOUR = 3_600.0
_KINDS = ("view", "apply")
_HALF = 5e-7
"""Half of the microsecond to which events are timed."""


class Timeline:
    """For each of n jobs the times of one kind of event, and for any other number those that are added. times: float64
    seconds since 1970.
    """

    def __init__(self, n: int, rows: np.ndarray, times: np.ndarray) -> None:
        """rows: (m,) int32 job rows; times: (m,) float64, in any order."""
        order = np.lexsort((times, rows))
        self._n = n
        self._offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
        self._times = np.ascontiguousarray(times[order], np.float64)
        order = np.argsort(times, kind="stable")
        self._all_times, self._all_rows = times[order].astype(np.float64), rows[order].astype(np.int32)
        self._live: dict[int, list[float]] = {}

    def add(self, row: int, time: float) -> None:
        insort(self._live.setdefault(row, []), time)

    def before(self, rows: np.ndarray, time: float) -> np.ndarray:
        """(m,) int64: how many events each row has strictly before `time`."""
        counts = self._bisect(rows, time) - self._starts(rows)
        for i, live in self._live_of(rows):
            counts[i] += bisect_left(live, time)
        return counts

    def last_before(self, rows: np.ndarray, time: float) -> np.ndarray:
        """(m,) float64: the time of each row's last event strictly before `time`, NaN where there is none."""
        ends = self._bisect(rows, time)
        last = np.full(len(rows), np.nan)
        some = ends > self._starts(rows)
        last[some] = self._times[ends[some] - 1]
        for i, live in self._live_of(rows):
            count = bisect_left(live, time)
            if count:
                last[i] = np.fmax(last[i], live[count - 1])
        return last

    def counts(self, start: float, end: float) -> np.ndarray:
        """(at least n,) int64: the events of each number in [start, end); of a number behind them there is none."""
        low, high = np.searchsorted(self._all_times, (start, end))
        live = list(self._live.items())
        size = max([self._n, *(row + 1 for row, _ in live)])
        counts = np.bincount(self._all_rows[low:high], minlength=size)
        for row, times in live:
            counts[row] += bisect_left(times, end) - bisect_left(times, start)
        return counts

    def holds(self, row: int, time: float) -> bool:
        """Whether an event of the row at this time, to the microsecond, is among those that it was built from."""
        low, high = self._offsets[np.minimum((row, row + 1), self._n)].tolist()
        first, end = np.searchsorted(self._times[low:high], (time - _HALF, time + _HALF)).tolist()
        return bool(first < end)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows, times) of the events it was built from, by time."""
        return self._all_rows, self._all_times

    def _bisect(self, rows: np.ndarray, time: float) -> np.ndarray:
        """For each row the place in `_times` of its first event at `time` or later: bisection of all rows at once."""
        low, high = self._starts(rows), self._starts(rows + 1)
        if not len(self._times):
            return low
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = open_ & (self._times[np.minimum(middle, len(self._times) - 1)] < time)
            low = np.where(earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low

    def _starts(self, rows: np.ndarray) -> np.ndarray:
        """(m,) int64: where the times of each row begin."""
        return self._offsets[np.minimum(rows, self._n)]

    def _live_of(self, rows: np.ndarray) -> Iterator[tuple[int, list[float]]]:
        """The places in `rows` of those that events were added to, and the times of those."""
        if self._live:
            for i, row in enumerate(rows.tolist()):
                if row in self._live:
                    yield i, self._live[row]


class LiveEvent(NamedTuple):
    """An event that was counted live."""

    row: int
    time: datetime
    action: str


class JobActivity:
    """Views and applies of n jobs. Rows are those of the index that holds it.

    `appended` makes a larger one, which shares the events with this one: what is added to either counts in both. A row
    that takes the place of another takes over its events.
    """

    def __init__(self, views: Timeline, applies: Timeline, n: int) -> None:
        self._kinds = dict(zip(_KINDS, (views, applies), strict=True))
        self._n = self._places = n
        self._place = AppendOnlyArray(np.arange(n, dtype=np.int32))
        self._counted: dict[float, np.ndarray] = {}
        self._by_row: tuple[np.ndarray, np.ndarray] | None = None
        # Of all that was added, in this order: the place, the kind, and the time, which is written last.
        self._log_places, self._log_kinds, self._log_times = array("i"), array("b"), array("d")

    def views(self, rows: np.ndarray, time: datetime, days: float) -> np.ndarray:
        """(m,) int64: views of each job in the `days` before `time`."""
        end, timeline, places = time.timestamp(), self._kinds["view"], self._of(rows)
        return timeline.before(places, end) - timeline.before(places, end - timedelta(days=days).total_seconds())

    def days_since_view(self, rows: np.ndarray, time: datetime) -> np.ndarray:
        """(m,) float64: days from each job's last view before `time`; infinity where it was never viewed."""
        last = self._kinds["view"].last_before(self._of(rows), time.timestamp())
        return np.nan_to_num((time.timestamp() - last) / 86_400, nan=np.inf)

    def seen(self, rows: np.ndarray, time: datetime) -> np.ndarray:
        """(m,) bool: somebody viewed the job before `time`."""
        return self._kinds["view"].before(self._of(rows), time.timestamp()) > 0

    def popularity(self, time: datetime) -> np.ndarray:
        """(n,) int64: views and applies in the `POPULAR_DAYS` before the hour in which `time` lies.

        Whole hours, so that requests of one hour share the count; what happened since the hour began is left out.
        """
        hour = time.timestamp() // _HOUR * _HOUR
        counts = self._counted.get(hour)
        if counts is None:
            start = hour - timedelta(days=POPULAR_DAYS).total_seconds()
            views, applies = (timeline.counts(start, hour) for timeline in self._kinds.values())
            counts = np.zeros(max(len(views), len(applies)), np.int64)
            counts[: len(views)] += views
            counts[: len(applies)] += applies
            self._counted.clear()
            self._counted[hour] = counts
        by_row = self._by_row
        if by_row is None or by_row[0] is not counts:
            # Places that the count does not reach came later, and nothing has happened there before this hour.
            reaching = np.pad(counts, (0, max(0, self._places - len(counts))))
            by_row = self._by_row = counts, reaching[self._place.first(self._n)]
        return by_row[1]

    def add(self, row: int, time: datetime, action: str = "view") -> None:
        """Count one more event of a job at once; actions other than view and apply change nothing."""
        timeline = self._kinds.get(action)
        if timeline is None or row < 0:
            return
        place = int(self._place.first(self._n)[row])
        timeline.add(place, time.timestamp())
        self._log_places.append(place)
        self._log_kinds.append(_KINDS.index(action))
        self._log_times.append(time.timestamp())
        if any(time.timestamp() < hour for hour in list(self._counted)):
            self._counted.clear()

    def appended(self, former: np.ndarray) -> JobActivity:
        """This activity with more rows behind its own. former: (m,) int, the row that each takes over from, -1: none.

        Of the values made in this way from one, only the newest may be appended to.
        """
        fresh = former < 0
        places = self._of(np.where(fresh, 0, former)) if self._n else np.zeros(len(former), np.int32)
        places[fresh] = self._places + np.arange(np.count_nonzero(fresh))
        self._place.append(places)
        made = copy(self)
        made._n, made._places, made._by_row = self._n + len(former), self._places + int(fresh.sum()), None
        return made

    def live_events(self, start: int = 0) -> list[LiveEvent]:
        """The events that were added, in this order, without the first `start`, up to one of a row behind the last."""
        row_of = np.zeros(self._places, np.int64)
        row_of[self._place.first(self._n)] = np.arange(self._n)  # of rows that share a place the last one
        end = len(self._log_times)
        events = []
        for place, kind, time in zip(
            self._log_places[start:end], self._log_kinds[start:end], self._log_times[start:end], strict=True
        ):
            if place >= self._places:
                break
            events.append(LiveEvent(int(row_of[place]), datetime.fromtimestamp(time, UTC), _KINDS[kind]))
        return events

    def knows(self, event: LiveEvent) -> bool:
        """Whether this event is among those that it was built from."""
        return self._kinds[event.action].holds(int(self._of(np.array([event.row]))[0]), event.time.timestamp())

    def _of(self, rows: np.ndarray) -> np.ndarray:
        return self._place.first(self._n)[rows]

    def save(self, path: Path) -> None:
        arrays = {}
        for kind, timeline in self._kinds.items():
            arrays[f"{kind}_rows"], arrays[f"{kind}_times"] = timeline.arrays()
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path, n: int) -> JobActivity:
        """n: the number of jobs that it was built over. Raises IndexMismatch where it counts others."""
        timelines = {}
        with np.load(path, allow_pickle=False) as arrays:
            for kind in ("view", "apply"):
                rows = arrays[f"{kind}_rows"]
                if rows.min(initial=0) < 0 or rows.max(initial=-1) >= n:
                    problem = f"a {kind} of job {rows.max():,} of {n:,} jobs"
                    raise IndexMismatch(problem, where=str(path), cure="run `rolecall index` again")
                timelines[kind] = Timeline(n, rows, arrays[f"{kind}_times"])
        return cls(timelines["view"], timelines["apply"], n)


def build_activity(job_ids: list[str], events: pa.Table) -> JobActivity:
    """From events (Arrow: job_id, time, action); those of unknown jobs are left out."""
    rows = pc.index_in(events["job_id"], value_set=pa.array(job_ids, pa.string()))
    rows = rows.fill_null(-1).to_numpy().astype(np.int32)
    times = events["time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy() / 1e6

    def timeline(kind: str) -> Timeline:
        chosen = (rows >= 0) & pc.equal(events["action"], kind).to_numpy(zero_copy_only=False)
        return Timeline(len(job_ids), rows[chosen], times[chosen])

    return JobActivity(timeline("view"), timeline("apply"), len(job_ids))


def popular_nearby(popularity: np.ndarray, nearness: np.ndarray, k: int, mask: np.ndarray) -> Hits:
    """The k most popular jobs, near ones before far ones; jobs without any event come last of their tier.

    Args:
        popularity: (n,) int64, which the scores are.
        nearness: (n,) integer, higher is nearer.
        k: Jobs at most.
        mask: (n,) bool, the jobs that may be returned.
    """
    rows = np.flatnonzero(mask)
    if not len(rows):
        return NO_HITS
    order = nearness[rows].astype(np.int64) * (int(popularity.max()) + 1) + popularity[rows]
    if k < len(rows):
        cut = np.partition(order, len(rows) - k)[len(rows) - k]
        above = np.flatnonzero(order > cut)
        chosen = np.sort(np.concatenate([above, np.flatnonzero(order == cut)[: k - len(above)]]))
    else:
        chosen = np.arange(len(rows))
    chosen = chosen[np.argsort(-order[chosen], kind="stable")]
    return Hits(rows[chosen].astype(np.int32), popularity[rows[chosen]].astype(np.float32))
