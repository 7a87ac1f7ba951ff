"""A sample of what was served, kept for `rolecall drift`: fingerprints of features, and the scores that came of them.

A line holds no member's id and no text: both are hashes, which the comparison makes anew from the offline tables. Lines
are written by a thread of their own and dropped, with a count, where the disk does not keep up.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from pydantic import ValidationError

from contracts.text.verbalizer import content_hash, request_text
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from serving.drift_config import DriftConfig
from serving.logger import log
from serving.metrics import Metrics
from serving.slates import Slate

MAX_WAITING = 1_000
CLOSE_SECONDS = 5.0
MAX_JOBS = 20
"""Jobs of an answer that are kept, from the first."""
SPACE = 2**32


class Sampled(FrozenModel):
    """One answer as it was served.

    member, features: hashes of the member's id and of activity and text as the online store gave them; query: whether
    there was one, which the scores depend on; probabilities: of each job, task -> calibrated probability; good_matches:
    of each job, None where nobody can say; match: the bins that the student read of each job.
    """

    request_id: str
    time: datetime
    surface: str
    versions: str
    member: str
    features: str
    query: bool
    job_ids: tuple[str, ...]
    probabilities: tuple[dict[str, float], ...]
    good_matches: tuple[float | None, ...]
    match: tuple[tuple[int, ...] | None, ...]


def member_part(text: str, query: str) -> str:
    """What of a request's text is the member's: activity and text, without the query before them."""
    asked = request_text(query=query)
    return text.removeprefix(asked).removeprefix(" | ") if asked else text


def sampled(slate: Slate) -> Sampled:
    """The line of a slate."""
    shown = slice(MAX_JOBS)
    return Sampled(
        request_id=slate.request_id,
        time=slate.time,
        surface=slate.surface,
        versions=slate.logged_by,
        member=content_hash(slate.member_id),
        features=content_hash(member_part(slate.request_text, slate.query)),
        query=bool(slate.query),
        job_ids=slate.job_ids[shown],
        probabilities=slate.probabilities[shown],
        good_matches=slate.good_matches[shown],
        match=tuple(None if bins is None else tuple(bins.tolist()) for bins in slate.match[shown]),
    )


class DriftSample:
    """Appends the sample to a file a day, `drift/<day>.jsonl` of the workspace. `close` writes what waits."""

    def __init__(self, workspace: Workspace, config: DriftConfig, metrics: Metrics) -> None:
        self._folder, self._config, self._metrics = workspace.root / "drift", config, metrics
        self._waiting: queue.Queue[Slate | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="drift-sample", daemon=True)
        self._thread.start()

    def add(self, slate: Slate) -> None:
        """Sample an answer that was shown to a member whose stored features made it. Never waits and never raises."""
        drawn = int(slate.request_id[:8], 16) / SPACE < self._config.share  # request ids are drawn evenly
        if drawn and slate.member_id and slate.stored_features and slate.request_text:
            try:
                self._waiting.put_nowait(slate)
            except queue.Full:
                self._metrics.drift_sampled.labels("dropped").inc()

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_SECONDS`: a disk that hangs must not keep the process."""
        until = time.monotonic() + CLOSE_SECONDS
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            log.error("drift_sample_not_written", waiting=self._waiting.qsize())

    def _write_all(self) -> None:
        while (slate := self._waiting.get()) is not None:
            try:
                line = orjson.dumps(sampled(slate).model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE)
                path = self._folder / f"{slate.time:%Y-%m-%d}.jsonl"
                if not path.exists():
                    self._folder.mkdir(mode=0o750, exist_ok=True)  # never the workspace itself
                    drop_old(self._folder, slate.time - timedelta(days=self._config.keep_days))
                with path.open("ab") as file:
                    file.write(line)
                self._metrics.drift_sampled.labels("written").inc()
            except Exception as error:  # whatever a file system raises; the answer was given
                self._metrics.drift_sampled.labels("failed").inc()
                log.warning("drift_sample_failed", error=type(error).__name__)


def drop_old(folder: Path, before: datetime) -> None:
    """Throw away the samples of days before a time."""
    for path in folder.glob("????-??-??.jsonl"):
        if path.stem < f"{before:%Y-%m-%d}":
            path.unlink()


def read_sample(workspace: Workspace, since: datetime) -> Iterator[Sampled]:
    """The sampled answers since a time, oldest day first; a line that is none is passed over."""
    for path in sorted((workspace.root / "drift").glob("????-??-??.jsonl")):
        if path.stem >= f"{since.astimezone(UTC):%Y-%m-%d}":
            for line in path.read_bytes().splitlines():
                try:
                    found = Sampled.model_validate_json(line)
                except ValidationError:
                    continue
                if found.time >= since:
                    yield found
