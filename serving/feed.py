"""The feed of job changes: a thread reads it, and the next request finds what it brought.

A change is checked as `ingest` checks a job, and what its advert says of empty fields is read out of it; one that does
not fit goes to the quarantine. A job is verbalised and encoded as the batch jobs do it. When the feed cannot be read or
applied, `state` (and /readyz) gives the error and the thread tries again; what is served stays. The index that is
served knows its position in the feed (`JobIndex.position`): after a swap to another build the feed is read again from
the end of that build's records.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from contracts.errors import BadInput, RolecallError
from contracts.reading.times import TimeReading, saved_reading
from contracts.records import Job
from contracts.text.adverts.reader import read_out
from contracts.text.adverts.skills import Gazetteer, saved_gazetteer
from contracts.text.verbalizer import content_hash, title_of_text
from contracts.workspace import Workspace
from retrieval.index.changes import NewerChanges, Upsert
from retrieval.index.updates import is_newer, newer_changes
from serving.current import Current
from serving.logger import log
from serving.metrics import Metrics
from serving.servable import Servable
from serving.stages import describe, frames
from sources import quarantine
from sources.check import reject
from sources.feeds.changes import Change, Feed, RawChange, checked
from sources.rows import Reject

PAUSE_SECONDS = 0.5
"""Between two reads of a feed that has nothing new, or that cannot be read."""
RUNNING = "running"
MAX_TRIES = 3
"""At a job that the models fail on, which may be for a passing reason, before it is set aside."""
_PROBE_TEXT = "job"


class FeedConsumer:
    """Applies a feed to what is served, from the position of the index that is served."""

    def __init__(self, workspace: Workspace, current: Current, feed: Feed, metrics: Metrics) -> None:
        self._quarantine, self._current, self._feed, self._metrics = workspace.quarantine, current, feed, metrics
        self._reading = saved_reading(workspace.reading)
        self._skills = saved_gazetteer(workspace.skills)
        self._failed_tries = 0
        self.state = "starting"
        """RUNNING, or the error that stops the feed for now."""
        self._began = datetime.now(UTC)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._feed.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            rows: Sequence[RawChange] = ()
            try:
                after = self._current.servable.index.position
                rows = self._feed.read(after)
                if rows:
                    self._consume(rows, after)
                self._set_state(RUNNING)
            except RolecallError as error:
                self._set_state(f"{error.reason}: {error}")
            except Exception as error:  # whatever a server, a file or a model raises, the service goes on
                self._set_state(f"internal: {type(error).__name__}", at=frames(error))
            if not rows or self.state != RUNNING:
                self._stop.wait(PAUSE_SECONDS)

    def _consume(self, rows: Sequence[RawChange], after: str) -> None:
        """Apply the rows read at once from position `after`, and move the position behind them."""
        now = datetime.now(UTC)
        outcomes_of_check = [_check(row, now, self._reading, self._skills) for row in rows]
        changes = [change for change in outcomes_of_check if isinstance(change, Change)]
        rejects = [row for row in outcomes_of_check if isinstance(row, Reject)]
        position = rows[-1].position
        try:
            outcomes = self._apply(changes, after, position)
        except Exception as error:
            if not _may_lie_in_a_job(error):
                raise
            outcomes, failed = self._apply_singly(changes, after)
            raw = {row.position: row.row for row in rows}
            rejects += [reject(raw[change.position], "not_encoded", describe(error)) for change, error in failed]
            self._apply([], after, position)
        if self._current.servable.index.position != position:
            return  # another build was swapped in meanwhile: the feed is read again from that build's position
        self._failed_tries = 0
        self._set_aside(rejects, now)
        self._count(outcomes | Counter(bad=len(rejects)))

    def _apply_singly(
        self, changes: Sequence[Change], after: str
    ) -> tuple[Counter[str], list[tuple[Change, Exception]]]:
        """Apply each change by itself; the outcomes, and the changes whose job is at fault. The position stays `after`.

        Raises a model's error where the model may be at fault and not the job.
        """
        sound = _models_work(self._current.servable)  # and again below: a model that recovers meanwhile is at fault
        outcomes: Counter[str] = Counter()
        failed: list[tuple[Change, Exception]] = []
        for change in changes:
            try:
                outcomes += self._apply([change], after, after)
            except Exception as error:
                if not _may_lie_in_a_job(error):
                    raise
                failed.append((change, error))
        unexpected = [error for _, error in failed if not isinstance(error, BadInput)]
        if unexpected:
            self._failed_tries += 1
            if self._failed_tries < MAX_TRIES or not (sound and _models_work(self._current.servable)):
                del outcomes["skipped"]  # these are read again, and counted then
                self._count(outcomes)
                raise unexpected[0]
        return outcomes, failed

    def _apply(self, changes: Sequence[Change], after: str, position: str) -> Counter[str]:
        """Apply changes to what is served, and move its position from `after` to `position`; the changes by outcome.

        Does nothing where the position is not `after` any more.
        """
        newest: dict[str, Change] = {}
        for change in changes:
            if change.job_id not in newest or change.version > newest[change.job_id].version:
                newest[change.job_id] = change
        changed: set[str] | None = None
        while changed is None:
            servable = self._current.servable
            if servable.index.position != after:
                return Counter()
            unknown = {job_id for job_id in newest if servable.index.jobs.row(job_id) < 0}
            changed = self._apply_to(servable, list(newest.values()), position)
        searchable = datetime.now(UTC)
        outcomes = Counter(skipped=len(changes) - len(changed))
        for change in map(newest.__getitem__, changed):
            outcomes["unknown" if change.job is None and change.job_id in unknown else "applied"] += 1
            if change.time >= self._began:  # an older change was read again after a start: its age is no latency
                self._metrics.change_seconds.observe(max(0.0, (searchable - change.time).total_seconds()))
        return outcomes

    def _apply_to(self, servable: Servable, changes: Sequence[Change], position: str) -> set[str] | None:
        """The jobs that changed; None where other models than those of `servable`, or another position, are served."""
        newer = [change for change in changes if is_newer(servable.index, change.job_id, *change.version)]
        upserts = encode_jobs(servable, [change.job for change in newer if change.job is not None])
        deletes = {change.job_id: change.time for change in newer if change.job is None}
        applied: NewerChanges | None = None

        def change(now: Servable) -> Servable:
            nonlocal applied
            if (now.encoded_by, now.index.position) != (servable.encoded_by, servable.index.position):
                return now
            applied = newer_changes(now.index, upserts, deletes)
            return replace(now, index=now.index.changed(*applied, position))

        self._current.change(change)
        return None if applied is None else {*(upsert.job.id for upsert in applied.upserts), *applied.deletes}

    def _count(self, outcomes: Counter[str]) -> None:
        self._metrics.serves(*self._current.servable.served)
        for outcome, count in outcomes.items():
            self._metrics.changes.labels(outcome).inc(count)

    def _set_aside(self, rejects: Sequence[Reject], now: datetime) -> None:
        """Add to the quarantine; where the disk does not take it the thread goes on, since the feed has the change."""
        for source in dict.fromkeys(row.source for row in rejects):
            of_source = [row for row in rejects if row.source == source]
            try:
                quarantine.add(self._quarantine, of_source, now)
            except OSError as error:
                log.error("quarantine_failed", source=source, rows=len(of_source), error=str(error))

    def _set_state(self, state: str, **fields: object) -> None:
        if state != self.state:
            (log.info if state == RUNNING else log.error)("feed", feed=self._feed.name, state=state, **fields)
        self.state = state
        self._metrics.feed_running.labels(self._feed.name).set(state == RUNNING)


def _check(raw: RawChange, now: datetime, reading: TimeReading, skills: Gazetteer) -> Change | Reject:
    try:
        change = checked(raw, now, reading)
        if isinstance(change, Reject) or change.job is None:
            return change
        return change._replace(job=read_out(change.job, skills))
    except Exception as error:  # whatever a strange row makes a check raise, the others are taken
        return reject(raw.row, "not_checked", describe(error))


def _may_lie_in_a_job(error: Exception) -> bool:
    """Of typed errors those of bad input; any other error too, since a model may raise it."""
    return isinstance(error, BadInput) or not isinstance(error, RolecallError)


def _models_work(servable: Servable) -> bool:
    """Whether the models encode a plain text: then a job that they fail on is at fault."""
    try:
        servable.encoder.encode([_PROBE_TEXT], "job")
        if servable.item_encoder is not None:
            servable.item_encoder.encode([_PROBE_TEXT])
    except Exception:  # whatever a model raises
        return False
    return True


def encode_jobs(servable: Servable, jobs: Sequence[Job]) -> list[Upsert]:
    """Jobs as the servable's index takes them: verbalised, with vector, title's vector and item tokens.

    A job whose text equals that in the index keeps all three: its expiry changed, or nothing.
    """
    index, version = servable.index, servable.verbalizer.version
    texts = [servable.verbalizer.job(job) for job in jobs]
    hashes = [content_hash(text, version) for text in texts]
    rows = index.rows((job.id for job in jobs), ended=True)
    former = [index.jobs.text_hash(row) if row >= 0 else "" for row in rows.tolist()]
    same = np.array([old == new for old, new in zip(former, hashes, strict=True)], bool)
    new_texts = [text for text, is_same in zip(texts, same, strict=True) if not is_same]
    vectors = np.empty((len(jobs), servable.encoder.dim), np.float32)
    titles = np.empty_like(vectors)
    vectors[same], titles[same] = index.vectors[rows[same]], index.title_vectors[rows[same]]
    if new_texts:  # a delete needs no model, not even one that works
        vectors[~same] = servable.encoder.encode(new_texts, "job")
        titles[~same] = servable.encoder.titles([title_of_text(text) for text in new_texts])
    items: Sequence[np.ndarray | None] = [None] * len(jobs)
    if servable.item_encoder is not None:
        tokens = np.empty((len(jobs), servable.manifest.item_tokens, servable.manifest.hidden), np.float16)
        tokens[same] = index.items(rows[same])
        if new_texts:
            tokens[~same] = servable.item_encoder.encode(new_texts)
        items = list(tokens)
    return [Upsert(job, vectors[i], items[i], hashes[i], titles[i]) for i, job in enumerate(jobs)]
