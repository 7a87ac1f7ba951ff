"""The knobs of trials, `serve.trials`, and who is in which."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.bundle import Manifest
from contracts.documents import wrong
from contracts.errors import BadInput
from contracts.values import FrozenModel
from ranking.explore import MOST_DRAWN
from ranking.objective import Wish
from serving.limits import MAX_K

if TYPE_CHECKING:
    from serving.surfaces.surface import Surface

Share = Annotated[float, Field(ge=0, le=1)]


class Explore(FrozenModel):
    """Lists drawn by Plackett-Luce (`ranking.explore`), so that a log can be learned from honestly."""

    share: Share = Field(0.0, description="Of members or requests whose lists are drawn; 0: none.")
    by: Literal["member", "request"] = Field(
        "member", description="What is drawn for: a member always or never, or each request anew."
    )
    temperature: float = Field(
        1.0, ge=0.05, le=100, description="By which scores are divided; the higher, the more is left to chance."
    )
    first: int = Field(
        1, ge=1, le=MAX_K, description=f"The first place that is drawn, of {MOST_DRAWN} at most; others stay."
    )
    pool: int = Field(
        100, ge=2, le=MAX_K, description="The first jobs of the list, among which is drawn; an answer's own at least."
    )


class Arm(FrozenModel):
    """One arm of a trial: what it changes of what is served."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")] = Field(description="In answer and log.")
    share: Share = Field(description="Of members who are in it.")
    objective: Wish = Field(Wish(), description="Weight of the policy and floor, within the bundle's bounds.")
    explore: Explore | None = Field(None, description="In place of the one for all.")
    bundle: Path | None = Field(None, description="Folder of its own bundle, loaded beside; none: what is served.")
    index: Path | None = Field(None, description="Folder of an index that was built with that bundle.")

    @model_validator(mode="after")
    def _names_both(self) -> Self:
        if (self.bundle is None) != (self.index is None):
            raise wrong(
                f"arm {self.name} has a bundle or an index alone", "give both: an index is built with its bundle"
            )
        return self

    @property
    def folders(self) -> tuple[Path, Path] | None:
        """Of its own bundle and index; None where it is served from what is served."""
        return (self.bundle, self.index) if self.bundle and self.index else None

    def check(self, manifest: Manifest, surfaces: Mapping[str, Surface]) -> None:
        """Raise BadInput where its objective is one that a bundle does not allow on some surface."""
        for surface in surfaces.values():
            try:
                surface.objective_of(manifest, self.objective)
            except BadInput as error:
                where = f"serve.trials.arms.{self.name}"
                raise BadInput(f"{surface.name}: {error.what}", where=where, cure=error.cure) from error


class Shadow(FrozenModel):
    """A candidate that is asked what is served, beside; nobody is shown its answers."""

    bundle: Path | None = Field(None, description="Folder of the candidate bundle; none: no shadow.")
    index: Path | None = Field(None, description="Folder of an index that was built with it.")
    share: Share = Field(0.1, description="Of requests that it is asked.")
    waiting: int = Field(20, ge=1, le=1_000, description="Requests that may wait for it; further ones are dropped.")


class TrialsConfig(FrozenModel):
    """Trials on what is served."""

    salt: str = Field("rolecall", description="Another one draws other members into arms and explored lists.")
    arms: tuple[Arm, ...] = Field((), description="Members in none are served as before.")
    beside: int = Field(
        1, ge=0, le=4, description="Bundles with their indexes that arms may have loaded beside, in each process."
    )
    explore: Explore = Field(Explore(), description="For all who are in no arm with its own.")
    shadow: Shadow = Field(Shadow(), description="A candidate that is asked beside.")
    log_bytes: int = Field(256_000_000, ge=0, description="Of the log of trials a day; what is over is dropped.")
    keep_days: int = Field(90, ge=1, description="Days after which a file of the log of trials is thrown away.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise wrong(f"two arms of one name in {', '.join(names)}", "give each a name of its own")
        total = sum(arm.share for arm in self.arms)
        if total > 1 + 1e-9:
            raise wrong(f"the arms' shares add up to {total:g}", "at most 1")
        if len(self.folders) > self.beside:
            problem = f"the arms name {len(self.folders)} bundles and indexes of their own, beside is {self.beside}"
            raise wrong(problem, "name fewer, or raise trials.beside where there is memory for them")
        if (self.shadow.bundle is None) != (self.shadow.index is None):
            raise wrong("a shadow with a bundle or an index alone", "give both: an index is built with its bundle")
        return self

    def arm_of(self, member_id: str, request_id: str) -> Arm | None:
        """The arm of a member, of whom it is always the same; of somebody unknown that of the request."""
        at = drawn(self.salt, "arm", member_id or request_id)
        for arm in self.arms:
            if at < arm.share:
                return arm
            at -= arm.share
        return None

    def explore_of(self, arm: Arm | None, member_id: str, request_id: str) -> Explore | None:
        """How a list is drawn; None where it is not."""
        explore = arm.explore if arm and arm.explore else self.explore
        unit = member_id if explore.by == "member" and member_id else request_id
        return explore if drawn(self.salt, "explore", unit) < explore.share else None

    @property
    def folders(self) -> tuple[tuple[Path, Path], ...]:
        """The bundles and indexes that arms have of their own, each once."""
        return tuple(dict.fromkeys(arm.folders for arm in self.arms if arm.folders))

    def check(self, manifest: Manifest, surfaces: Mapping[str, Surface]) -> None:
        """Raise BadInput where an arm without a bundle of its own asks for what a bundle does not allow."""
        for arm in self.arms:
            if arm.folders is None:
                arm.check(manifest, surfaces)


def drawn(salt: str, purpose: str, unit: str) -> float:
    """A number in [0, 1) that is the same for a unit whenever and wherever it is asked for, uniform over units."""
    digest = hashlib.sha256(f"{salt}\0{purpose}\0{unit}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
