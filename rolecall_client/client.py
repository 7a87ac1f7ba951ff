"""The client itself, once over blocking sockets and once over asyncio; both say and hear the same (`_call`)."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, Unpack, cast
from urllib.parse import quote

import httpx

from rolecall_client.errors import Unreachable, content_of, problem_of
from rolecall_client.retries import Retries
from rolecall_client.types import (
    Answer,
    EraseReply,
    EventsReply,
    ExplainReply,
    PostedEvent,
    RecommendRequest,
    SearchRequest,
    SimilarRequest,
    SuggestionsAnswer,
)

TIMEOUT = httpx.Timeout(5.0, connect=1.0)
"""Longer than the service's own deadline of a second, since an answer that is under way costs no more."""

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=3.0)
"""A connection is given up before the service does, so that none is used as it is being closed."""


class _Call(NamedTuple):
    """One call: what is sent, and whether it may be sent twice."""

    method: str
    path: str
    body: Any = None
    repeatable: bool = True


def _options(
    base_url: str, key: str | None, member_token: str | None, timeout: httpx.Timeout | float
) -> Mapping[str, Any]:
    headers = {"User-Agent": "rolecall-client"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if member_token:
        headers["X-Member-Token"] = member_token
    return {"base_url": base_url, "headers": headers, "timeout": timeout, "limits": LIMITS}


def with_ids(events: Sequence[PostedEvent]) -> list[PostedEvent]:
    """The events, each with an id: by it the service counts an event once, however often it is posted."""
    return [event if event.get("id") else cast(PostedEvent, event | {"id": uuid.uuid4().hex}) for event in events]


def _explain(request_id: str, job_id: str) -> _Call:
    return _Call("GET", f"/v1/explain/{quote(request_id, safe='')}/{quote(job_id, safe='')}")


def _erase(member_id: str) -> _Call:
    return _Call("DELETE", f"/v1/members/{quote(member_id, safe='')}")


class _Tries:
    """The tries of one call: both clients ask it what to do after each."""

    def __init__(self, retries: Retries, call: _Call) -> None:
        self._retries, self._call = retries, call
        self._tried, self._started = 0, time.monotonic()

    def after(self, reply: httpx.Response | None, error: httpx.RequestError | None = None) -> float | None:
        """Seconds until the next try; None: the reply is the answer. Raises what the call ends in."""
        if reply is not None and reply.is_success:
            return None
        self._tried += 1
        elapsed = time.monotonic() - self._started
        wait = self._retries.wait(self._tried, elapsed, reply, repeatable=self._call.repeatable, error=error)
        if wait is not None:
            return wait
        if reply is not None:
            raise problem_of(reply)
        what = f"{type(error).__name__} after {self._tried} tries of {self._call.method} {self._call.path}"
        raise Unreachable(what) from error


class Client:
    """Calls the service and waits. Safe to share between threads; close it, or use it in a `with`.

    Every call raises `ClientError`: `Unreachable` without an answer, a `ServiceError` for a problem.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        member_token: str | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            base_url: Such as `http://127.0.0.1:8080`.
            key: API key, where the service asks for one.
            member_token: Signed token of the member in whose name is asked.
            timeout: Seconds of one try, or httpx's own four limits.
            retries: When a call is tried again.
            transport: httpx's, for a proxy or certificates of one's own.
        """
        self._http = httpx.Client(**_options(base_url, key, member_token, timeout), transport=transport)
        self._retries = retries

    def recommend(self, **request: Unpack[RecommendRequest]) -> Answer:
        """Jobs for a member, or for a profile."""
        return cast(Answer, self._do(_Call("POST", "/v1/recommend", request)))

    def search(self, **request: Unpack[SearchRequest]) -> Answer:
        """Jobs for a query."""
        return cast(Answer, self._do(_Call("POST", "/v1/search", request)))

    def suggestions(self, **request: Unpack[SearchRequest]) -> SuggestionsAnswer:
        """What would narrow a search: the same body as `search`, `k` of suggestions."""
        return cast(SuggestionsAnswer, self._do(_Call("POST", "/v1/suggestions", request)))

    def similar(self, **request: Unpack[SimilarRequest]) -> Answer:
        """Jobs like a job."""
        return cast(Answer, self._do(_Call("POST", "/v1/similar", request)))

    def explain(self, request_id: str, job_id: str) -> ExplainReply:
        """Why a job of a recent answer stood where it stood."""
        return cast(ExplainReply, self._do(_explain(request_id, job_id)))

    def events(self, events: Sequence[PostedEvent]) -> EventsReply:
        """Post what members did, at most 1,000 events a call. Safe to repeat: each event has an id."""
        return cast(EventsReply, self._do(_Call("POST", "/v1/events", with_ids(events))))

    def erase(self, member_id: str) -> EraseReply:
        """Erase a member from all that answers read, and hear what remains until when. Needs a key of scope admin."""
        return cast(EraseReply, self._do(_erase(member_id)))

    def ready(self) -> Mapping[str, Any]:
        """What is served. Raises Unavailable while it is loading, without trying again."""
        return cast(Mapping[str, Any], self._do(_Call("GET", "/readyz"), Retries(times=0)))

    def call(self, method: str, path: str, body: Any = None, *, repeatable: bool = False) -> Any:
        """The JSON of any other route. repeatable: it may be sent again although the first may have arrived."""
        return self._do(_Call(method, path, body, repeatable))

    def _do(self, call: _Call, retries: Retries | None = None) -> Any:
        tries = _Tries(self._retries if retries is None else retries, call)
        while True:
            try:
                reply = self._http.request(call.method, call.path, json=call.body)
                wait = tries.after(reply)
                if wait is None:
                    return content_of(reply)
            except httpx.RequestError as error:
                wait = tries.after(None, error)
            time.sleep(wait or 0.0)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """As `Client`, over asyncio: every call is awaited."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        member_token: str | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        retries: Retries = Retries(),  # noqa: B008 (frozen)
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Open no connection yet. The arguments are those of `Client`."""
        self._http = httpx.AsyncClient(**_options(base_url, key, member_token, timeout), transport=transport)
        self._retries = retries

    async def recommend(self, **request: Unpack[RecommendRequest]) -> Answer:
        """Jobs for a member, or for a profile."""
        return cast(Answer, await self._do(_Call("POST", "/v1/recommend", request)))

    async def search(self, **request: Unpack[SearchRequest]) -> Answer:
        """Jobs for a query."""
        return cast(Answer, await self._do(_Call("POST", "/v1/search", request)))

    async def suggestions(self, **request: Unpack[SearchRequest]) -> SuggestionsAnswer:
        """What would narrow a search: the same body as `search`, `k` of suggestions."""
        return cast(SuggestionsAnswer, await self._do(_Call("POST", "/v1/suggestions", request)))

    async def similar(self, **request: Unpack[SimilarRequest]) -> Answer:
        """Jobs like a job."""
        return cast(Answer, await self._do(_Call("POST", "/v1/similar", request)))

    async def explain(self, request_id: str, job_id: str) -> ExplainReply:
        """Why a job of a recent answer stood where it stood."""
        return cast(ExplainReply, await self._do(_explain(request_id, job_id)))

    async def events(self, events: Sequence[PostedEvent]) -> EventsReply:
        """Post what members did, at most 1,000 events a call. Safe to repeat: each event has an id."""
        return cast(EventsReply, await self._do(_Call("POST", "/v1/events", with_ids(events))))

    async def erase(self, member_id: str) -> EraseReply:
        """Erase a member from all that answers read, and hear what remains until when. Needs a key of scope admin."""
        return cast(EraseReply, await self._do(_erase(member_id)))

    async def ready(self) -> Mapping[str, Any]:
        """What is served. Raises Unavailable while it is loading, without trying again."""
        return cast(Mapping[str, Any], await self._do(_Call("GET", "/readyz"), Retries(times=0)))

    async def call(self, method: str, path: str, body: Any = None, *, repeatable: bool = False) -> Any:
        """The JSON of any other route. repeatable: it may be sent again although the first may have arrived."""
        return await self._do(_Call(method, path, body, repeatable))

    async def _do(self, call: _Call, retries: Retries | None = None) -> Any:
        tries = _Tries(self._retries if retries is None else retries, call)
        while True:
            try:
                reply = await self._http.request(call.method, call.path, json=call.body)
                wait = tries.after(reply)
                if wait is None:
                    return content_of(reply)
            except httpx.RequestError as error:
                wait = tries.after(None, error)
            await asyncio.sleep(wait or 0.0)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
