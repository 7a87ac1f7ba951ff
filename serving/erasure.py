"""Members erased while the service answers: at once from what a process holds of them, later from the tables.

A request in the name of an erased member is answered as one of somebody who is not signed in, and events of theirs are
refused: loading the online store again from tables that still hold them brings nobody back into answers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import Field

from contracts.erased import ErasedMembers, note_erased, note_waiting
from contracts.errors import NotWritten
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from serving.counts import Counts
from serving.logger import log
from serving.metrics import Metrics
from serving.schemas import JobsRequest
from serving.servable import Servable
from serving.slates import RecentSlates

J = TypeVar("J", bound=JobsRequest)
WAITS = (
    "records, features, quarantine, logs, trials, drift, examples, training, grades, scores, golden: rows and lines of "
    "the member, of their requests, and hashes of their id; until `rolecall erase --pending` has run"
)
STAYS = (
    "bundles, teachers, student, encoder: models, which hold no row; until they are trained again",
    "indexes, reports: sums over many members; until they are built again",
    "other processes on this workspace: answers that they remember and give out no more; until as many newer ones came",
    "a candidate or another bundle that is loaded beside: vectors of texts without a name; until newer ones came",
    "services with a workspace of their own: all but the online store, where it is shared; until it is asked for there",
)
REFUSED = (
    "requests: those in their name are answered as of somebody who is not signed in",
    "events: theirs are refused",
    "candidates: no answer holds them",
)
FORGOTTEN = ("recent answers", "impressions", "counts of the day", "cached texts")


class Remains(FrozenModel):
    """What of an erased member is not gone yet."""

    what: str
    until: datetime | None = Field(None, description="When it has to be gone; null: `what` says by which event.")


class EraseReply(FrozenModel):
    """What became of a member."""

    erased: tuple[str, ...] = Field(
        description="What holds nothing of the member any more: of the process that answered, and the online store."
    )
    refused: tuple[str, ...] = Field(description="What every process on this workspace does from now on.")
    remains: tuple[Remains, ...]
    degraded: tuple[str, ...] = Field((), description='"features" where the online store could not be asked.')


class Erasure:
    """Who was erased. Safe to share between threads; of a member erased by another process it learns from the file."""

    def __init__(
        self, workspace: Workspace, slates: RecentSlates, counts: Counts, metrics: Metrics, within_days: int
    ) -> None:
        """Read who was erased.

        Args:
            workspace: Holds the note.
            slates: Answers that are remembered.
            counts: What members did and were shown, as it is remembered.
            metrics: Count who is erased.
            within_days: Days within which the tables have to be rewritten.

        Raises:
            BadInput: The note is broken.
        """
        self._workspace, self._slates, self._counts, self._metrics = workspace, slates, counts, metrics
        self._within = timedelta(days=within_days)
        self._erased = ErasedMembers(workspace)

    def __contains__(self, member_id: object) -> bool:
        return member_id in self._erased

    def asked(self, message: J) -> J:
        """The request, without the id of a member who was erased."""
        return message.model_copy(update={"member_id": ""}) if message.member_id in self else message

    def erase(self, servable: Servable, member_id: str, now: datetime | None = None) -> EraseReply:
        """Erase a member from all that answers read; a member whom nobody knows is noted too.

        Raises:
            NotWritten: The note cannot be written, as on a full disk: nothing was done.
        """
        now = now or datetime.now(UTC)
        until = now + self._within
        try:
            note_waiting(self._workspace, [member_id], until)
            note_erased(self._workspace, [member_id], now)
        except OSError as error:
            what = f"who is erased cannot be noted: {error.strerror}; nothing was done"
            raise NotWritten(what, cure="make room, and ask again") from error
        self._slates.forget(member_id)
        self._counts.forget(member_id)
        servable.caches.clear()  # what is kept of texts does not say whose they are
        try:
            servable.members.erase(member_id)
        except Exception as error:  # whatever a store raises: no answer reads it any more, and it is erased again later
            self._metrics.degraded.labels("features", type(error).__name__).inc()
            log.warning("degraded", stage="features", cause=type(error).__name__)
            degraded = True
        else:
            degraded = False
        self._metrics.erased.inc()
        waits = f"online store: it did not answer; {WAITS}" if degraded else WAITS
        return EraseReply(
            erased=(*FORGOTTEN, *(() if degraded else ("online store",))),
            refused=REFUSED,
            remains=(Remains(what=waits, until=until), *(Remains(what=what) for what in STAYS)),
            degraded=("features",) if degraded else (),
        )
