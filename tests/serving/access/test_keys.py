"""Keys: what the file holds, what a key opens, and until when."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from serving.access.keys import KeyRing, limit_key, new_key, read_keys, revoke_key
from serving.access.tokens import BadToken, member_of, member_token, new_secret, read_secret
from tests.make import refused

SECRET = "s" * 32


def test_the_file_holds_no_key_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _, secret = new_key(path, "site", ["serve"])
    assert secret not in path.read_text() and secret.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_opens_and_a_changed_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, secret = new_key(path, "site", ["serve", "events"])
    ring = KeyRing(path)
    assert ring.find(secret) == key
    for other in (secret[:-1], secret + "x", f"rk_{key.id}_", f"rk_00000000_{secret[12:]}", secret[3:], "", "é" * 9):
        assert ring.find(other) is None, other


def test_a_ring_takes_new_keys_and_refuses_revoked_ones_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first, first_secret = new_key(path, "first", ["serve"])
    ring = KeyRing(path)
    _, second_secret = new_key(path, "second", ["serve"])
    assert ring.find(second_secret) is not None
    revoke_key(path, first.name)
    assert ring.find(first_secret) is None and ring.find(second_secret) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes another user's file")
def test_a_file_of_another_user_stays_that_users_when_root_changes_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    new_key(path, "first", ["serve"])
    os.chown(path, 10_001, 10_001)
    new_key(path, "second", ["serve"])
    revoke_key(path, "first")
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (10_001, 10_001, 0o600)


def test_a_key_is_held_to_another_rate_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, secret = new_key(path, "site", ["serve"])
    other, _ = new_key(path, "other", ["serve"])
    ring = KeyRing(path)
    assert limit_key(path, "site", 2.5).per_second == 2.5
    assert ring.find(secret) == key.model_copy(update={"per_second": 2.5})
    assert limit_key(path, key.id, 0) == key
    assert read_keys(path).keys == (key, other)
    with refused(BadInput, "nobody"):
        limit_key(path, "nobody", 1.0)


def test_a_broken_or_absent_file_locks_nobody_out_of_a_running_service(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _, secret = new_key(path, "site", ["serve"])
    ring = KeyRing(path)
    path.write_text("{")
    assert ring.find(secret) is not None
    path.unlink()
    assert ring.find(secret) is not None
    with refused(NotReady, path):
        KeyRing(path)


def test_an_expired_key_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, secret = new_key(path, "site", ["serve"], days=1)
    ended = key.model_copy(update={"expires": datetime.now(UTC) - timedelta(seconds=1)})
    path.write_text(read_keys(path).model_copy(update={"keys": (ended,)}).model_dump_json())
    assert KeyRing(path).find(secret) is None


def test_what_is_no_scope_no_name_and_no_file_of_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with refused(BadInput, "everything"):
        new_key(path, "site", ["everything"])  # type: ignore[list-item]
    new_key(path, "site", ["serve"])
    with refused(BadInput, "site"):
        new_key(path, "site", ["serve"])
    with refused(BadInput, "nobody"):
        revoke_key(path, "nobody")
    path.write_text('{"keys": [{"sha256": "secret words"}]}')
    with pytest.raises(BadInput) as caught:
        read_keys(path)
    assert "secret words" not in str(caught.value)


def test_a_token_names_its_member_until_it_ends() -> None:
    assert member_of(SECRET, member_token(SECRET, "m1", 5)) == "m1"
    with pytest.raises(BadToken):
        member_of(SECRET, member_token(SECRET, "m1", 5, datetime.now(UTC) - timedelta(minutes=6)))


def test_a_token_of_another_secret_algorithm_audience_or_of_years_is_refused() -> None:
    import jwt

    ends = datetime.now(UTC) + timedelta(minutes=5)
    content = {"aud": "rolecall", "sub": "m1", "exp": ends}
    for token in (
        member_token("t" * 32, "m1", 5),
        jwt.encode(content, None, algorithm="none"),
        jwt.encode(content, SECRET * 2, algorithm="HS512"),
        jwt.encode(content | {"aud": "other"}, SECRET, algorithm="HS256"),
        jwt.encode({"aud": "rolecall", "sub": "m1"}, SECRET, algorithm="HS256"),
        jwt.encode(content | {"sub": ""}, SECRET, algorithm="HS256"),
        jwt.encode(content | {"exp": ends + timedelta(days=365)}, SECRET, algorithm="HS256"),
        "",
        "a.b.c",
    ):
        with pytest.raises(BadToken):
            member_of(SECRET, token)


def test_a_secret_is_made_once_long_and_readable_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    new_secret(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and len(read_secret(path)) >= 32
    with refused(BadInput, path):
        new_secret(path)
    path.write_text("short")
    with refused(BadInput, where=path):
        read_secret(path)
