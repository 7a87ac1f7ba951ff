"""How often a job was viewed and applied to, as of any time; and what is popular near a place.

Only what happened before the asked time is counted, online and in replay alike, and live events count at once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from retrieval.exact import NOTHING, Hits

POPULAR_DAYS = 30
_HOUR = 3_600.0


class Timeline:
    """For each of n jobs the times of one kind of event. times: float64 seconds since 1970."""

    def __init__(self, n: int, rows: np.ndarray, times: np.ndarray) -> None:
        """rows: (m,) int32 job rows; times: (m,) float64, in any order."""
        order = np.lexsort((times, rows))
        self._offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
        self._times = np.ascontiguousarray(times[order], np.float64)
        order = np.argsort(times, kind="stable")
        self._all_times, self._all_rows = times[order].astype(np.float64), rows[order].astype(np.int32)
        self._live: dict[int, list[float]] = {}
        self._has_live = np.zeros(n, dtype=bool)

    def add(self, row: int, time: float) -> None:
        insort(self._live.setdefault(row, []), time)
        self._has_live[row] = True

    def before(self, rows: np.ndarray, time: float) -> np.ndarray:
        """(m,) int64: how many events each row has strictly before `time`."""
        counts = self._bisect(rows, time) - self._offsets[rows]
        for i in np.flatnonzero(self._has_live[rows]):
            counts[i] += bisect_left(self._live[int(rows[i])], time)
        return counts

    def last_before(self, rows: np.ndarray, time: float) -> np.ndarray:
        """(m,) float64: the time of each row's last event strictly before `time`, NaN where there is none."""
        ends = self._bisect(rows, time)
        last = np.full(len(rows), np.nan)
        some = ends > self._offsets[rows]
        last[some] = self._times[ends[some] - 1]
        for i in np.flatnonzero(self._has_live[rows]):
            live = self._live[int(rows[i])]
            found = bisect_left(live, time)
            if found:
                last[i] = np.fmax(last[i], live[found - 1])
        return last

    def counts(self, start: float, end: float) -> np.ndarray:
        """(n,) int64: each job's events in [start, end)."""
        low, high = np.searchsorted(self._all_times, (start, end))
        counts = np.bincount(self._all_rows[low:high], minlength=len(self._has_live))
        for row, times in list(self._live.items()):
            counts[row] += bisect_left(times, end) - bisect_left(times, start)
        return counts

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows, times) of the events it was built from, by time."""
        return self._all_rows, self._all_times

    def _bisect(self, rows: np.ndarray, time: float) -> np.ndarray:
        """For each row the place in `_times` of its first event at `time` or later: bisection of all rows at once."""
        low, high = self._offsets[rows], self._offsets[rows + 1].copy()
        low = low.copy()
        if not len(self._times):
            return low
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = open_ & (self._times[np.minimum(middle, len(self._times) - 1)] < time)
            low = np.where(earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low


class JobActivity:
    """Views and applies of n jobs. Rows are those of the index that holds it."""

    def __init__(self, views: Timeline, applies: Timeline) -> None:
        self._kinds = {"view": views, "apply": applies}
        self._popular: tuple[float, np.ndarray] | None = None

    def views(self, rows: np.ndarray, time: datetime, days: float) -> np.ndarray:
        """(m,) int64: views of each job in the `days` before `time`."""
        end, timeline = time.timestamp(), self._kinds["view"]
        return timeline.before(rows, end) - timeline.before(rows, end - timedelta(days=days).total_seconds())

    def days_since_view(self, rows: np.ndarray, time: datetime) -> np.ndarray:
        """(m,) float64: days from each job's last view before `time`; infinity where it was never viewed."""
        last = self._kinds["view"].last_before(rows, time.timestamp())
        return np.nan_to_num((time.timestamp() - last) / 86_400, nan=np.inf)

    def seen(self, rows: np.ndarray, time: datetime) -> np.ndarray:
        """(m,) bool: somebody viewed the job before `time`."""
        return self._kinds["view"].before(rows, time.timestamp()) > 0

    def popularity(self, time: datetime) -> np.ndarray:
        """(n,) int64: views and applies in the `POPULAR_DAYS` before the hour in which `time` lies.

        Whole hours, so that requests of one hour share the count; what happened since the hour began is left out.
        """
        hour = time.timestamp() // _HOUR * _HOUR
        counted = self._popular
        if counted is None or counted[0] != hour:
            start = hour - timedelta(days=POPULAR_DAYS).total_seconds()
            counted = hour, self._kinds["view"].counts(start, hour) + self._kinds["apply"].counts(start, hour)
            self._popular = counted
        return counted[1]

    def add(self, row: int, time: datetime, action: str = "view") -> None:
        """Count one more event of a job at once; actions other than view and apply change nothing."""
        timeline = self._kinds.get(action)
        if timeline is None or row < 0:
            return
        timeline.add(row, time.timestamp())
        if self._popular is not None and time.timestamp() < self._popular[0]:
            self._popular = None

    def save(self, path: Path) -> None:
        arrays = {}
        for kind, timeline in self._kinds.items():
            arrays[f"{kind}_rows"], arrays[f"{kind}_times"] = timeline.arrays()
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path, n: int) -> JobActivity:
        with np.load(path, allow_pickle=False) as found:
            views, applies = (Timeline(n, found[f"{kind}_rows"], found[f"{kind}_times"]) for kind in ("view", "apply"))
        return cls(views, applies)


def build_activity(job_ids: list[str], events: pa.Table) -> JobActivity:
    """From events (Arrow: job_id, time, action); those of unknown jobs are left out."""
    rows = pc.index_in(events["job_id"], value_set=pa.array(job_ids, pa.string()))
    rows = rows.fill_null(-1).to_numpy().astype(np.int32)
    times = events["time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy() / 1e6
    timelines = []
    for kind in ("view", "apply"):
        chosen = (rows >= 0) & pc.equal(events["action"], kind).to_numpy(zero_copy_only=False)
        timelines.append(Timeline(len(job_ids), rows[chosen], times[chosen]))
    return JobActivity(*timelines)


def popular_nearby(popularity: np.ndarray, nearness: np.ndarray, k: int, mask: np.ndarray) -> Hits:
    """The k most popular jobs, near ones before far ones; jobs without any event come last of their tier.

    popularity: (n,) int64; nearness: (n,) integer, higher is nearer; mask: (n,) bool. The scores are the popularity.
    """
    rows = np.flatnonzero(mask)
    if not len(rows):
        return NOTHING
    order = nearness[rows].astype(np.int64) * (int(popularity.max()) + 1) + popularity[rows]
    if k < len(rows):
        cut = np.partition(order, len(rows) - k)[len(rows) - k]
        above = np.flatnonzero(order > cut)
        chosen = np.sort(np.concatenate([above, np.flatnonzero(order == cut)[: k - len(above)]]))
    else:
        chosen = np.arange(len(rows))
    chosen = chosen[np.argsort(-order[chosen], kind="stable")]
    return Hits(rows[chosen].astype(np.int32), popularity[rows[chosen]].astype(np.float32))
