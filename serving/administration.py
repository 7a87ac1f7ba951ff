"""Which versions could serve, and a swap to one of them or back, asked for while the service runs.

The candidate is loaded, checked and warmed beside what is served; only then does CURRENT name it, and this process
serves it at once. CURRENT is what all processes and replicas of a workspace follow, so that each swaps for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.errors import BadInput, NotReady, NotWritten, RolecallError
from contracts.records import Identifier
from contracts.values import FrozenModel
from contracts.versions import current, set_current
from contracts.workspace import Workspace
from retrieval.index.versions import Built, built_versions, earlier, make_current
from serving.config import ServeConfig
from serving.current import Current
from serving.logger import log
from serving.stages import describe
from serving.swap import SwapInProgress, Swapper


class UnknownVersion(BadInput):
    """No index or bundle of this version could serve."""

    reason, http_status = "unknown_version", 404


class CandidateRefused(RolecallError):
    """The candidate was not swapped in; what was served before still is."""

    reason, http_status = "candidate_refused", 409


class Pinned(RolecallError):
    """The service was told at its start what to serve, so that CURRENT moves nothing."""

    reason, http_status = "pinned", 409


class SwapRequest(FrozenModel):
    """What is to be served: an index and its bundle, or a bundle and the newest index that was built with it."""

    index: Identifier | None = Field(None, description="Version of an index.")
    bundle: Identifier | None = Field(
        None, description="Version of a bundle; with an index: the one it was built with."
    )

    @model_validator(mode="after")
    def _names_one(self) -> SwapRequest:
        if self.index is None and self.bundle is None:
            raise PydanticCustomError("no_version", "give the version of an index or of a bundle")
        return self


class RollbackRequest(FrozenModel):
    """Where to go back to."""

    to: Identifier | None = Field(None, description="Version of an index; null: the newest before the current one.")


class Versions(FrozenModel):
    """A bundle and an index that belong together."""

    bundle: str
    index: str


class SwapReply(FrozenModel):
    """What is served now."""

    served: Versions = Field(
        description="By the process that answers. The others of the service load it too, each in about as many seconds "
        "more; what each serves /metrics says (`rolecall_jobs`)."
    )
    former: Versions = Field(description="What was served before.")
    changed: bool = Field(description="False where it was served already.")
    jobs: int
    seconds: float = Field(description="That loading, checking and warming took.")


class Version(Versions):
    """One that could serve."""

    jobs: int
    made: datetime
    served: bool = Field(description="By the process that answers.")
    current: bool = Field(description="Named by CURRENT, which all processes follow.")


class VersionsReply(FrozenModel):
    """What is served, and what could be."""

    served: Versions
    current: Versions | None = Field(description="What CURRENT names; null where it names nothing whole.")
    arms: dict[str, str] = Field(description="Arm of a trial -> its own bundle and index, where it has them.")
    versions: tuple[Version, ...] = Field(description="The newest first.")


class Administration:
    """Swaps on request, one at a time."""

    def __init__(
        self,
        workspace: Workspace,
        config: ServeConfig,
        served: Current,
        swapper: Swapper,
        arms: Callable[[], dict[str, str]],
    ) -> None:
        self._workspace, self._served, self._swapper, self._arms = workspace, served, swapper, arms
        self._folders = workspace.bundles, workspace.indexes
        self._is_pinned = config.bundle is not None or config.index is not None

    def versions(self) -> VersionsReply:
        """What is served here, what CURRENT names, and what could serve."""
        served, named = self._now(), self._named()
        versions = tuple(
            Version(
                bundle=built.bundle,
                index=built.index,
                jobs=built.jobs,
                made=datetime.fromtimestamp(built.made, UTC),
                served=(built.bundle, built.index) == (served.bundle, served.index),
                current=named is not None and (built.bundle, built.index) == (named.bundle, named.index),
            )
            for built in built_versions(self._workspace)
            if built.bundle
        )
        return VersionsReply(served=served, current=named, arms=self._arms(), versions=versions)

    def swap(self, request: SwapRequest) -> SwapReply:
        """Serve another index and its bundle.

        Raises:
            UnknownVersion: None of this version could serve, or the index was built with another bundle.
            CandidateRefused: It does not fit, fails its canaries or a stage.
            Pinned: The service was told at its start what to serve.
            SwapInProgress: Another one is being made.
            NotWritten: CURRENT cannot be written; nothing changed.
        """
        for built in built_versions(self._workspace):
            if built.bundle and built.index == (request.index or built.index):
                if built.bundle == (request.bundle or built.bundle):
                    return self._swap(built)
                if request.index is not None:
                    problem = f"index {built.index} was built with bundle {built.bundle}"
                    raise UnknownVersion(problem, where="bundle", cure="leave out bundle, or name that one")
        what = f"index {request.index}" if request.index else f"bundle {request.bundle} with an index of its own"
        raise UnknownVersion(
            f"no {what} that could serve",
            where="index" if request.index else "bundle",
            cure="GET /v1/admin/versions lists those that could",
        )

    def roll_back(self, request: RollbackRequest) -> SwapReply:
        """Serve an earlier index and its bundle again. Raises what `swap` raises; UnknownVersion without one, too."""
        try:
            chosen = earlier(self._workspace, request.to or "")
        except (BadInput, NotReady) as error:
            cure = "GET /v1/admin/versions lists those that could"
            raise UnknownVersion(error.what, where="to", cure=cure) from error
        if not chosen.bundle:
            raise UnknownVersion(f"index {chosen.index} is for retrieval alone", where="to", cure="name another one")
        return self._swap(chosen)

    def _swap(self, chosen: Built) -> SwapReply:
        if self._is_pinned:
            problem = "this service was started with a bundle or an index of its own, whatever CURRENT says"
            raise Pinned(problem, cure="start it without --bundle and --index")
        started = time.perf_counter()
        former = self._now()
        wanted = Versions(bundle=chosen.bundle, index=chosen.index)
        folders = self._workspace.bundles / chosen.bundle, self._workspace.indexes / chosen.index
        changed = wanted != former
        if changed:
            self._exchange(chosen, folders)
        elif self._named() != wanted:
            make_current(self._workspace, chosen)
        return SwapReply(
            served=self._now(),
            former=former,
            changed=changed,
            jobs=self._served.servable.index.jobs.current,
            seconds=round(time.perf_counter() - started, 3),
        )

    def _exchange(self, chosen: Built, folders: tuple[Path, Path]) -> None:
        moved_from: list[tuple[Path, str]] = []

        def move() -> None:
            former = [(folder, path.name) for folder in self._folders if (path := current(folder))]
            make_current(self._workspace, chosen)
            moved_from.extend(former)

        try:
            self._swapper.exchange(*folders, then=move)
        except (SwapInProgress, NotWritten):
            raise
        except Exception as error:  # whatever a file or a library raises of a candidate; what is served goes on
            for folder, version in moved_from:
                now = current(folder)
                if now in folders and now != folder / version:  # else somebody else has moved it on meanwhile
                    set_current(folder, version)
            log.error("swap_refused", bundle=chosen.bundle, index=chosen.index, error=describe(error))
            raise CandidateRefused(
                f"bundle {chosen.bundle} with index {chosen.index}: {describe(error)}",
                cure="what was served before still is",
            ) from error

    def _now(self) -> Versions:
        bundle, index, _ = self._served.servable.served
        return Versions(bundle=bundle, index=index)

    def _named(self) -> Versions | None:
        bundle, index = map(current, self._folders)
        return Versions(bundle=bundle.name, index=index.name) if bundle and index else None
