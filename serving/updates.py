"""Job changes while it serves: a thread reads the feed, and what it read is found by the next request.

A change is checked as `ingest` checks a job; one that does not fit goes to the quarantine. A job is verbalised and
encoded as the batch jobs do it, with what is loaded. Where the feed cannot go on it says why (`state`, /readyz) and
tries again; what is served stays as it is. Where it stands is told by the index that is served (`JobIndex.position`):
after a swap to another build it is read again from where the records of that build end.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from beam_jobs import quarantine
from contracts.errors import BadInput, RolecallError
from contracts.records import Job
from contracts.text.verbalizer import content_hash
from contracts.workspace import Workspace
from retrieval.index.changes import News, Upsert
from retrieval.index.updates import is_news, news
from serving.current import Current
from serving.lines import log
from serving.load import Loaded
from serving.metrics import Metrics
from serving.stages import places
from sources.check import reject
from sources.feeds.changes import Change, Feed, RawChange, checked
from sources.rows import Reject

PAUSE_SECONDS = 0.5
"""Between two looks at a feed that has nothing, or that cannot be read."""
RUNNING = "running"
TRIES = 3
"""At a job that the models fail on, which may be for a passing reason, before it is set aside."""
_PROBE = "job"


class Updates:
    """Applies a feed to what is served, from where the index that is served stands in it."""

    def __init__(self, workspace: Workspace, current: Current, feed: Feed, metrics: Metrics) -> None:
        self._quarantine, self._current, self._feed, self._metrics = workspace.quarantine, current, feed, metrics
        self._failed = 0
        self.state = "starting"
        """RUNNING, or the error that the feed waits for to be gone."""
        self._began = datetime.now(UTC)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="updates", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._feed.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            read: Sequence[RawChange] = ()
            try:
                after = self._current.loaded.index.position
                read = self._feed.read(after)
                if read:
                    self._take(read, after)
                self._tell(RUNNING)
            except RolecallError as error:
                self._tell(f"{error.reason}: {error}")
            except Exception as error:  # whatever a server, a file or a model raises, the service goes on
                self._tell(f"internal: {type(error).__name__}", at=places(error))
            if not read or self.state != RUNNING:
                self._stop.wait(PAUSE_SECONDS)

    def _take(self, read: Sequence[RawChange], after: str) -> None:
        """Apply what was read at once behind `after`, and stand behind it."""
        now = datetime.now(UTC)
        found = [_checked(raw, now) for raw in read]
        changes = [one for one in found if isinstance(one, Change)]
        rejects = [one for one in found if isinstance(one, Reject)]
        position = read[-1].position
        try:
            outcomes = self._apply(changes, after, position)
        except Exception as error:
            if not _may_be_of_one_job(error):
                raise
            outcomes, failed = self._singly(changes, after)
            rows = {raw.position: raw.row for raw in read}
            rejects += [reject(rows[change.position], "not_encoded", _told(error)) for change, error in failed]
            self._apply([], after, position)
        if self._current.loaded.index.position != position:
            return  # another build was swapped in meanwhile: it is read again from where that one stands
        self._failed = 0
        self._set_aside(rejects, now)
        self._count(outcomes | Counter(bad=len(rejects)))

    def _singly(self, changes: Sequence[Change], after: str) -> tuple[Counter[str], list[tuple[Change, Exception]]]:
        """Apply each change that can be; outcomes, and those whose job is at fault. The feed still stands at `after`.

        Raises what a model raises, where it may be the model that is at fault and not the job.
        """
        sound = _encodes(self._current.loaded)  # before and after: a model that recovers meanwhile is no job's fault
        outcomes: Counter[str] = Counter()
        failed: list[tuple[Change, Exception]] = []
        for change in changes:
            try:
                outcomes += self._apply([change], after, after)
            except Exception as error:
                if not _may_be_of_one_job(error):
                    raise
                failed.append((change, error))
        broken = [error for _, error in failed if not isinstance(error, BadInput)]
        if broken:
            self._failed += 1
            if self._failed < TRIES or not (sound and _encodes(self._current.loaded)):
                del outcomes["skipped"]  # these are told again, and counted then
                self._count(outcomes)
                raise broken[0]
        return outcomes, failed

    def _apply(self, changes: Sequence[Change], after: str, position: str) -> Counter[str]:
        """Change what is served, which stands at `after` and then at `position`; the number of changes by outcome.

        Nothing is done where what is served stands elsewhere by now.
        """
        newest: dict[str, Change] = {}
        for change in changes:
            if change.job_id not in newest or change.version > newest[change.job_id].version:
                newest[change.job_id] = change
        done: set[str] | None = None
        while done is None:
            loaded = self._current.loaded
            if loaded.index.position != after:
                return Counter()
            unknown = {job_id for job_id in newest if loaded.index.jobs.row(job_id) < 0}
            done = self._apply_to(loaded, list(newest.values()), position)
        searchable = datetime.now(UTC)
        outcomes = Counter(skipped=len(changes) - len(done))
        for change in map(newest.__getitem__, done):
            outcomes["unknown" if change.job is None and change.job_id in unknown else "applied"] += 1
            if change.time >= self._began:  # what is told again after a start says nothing of how fast it goes
                self._metrics.change_seconds.observe(max(0.0, (searchable - change.time).total_seconds()))
        return outcomes

    def _apply_to(self, loaded: Loaded, changes: Sequence[Change], position: str) -> set[str] | None:
        """The jobs that changed; None where other models, or another position, than those of `loaded` are served."""
        fresh = [change for change in changes if is_news(loaded.index, change.job_id, *change.version)]
        upserts = encoded(loaded, [change.job for change in fresh if change.job is not None])
        deletes = {change.job_id: change.time for change in fresh if change.job is None}
        found: News | None = None

        def change(now: Loaded) -> Loaded:
            nonlocal found
            if (now.models, now.index.position) != (loaded.models, loaded.index.position):
                return now
            found = news(now.index, upserts, deletes)
            return replace(now, index=now.index.changed(*found, position))

        self._current.change(change)
        return None if found is None else {*(upsert.job.id for upsert in found.upserts), *found.deletes}

    def _count(self, outcomes: Counter[str]) -> None:
        self._metrics.serves(*self._current.loaded.served)
        for outcome, count in outcomes.items():
            self._metrics.changes.labels(outcome).inc(count)

    def _set_aside(self, rejects: Sequence[Reject], now: datetime) -> None:
        """Add to the quarantine; where the disk does not take it the feed, which holds the change, goes on."""
        for source in dict.fromkeys(one.source for one in rejects):
            mine = [one for one in rejects if one.source == source]
            try:
                quarantine.add(self._quarantine, mine, now)
            except OSError as error:
                log.error("quarantine_failed", source=source, rows=len(mine), error=str(error))

    def _tell(self, state: str, **more: object) -> None:
        if state != self.state:
            (log.info if state == RUNNING else log.error)("feed", feed=self._feed.name, state=state, **more)
        self.state = state
        self._metrics.feed_running.set(state == RUNNING)


def _checked(raw: RawChange, now: datetime) -> Change | Reject:
    try:
        return checked(raw, now)
    except Exception as error:  # whatever a strange row makes a check raise, the others are taken
        return reject(raw.row, "not_checked", _told(error))


def _may_be_of_one_job(error: Exception) -> bool:
    """Of typed errors those of what was handed in; any other, since a model may raise it."""
    return isinstance(error, BadInput) or not isinstance(error, RolecallError)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, RolecallError) else f"{type(error).__name__} at {places(error)[-1]}"


def _encodes(loaded: Loaded) -> bool:
    """Whether the models work, so that what they fail on is at fault."""
    try:
        loaded.encoder.encode([_PROBE])
        if loaded.items is not None:
            loaded.items.encode([_PROBE])
    except Exception:  # whatever a model raises
        return False
    return True


def encoded(loaded: Loaded, jobs: Sequence[Job]) -> list[Upsert]:
    """Jobs as the index of `loaded` takes them: verbalised, with vector and item tokens.

    A job whose text is the one that the index has of it keeps both: what changed was its expiry, or nothing.
    """
    index, version = loaded.index, loaded.verbalizer.version
    texts = [loaded.verbalizer.job(job) for job in jobs]
    hashes = [content_hash(text, version) for text in texts]
    rows = index.rows((job.id for job in jobs), ended=True)
    held = [index.jobs.text_hash(row) if row >= 0 else "" for row in rows.tolist()]
    same = np.array([one == other for one, other in zip(held, hashes, strict=True)], bool)
    anew = [text for text, known in zip(texts, same, strict=True) if not known]
    vectors = np.empty((len(jobs), loaded.encoder.dim), np.float32)
    vectors[same] = index.vectors[rows[same]]
    if anew:  # a delete needs no model, not even one that works
        vectors[~same] = loaded.encoder.encode(anew)
    items: Sequence[np.ndarray | None] = [None] * len(jobs)
    if loaded.items is not None:
        found = np.empty((len(jobs), loaded.manifest.item_tokens, loaded.manifest.hidden), np.float16)
        found[same] = index.items(rows[same])
        if anew:
            found[~same] = loaded.items.encode(anew)
        items = list(found)
    return [Upsert(job, vectors[i], items[i], hashes[i]) for i, job in enumerate(jobs)]
