"""Another bundle or index in place of the one that is served: loaded beside it, checked, warmed, then swapped in.

As model servers do it, a thread looks every few seconds at what the workspace's CURRENT files name. What cannot be
loaded is said and tried again; what is served stays. An index that has many rows of jobs that were replaced or deleted
is loaded again, without them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contracts.errors import NotReady, RolecallError
from contracts.workspace import Workspace
from retrieval.index.updates import carried, carry_activity
from serving.current import Current
from serving.lines import log
from serving.load import Loaded, load
from serving.metrics import Metrics
from serving.stages import places
from serving.updates import encoded

RETRY_SECONDS = 30.0
"""Until what could not be loaded is tried again, unless CURRENT names something else before."""
ENDED_ROWS = 10_000
"""That came and were replaced or deleted: above this an index is loaded again, if they are more than half of all that
came."""


class Swapper:
    """Swaps what is served. bundle, index: folders that stay; None: the workspace's current one."""

    def __init__(
        self,
        workspace: Workspace,
        current: Current,
        metrics: Metrics,
        warm_up: Callable[[Loaded], set[str]],
        *,
        bundle: Path | None,
        index: Path | None,
        threads: int | None,
        device: str | None,
        poll: float,
    ) -> None:
        """warm_up: asks what is loaded before it is served, and gives the stages that failed in it; poll: seconds
        between two looks, 0: only when it is told to (`look`).
        """
        self._workspace, self._current, self._metrics, self._warm_up = workspace, current, metrics, warm_up
        self._bundle, self._index, self._poll = bundle, index, poll
        self._threads, self._device = threads, device
        self._turn = threading.Lock()
        self._look, self._closed = threading.Event(), False
        self._failed: tuple[tuple[Path, Path], float] | None = None
        self._thread = threading.Thread(target=self._watch, name="swap", daemon=True)
        self._thread.start()

    def swap(self, bundle: Path | None = None, index: Path | None = None) -> Loaded:
        """Serve another bundle, another index or the current ones loaded anew; what the feed told is carried over.

        bundle, index: folders, which then stay. Raises as `load`, and NotReady where a stage fails with what was
        loaded; what was served before is then still served.
        """
        with self._turn:
            former = self._current.loaded
            pinned = bundle or self._bundle, index or self._index
            encodes = former.items is not None
            loaded = load(self._workspace, *pinned, self._threads, encodes=encodes, former=former, device=self._device)
            try:
                # All but what comes meanwhile is carried before events and changes have to wait for it.
                now = self._current.loaded
                loaded = _carried(now, loaded)
                known = carry_activity(now.index, loaded.index)
                self._check(former, loaded)
                served = self._current.change(lambda now: _take_over(now, loaded, known))
            except BaseException:
                if loaded.members is not former.members:
                    loaded.members.close()
                raise
            self._bundle, self._index = pinned
            self._metrics.swaps.labels("done").inc()
            self._metrics.serves(*served.served)
            log.info("swapped", bundle=served.manifest.version, index=served.index.version)
            return served

    def look(self) -> None:
        """Look at CURRENT now, whatever failed before."""
        self._failed = None
        self._look.set()

    def close(self) -> None:
        self._closed = True
        self._look.set()
        if self._thread.is_alive():
            self._thread.join()

    def _check(self, former: Loaded, new: Loaded) -> None:
        """Raises NotReady where a stage fails with `new` that does not fail with what is served."""
        failing = self._warm_up(new)
        if failing and (worse := failing - self._warm_up(former)):
            raise NotReady(
                f"{', '.join(sorted(worse))} fails with bundle {new.manifest.version} and index {new.index.version}",
                where=str(new.folders[1]),
                cure="see the log for why, and make them anew",
            )

    def _watch(self) -> None:
        while not self._closed:
            self._look.wait(self._poll or None)
            self._look.clear()
            if not self._closed:
                self._swap_where_needed()

    def _swap_where_needed(self) -> None:
        wanted: tuple[Path, Path] | None = None
        try:
            wanted = self._bundle or self._workspace.bundle, self._index or self._workspace.index
            served = self._current.loaded
            tried = self._failed is not None and self._failed[0] == wanted and time.monotonic() < self._failed[1]
            if not tried and (wanted != served.folders or _is_worn(served)):
                self.swap()
                self._failed = None
        except Exception as error:  # whatever a file or a library raises; what is served goes on
            told = str(error) if isinstance(error, RolecallError) else f"{type(error).__name__} at {places(error)[-1]}"
            log.error("swap_failed", error=told)
            self._metrics.swaps.labels("failed").inc()
            self._failed = (wanted, time.monotonic() + RETRY_SECONDS) if wanted else None


def _carried(old: Loaded, new: Loaded) -> Loaded:
    """`new` with what the feed told `old`, encoded again where the models differ."""
    anew = None if old.models == new.models else lambda jobs: encoded(new, jobs)
    return replace(new, index=carried(old.index, new.index, anew))


def _take_over(now: Loaded, new: Loaded, known: int) -> Loaded:
    """`new` with what came while it was loaded. Runs while nobody else changes what is served.

    known: of the events as many as are in it already.
    """
    taken = _carried(now, new)
    carry_activity(now.index, taken.index, known)
    return taken


def _is_worn(served: Loaded) -> bool:
    jobs = served.index.jobs
    return jobs.worn > max(ENDED_ROWS, (len(jobs) - jobs.built) // 2)
