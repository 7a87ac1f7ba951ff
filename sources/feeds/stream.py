"""A feed as a Redis stream. An entry has the fields op, id, of an upsert job (JSON), and time if not the entry's own.

    XADD job_changes * op upsert id j7 job '{"title": "Nurse", "location": "Austin, Texas"}'

Needs the package `redis`. The producer trims the stream and must keep every entry that a service has not read yet;
a service that falls further behind than that stops with `MissingChanges`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urldefrag, urlsplit

import orjson

from contracts.errors import BadInput, MissingChanges, NotReady
from sources.feeds.changes import BATCH, TABLE, RawChange
from sources.rows import RawRow, without_missing

SCHEMES = ("redis://", "rediss://", "unix://")
STREAM = "job_changes"
WAIT_MS = 1_000
_TIMEOUT_SECONDS = 10.0


class ChangeStream:
    """Reads one stream. Connects when it is first read, and again after a failure."""

    def __init__(self, address: str) -> None:
        """Prepare the connection; `read` opens it.

        Args:
            address: As for `open_feed`.

        Raises:
            BadInput: It is no address of a Redis server, or the package `redis` is not installed.
        """
        url, stream = urldefrag(address)
        try:
            import redis
        except ImportError as error:
            raise BadInput("the package redis is not installed", cure="pip install 'rolecall[redis]'") from error
        self._failures = (redis.RedisError, OSError)
        try:
            # What is no UTF-8 becomes replacement characters, which cleaning removes.
            self._redis: Any = redis.Redis.from_url(
                url,
                protocol=2,
                decode_responses=True,
                encoding_errors="replace",
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
            )
        except ValueError as error:
            raise BadInput(f"no address of a Redis server: {error}", where="changes") from error
        place = urlsplit(url)
        self._stream = stream or STREAM
        self.name = f"{place.hostname or place.path}:{place.port or 6379}#{self._stream}"
        self._known = ""

    def read(self, after: str) -> list[RawChange]:
        """As `Feed.read`.

        Raises:
            NotReady: The server does not answer.
            MissingChanges: Entries behind `after` were trimmed.
            BadInput: `after` is no position in a stream.
        """
        try:
            if after and after != self._known:
                self._check_position(after)
            answer = self._redis.xread({self._stream: after or "0-0"}, count=BATCH, block=WAIT_MS)
        except self._failures as error:
            raise NotReady(f"Redis does not answer: {error}", where=self.name, cure="it is asked again") from error
        entries = answer[0][1] if answer else []
        self._known = entries[-1][0] if entries else after
        source = f"{self.name} from {entries[0][0]}" if entries else ""
        return [_change(source, row, position, fields) for row, (position, fields) in enumerate(entries, 1)]

    def close(self) -> None:
        self._redis.close()

    def _check_position(self, after: str) -> None:
        """Raises MissingChanges where the stream goes on behind `after` and no longer holds that change itself."""
        read = _moment(after)
        if self._redis.xrange(self._stream, after, after):
            return
        for position, _ in self._redis.xrange(self._stream, count=1):
            if _moment(position) > read:
                raise MissingChanges(
                    f"the stream begins at {position}, and changes behind {after} may be gone",
                    where=self.name,
                    cure="build the index anew, with the position of the last change that its records have",
                )


def _change(source: str, row: int, position: str, fields: dict[str, str]) -> RawChange:
    """`source` names the entries that were read together, `row` the place of this one among them, from 1."""
    value: dict[str, Any] = {"time": datetime.fromtimestamp(_moment(position)[0] / 1e3, UTC), **fields}
    if "job" in value:
        try:
            value["job"] = without_missing(orjson.loads(value["job"]))
        except orjson.JSONDecodeError as error:
            detail = f"job: {error}; write it as one JSON object"
            return RawChange(position, RawRow(TABLE, source, row, None, str(fields), "bad_json", detail))
    return RawChange(position, RawRow(TABLE, source, row, value))


def _moment(position: str) -> tuple[int, int]:
    """Milliseconds since 1970 and a number, as Redis names an entry. Raises BadInput for any other text."""
    first, _, second = position.partition("-")
    try:
        return int(first), int(second or 0)
    except ValueError:
        raise BadInput(f"{position!r} is no position in a Redis stream", cure="it looks like 1700000000000-0") from None
