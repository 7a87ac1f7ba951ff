"""Tokens of members: a backend signs for how long a browser or an app may ask as one member.

JSON Web Tokens (RFC 7519) with HMAC-SHA-256 alone, so that any backend can make them with a library of its own:
`{"aud": "rolecall", "sub": MEMBER, "exp": SECONDS}`.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from contracts.errors import BadInput, NotReady, RolecallError

AUDIENCE = "rolecall"
MAX_HOURS = 24
_LEEWAY = timedelta(hours=1)
MIN_BYTES = 32


class BadToken(RolecallError):
    """A member's token is of another secret, has expired or names no member; the message does not say which."""

    reason, http_status = "bad_member_token", 401


def new_secret(path: Path) -> None:
    """Write a new secret to a file that only its owner may read. Raises BadInput where there is a file already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise BadInput(f"{path} is there already", cure="with another secret all tokens end: move it away") from error
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(MIN_BYTES) + "\n")


def read_secret(path: Path) -> str:
    """The secret of a file. Raises NotReady for an absent file, BadInput for a secret of under 32 bytes."""
    try:
        secret = path.read_text("utf-8").strip()
    except FileNotFoundError as error:
        raise NotReady(f"no file {path}", cure="`rolecall keys member-secret` makes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {type(error).__name__}", where=str(path), cure="mind its mode") from error
    if len(secret.encode()) < MIN_BYTES:
        raise BadInput(f"under {MIN_BYTES} bytes", where=str(path), cure="`rolecall keys member-secret` makes one")
    return secret


def member_token(secret: str, member_id: str, minutes: float, now: datetime | None = None) -> str:
    """A token by which its holder asks as one member. Raises BadInput for no member or over a day."""
    if not member_id or not 0 < minutes <= MAX_HOURS * 60:
        cure = f"a member's id, and at most {MAX_HOURS} hours"
        raise BadInput(f"member {member_id[:80]!r} for {minutes:g} minutes", cure=cure)
    ends = (now or datetime.now(UTC)) + timedelta(minutes=minutes)
    return jwt.encode({"aud": AUDIENCE, "sub": member_id, "exp": ends}, secret, algorithm="HS256")


def member_of(secret: str, token: str, now: datetime | None = None) -> str:
    """The member whose token it is.

    Raises:
        BadToken: The signature, the audience or the algorithm is another, it has expired, or holds longer than a day.
    """
    try:
        content = jwt.decode(
            token, secret, algorithms=["HS256"], audience=AUDIENCE, options={"require": ["exp", "sub", "aud"]}
        )
    except jwt.InvalidTokenError as error:
        raise BadToken("the member's token does not hold", cure="ask for a new one") from error
    longest = (now or datetime.now(UTC)) + timedelta(hours=MAX_HOURS) + _LEEWAY
    if not content["sub"] or content["exp"] > longest.timestamp():
        raise BadToken(f"a member's token holds for at most {MAX_HOURS} hours", cure="sign shorter ones")
    return str(content["sub"])
