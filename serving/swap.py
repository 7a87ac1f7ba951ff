"""Swaps another bundle or index in for what is served: loaded beside it, checked, warmed, then exchanged at once.

As model servers do it, a thread looks every few seconds at what the workspace's CURRENT files name. A load that fails
is logged and tried again; what is served stays. An index with many rows of replaced or deleted jobs is loaded again,
without those rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contracts.errors import NotReady, RolecallError
from contracts.workspace import Workspace
from retrieval.index.updates import carry_activity, carry_changes
from serving.config import ServeConfig
from serving.current import Current
from serving.feed import encode_jobs
from serving.freshness import tell_freshness
from serving.logger import log
from serving.metrics import Metrics
from serving.servable import Servable, load_servable
from serving.stages import describe

RETRY_SECONDS = 30.0
"""Until a load that failed is tried again, unless CURRENT names something else before."""
MAX_DEAD_ROWS = 10_000
"""Rows of jobs that the feed brought and later replaced or deleted: above this an index is loaded again, if they are
more than half of all rows that the feed brought."""


class SwapInProgress(RolecallError):
    """Swaps are made one at a time."""

    reason, http_status = "swap_in_progress", 409


WarmUp = Callable[[Servable], set[str]]
"""Asks a servable before it is served; returns the stages that failed."""


class Swapper:
    """Swaps what is served, when it is asked to or when CURRENT changes."""

    def __init__(
        self,
        workspace: Workspace,
        config: ServeConfig,
        current: Current,
        metrics: Metrics,
        warm_up: WarmUp,
    ) -> None:
        """Start to watch CURRENT.

        Args:
            workspace: Its current bundle and index are served where `config` names none.
            config: Of the service; `poll` says how often to look.
            current: Holds what is served.
            metrics: Count the swaps.
            warm_up: Asks a servable before it is served; returns the stages that failed.
        """
        self._workspace, self._config, self._current = workspace, config, current
        self._metrics, self._warm_up = metrics, warm_up
        self._swapping = threading.Lock()
        self._wake, self._closed = threading.Event(), False
        self._failed: tuple[tuple[Path, Path], float] | None = None
        self._thread = threading.Thread(target=self._watch, name="swap", daemon=True)
        self._thread.start()

    def swap(self, bundle: Path | None = None, index: Path | None = None) -> Servable:
        """Serve another bundle, another index or the current ones loaded anew; what the feed brought is carried over.

        Args:
            bundle: Folder that is served from now on, whatever CURRENT says; None: as before.
            index: As `bundle`.

        Raises:
            NotReady: A stage fails with it that does not fail now; and what `load_servable` raises. What was served
                before is then still served.
        """
        with self._swapping:
            config = self._config.model_copy(
                update={"bundle": bundle or self._config.bundle, "index": index or self._config.index}
            )
            served = self._exchanged(config, lambda: None)
            self._config = config
            return served

    def exchange(self, bundle: Path, index: Path, then: Callable[[], None]) -> Servable:
        """Serve a bundle and an index which CURRENT is made to name.

        Args:
            bundle: Folder.
            index: Folder.
            then: Makes CURRENT name them, once they are warm; where it raises, what was served stays.

        Raises:
            SwapInProgress: Another swap is being made.
            NotReady: As `swap`; and what `load_servable` and `then` raise.
        """
        if not self._swapping.acquire(blocking=False):
            raise SwapInProgress("another swap is being made", cure="try again when it is done")
        try:
            return self._exchanged(self._config.model_copy(update={"bundle": bundle, "index": index}), then)
        finally:
            self._swapping.release()

    def _exchanged(self, config: ServeConfig, then: Callable[[], None]) -> Servable:
        former = self._current.servable
        new = load_servable(self._workspace, config, former)
        try:
            # Most is carried over here, before events and changes have to wait for the rest.
            now = self._current.servable
            new = carry_over(now, new)
            carried_events = carry_activity(now.index, new.index)
            check_stages(self._warm_up, former, new)
            then()
            served = self._current.change(lambda now: _take_over(now, new, carried_events))
        except BaseException:
            if new.members is not former.members:
                new.members.close()
            raise
        self._metrics.swaps.labels("done").inc()
        self._metrics.serves(*served.served)
        tell_freshness(self._metrics, self._workspace, served.folders[1])
        log.info("swapped", bundle=served.manifest.version, index=served.index.version)
        return served

    def look(self) -> None:
        """Look at CURRENT now, whatever failed before."""
        self._failed = None
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._closed:
            self._wake.wait(self._config.poll or None)
            self._wake.clear()
            if not self._closed:
                self._swap_where_needed()
                tell_freshness(self._metrics, self._workspace, self._current.servable.folders[1])

    def _is_behind(self) -> bool:
        served = self._current.servable
        return self._config.folders(self._workspace) != served.folders or _has_many_dead_rows(served)

    def _swap_where_needed(self) -> None:
        folders: tuple[Path, Path] | None = None
        try:
            folders = self._config.folders(self._workspace)
            waits = self._failed is not None and self._failed[0] == folders and time.monotonic() < self._failed[1]
            if not waits and self._is_behind():
                with self._swapping:
                    if self._is_behind():  # else somebody asked for the swap meanwhile
                        self._exchanged(self._config, lambda: None)
                self._failed = None
        except Exception as error:  # whatever a file or a library raises; what is served goes on
            log.error("swap_failed", error=describe(error))
            self._metrics.swaps.labels("failed").inc()
            self._failed = (folders, time.monotonic() + RETRY_SECONDS) if folders else None


def check_stages(warm_up: WarmUp, former: Servable, new: Servable) -> None:
    """Warm a servable up. Raises NotReady where a stage fails with it that does not fail with `former`."""
    failing = warm_up(new)
    if failing and (worse := failing - warm_up(former)):
        raise NotReady(
            f"{', '.join(sorted(worse))} fails with bundle {new.manifest.version} and index {new.index.version}",
            where=str(new.folders[1]),
            cure="see the log for why, and make them anew",
        )


def carry_over(old: Servable, new: Servable) -> Servable:
    """`new` with what the feed brought `old`, encoded again where the models differ."""
    encode = None if old.encoded_by == new.encoded_by else lambda jobs: encode_jobs(new, jobs)
    return replace(new, index=carry_changes(old.index, new.index, encode))


def _take_over(now: Servable, new: Servable, carried_events: int) -> Servable:
    """`new` with what came while it was loaded, of which it has so many events; nothing else changes meanwhile."""
    taken = carry_over(now, new)
    carry_activity(now.index, taken.index, carried_events)
    return taken


def _has_many_dead_rows(served: Servable) -> bool:
    jobs = served.index.jobs
    return jobs.ended_since_build > max(MAX_DEAD_ROWS, (len(jobs) - jobs.built) // 2)
