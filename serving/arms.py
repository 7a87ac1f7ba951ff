"""Arms of a trial that have a bundle and an index of their own, loaded beside what is served.

Each is checked and warmed as a swap is, at the start, and a start that cannot load one fails. It then follows what is
served: changes of the feed and counted events reach its index within `FOLLOW_SECONDS`, so that it does not lose by
being stale. When what is served is swapped, an arm keeps its versions and is loaded anew, to count from the new one on;
where that fails it goes on as it is, without changes and counts, says so (`told`), and is tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.workspace import Workspace
from retrieval.index.updates import carry_activity
from serving.config import ServeConfig
from serving.current import Current
from serving.logger import log
from serving.metrics import Metrics
from serving.servable import Servable, load_servable
from serving.stages import describe
from serving.surfaces.surface import Surface
from serving.swap import RETRY_SECONDS, WarmUp, carry_over, check_stages
from serving.trials.config import Arm

FOLLOW_SECONDS = 1.0
NO_FOLDERS = Path(), Path()


@dataclass
class _Loaded:
    """The servable of some arms: of one bundle and index.

    Attributes:
        arms: Names.
        current: Holds it.
        followed: What was served when it was loaded, by `JobIndex.lineage`.
        events: Counted events of that which it has.
        problem: Why it does not follow; empty where it does.
        wait: By `time.monotonic`, until which it is not tried again.
    """

    arms: tuple[Arm, ...]
    current: Current
    followed: object
    events: int
    problem: str = ""
    wait: float = 0.0


class Arms:
    """The servables of arms. `close` lets them go."""

    def __init__(
        self,
        workspace: Workspace,
        config: ServeConfig,
        served: Current,
        surfaces: Mapping[str, Surface],
        warm_up: WarmUp,
        metrics: Metrics,
    ) -> None:
        """Load those that `config.trials.arms` names; where there are none, nothing runs.

        Args:
            workspace: Whose members and encoder they read.
            config: Of the service.
            served: What they follow.
            surfaces: On all of which their objectives have to be allowed.
            warm_up: Asks a servable before it is served; returns the stages that failed.
            metrics: Count what was loaded.

        Raises:
            NotReady: A stage fails with one that does not fail with what is served; and what `load_servable` raises.
            BadInput: An arm's objective lies outside its bundle's bounds.
        """
        self._workspace, self._config, self._served = workspace, config, served
        self._surfaces, self._warm_up, self._metrics = surfaces, warm_up, metrics
        self._loaded: list[_Loaded] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="arms", daemon=True)
        try:
            for folders in config.trials.folders:
                arms = tuple(arm for arm in config.trials.arms if arm.folders == folders)
                self._loaded.append(self._first(arms, folders))
        except BaseException:
            self.close()
            raise
        if self._loaded:
            self._thread.start()

    @contextmanager
    def use(self, arm: Arm | None) -> Iterator[Servable]:
        """The servable of an arm, of those without one of their own what is served."""
        own = next((loaded.current for loaded in self._loaded if arm in loaded.arms), self._served)
        with own.use() as servable:
            yield servable

    @contextmanager
    def of_bundle(self, version: str) -> Iterator[Servable | None]:
        """The servable of a bundle's version, what is served first; None where none has it."""
        for current in (self._served, *(loaded.current for loaded in self._loaded)):
            with current.use() as servable:
                if servable.manifest.version == version:
                    yield servable
                    return
        yield None

    def hold(self, job_id: str) -> bool:
        """Whether the index of an arm has a job, or had it until it was deleted."""
        return any(loaded.current.servable.index.rows([job_id], ended=True)[0] >= 0 for loaded in self._loaded)

    @property
    def told(self) -> dict[str, str]:
        """Arm -> the versions of its bundle and index, and why it does not follow where that is so."""
        found = {}
        for loaded in self._loaded:
            bundle, index, _ = loaded.current.servable.served
            for arm in loaded.arms:
                found[arm.name] = f"{bundle}/{index}" + (f" (stale: {loaded.problem})" if loaded.problem else "")
        return found

    def close(self) -> None:
        """End following, and close the connections."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for loaded in self._loaded:
            loaded.current.close()

    def _first(self, arms: tuple[Arm, ...], folders: tuple[Path, Path]) -> _Loaded:
        with self._served.use() as served:
            servable, events = self._load(served, arms, folders)
            return _Loaded(arms, Current(servable), served.index.lineage, events)

    def _load(self, served: Servable, arms: tuple[Arm, ...], folders: tuple[Path, Path]) -> tuple[Servable, int]:
        """A servable that has what is served has of changes and events; and how many events these are."""
        named = self._config.model_copy(update={"bundle": folders[0], "index": folders[1]})
        # The encoder and the caches are shared; connections are not, which a swap of what is served would close.
        servable = load_servable(self._workspace, named, replace(served, folders=NO_FOLDERS))
        try:
            for arm in arms:
                arm.check(servable.manifest, self._surfaces)
            servable = carry_over(served, servable)
            events = carry_activity(served.index, servable.index)
            check_stages(self._warm_up, served, servable)
        except BaseException:
            servable.members.close()
            raise
        self._metrics.trials.labels("arm", "loaded").inc()
        log.info("arm_loaded", bundle=servable.manifest.version, index=servable.index.version)
        return servable, events

    def _follow(self) -> None:
        while not self._stop.wait(FOLLOW_SECONDS):
            for loaded in self._loaded:
                if time.monotonic() < loaded.wait:
                    continue
                try:
                    self._bring_up(loaded)
                    loaded.problem = ""
                except Exception as error:  # whatever a file, a model or a library raises: the arm goes on as it is
                    loaded.problem, loaded.wait = describe(error), time.monotonic() + RETRY_SECONDS
                    self._metrics.trials.labels("arm", "failed").inc()
                    log.error("arm_stale", arms=[arm.name for arm in loaded.arms], error=loaded.problem)

    def _bring_up(self, loaded: _Loaded) -> None:
        """Bring what is served has of changes and events to an arm; load it anew where another build is served."""
        with self._served.use() as served:
            if served.index.lineage is not loaded.followed:
                folders = loaded.current.servable.folders
                servable, events = self._load(served, loaded.arms, folders)
                loaded.current.change(lambda _: servable)
                loaded.followed, loaded.events = served.index.lineage, events
                return
            loaded.current.change(lambda now: carry_over(served, now))
            loaded.events = carry_activity(served.index, loaded.current.servable.index, loaded.events)
