"""A caller: the key that it came with, the member that it may ask as, and what follows from both."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar, cast

from contracts.errors import RolecallError
from serving.access.keys import Key, Scope
from serving.schemas import JobsRequest, NextRequest

J = TypeVar("J", bound=JobsRequest | NextRequest)

MAX_REMEMBERED = 20_000
"""Answers whose asker is remembered; the service explains fewer (`serving.slates`)."""


class Forbidden(RolecallError):
    """The caller is known and may not do this."""

    reason, http_status = "forbidden", 403


class NotTheirAnswer(RolecallError):
    """The answer is another caller's; said as if there were none."""

    reason, http_status = "unknown_answer", 404


class Askers:
    """Who asked for each of the last answers. Safe to share between threads."""

    def __init__(self) -> None:
        self._askers: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, request_id: str, key_id: str, member_id: str) -> None:
        with self._lock:
            self._askers[request_id] = key_id, member_id
            if len(self._askers) > MAX_REMEMBERED:
                self._askers.popitem(last=False)

    def of(self, request_id: str) -> tuple[str, str] | None:
        """Key's id and member's id of an answer."""
        with self._lock:
            return self._askers.get(request_id)

    def forget(self, member_id: str) -> None:
        """Forget the answers of a member."""
        with self._lock:
            for request_id in [id_ for id_, (_, member) in self._askers.items() if member == member_id]:
                del self._askers[request_id]


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        key: None where the service has no keys, and everybody may do everything.
        member_id: Of the member's token; None without one.
        askers: Where its answers are noted.
    """

    key: Key | None = None
    member_id: str | None = None
    askers: Askers = field(default_factory=Askers)

    @property
    def only_member(self) -> str | None:
        """The one member that it may ask and post for, "" for those without an id; None: any."""
        if self.member_id is None and self.key is not None and self.key.by_token:
            return ""
        return self.member_id

    def asks(self, message: J) -> J:
        """The request as the caller may make it: of a token's member where it names none. Raises Forbidden."""
        only = self.only_member
        if only is None or message.member_id == only:
            return message
        if message.member_id:
            cure = "send that member's own token in X-Member-Token"
            raise Forbidden("the request is for another member than its token", where="member_id", cure=cure)
        return cast(J, message.model_copy(update={"member_id": only}))

    def require_scope(self, scope: Scope) -> None:
        """Raise Forbidden unless the caller's key has a scope."""
        if self.key is not None and scope not in self.key.scopes:
            raise Forbidden(f"the key lacks the scope {scope}", where="key", cure="ask with a key that has it")

    def got(self, request_id: str, member_id: str) -> None:
        """Note an answer as this caller's. Raises Forbidden for one that it may not have."""
        if member_id and self.only_member not in (None, member_id):
            raise Forbidden("the answer is another member's than the token's", where="member_id", cure="ask for yours")
        if self.key is not None or self.member_id is not None:
            self.askers.add(request_id, self.key.id if self.key else "", member_id)

    def require_own(self, request_id: str) -> None:
        """Raise NotTheirAnswer unless the answer was this caller's, or the caller is an administrator."""
        if (self.key is None and self.member_id is None) or (self.key is not None and "admin" in self.key.scopes):
            return
        asker = self.askers.of(request_id)
        own = asker is not None and asker[0] == (self.key.id if self.key else "")
        if not own or (self.only_member is not None and asker is not None and asker[1] != self.only_member):
            raise NotTheirAnswer(
                "no such recent answer of yours", cure="ask soon, with the key and token of the answer"
            )
