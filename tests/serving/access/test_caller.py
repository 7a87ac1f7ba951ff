"""What a caller may have, by its key and its member's token."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serving.access.caller import Caller, Forbidden, NotTheirAnswer
from serving.access.keys import Key, Scope
from serving.schemas import RecommendRequest


def _key(name: str, *scopes: Scope, by_token: bool = False) -> Key:
    return Key(
        id=name, name=name, scopes=scopes, sha256="", created=datetime(2026, 1, 1, tzinfo=UTC), by_token=by_token
    )


def test_without_keys_everybody_has_everything() -> None:
    caller = Caller()
    caller.got("r1", "m1")
    caller.require_own("r1")
    assert caller.only_member is None and caller.asks(RecommendRequest(member_id="m1")).member_id == "m1"


def test_an_answer_of_another_member_is_refused_whatever_the_route_asked() -> None:
    caller = Caller(_key("app", "serve", by_token=True), "m1")
    caller.got("r1", "m1")
    caller.got("r2", "")  # of somebody who is not signed in, as an erased member is
    with pytest.raises(Forbidden):
        caller.got("r3", "m2")
    with pytest.raises(Forbidden):
        Caller(_key("app", "serve", by_token=True)).got("r4", "m1")


def test_an_answer_is_its_askers_and_an_administrators() -> None:
    site = Caller(_key("site", "serve"))
    site.got("r1", "m1")
    site.require_own("r1")
    Caller(_key("boss", "admin"), askers=site.askers).require_own("r1")
    for other in (Caller(_key("other", "serve"), askers=site.askers), Caller(site.key, "m2", site.askers)):
        with pytest.raises(NotTheirAnswer):
            other.require_own("r1")
    site.askers.forget("m1")
    with pytest.raises(NotTheirAnswer):
        site.require_own("r1")
