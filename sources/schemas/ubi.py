"""User Behavior Insights (UBI), the logs of searches and clicks that OpenSearch and others write: read and written.

https://ubisearch.dev, https://docs.opensearch.org/latest/search-plugins/ubi/schemas. A document of `ubi_queries` says
what was searched for and which objects were shown (`query_response_object_ids` or, in older ones,
`query_response_hit_ids`): an impression each. A document of `ubi_events` says what was done with one of them. A client
(`client_id`) is who acted. Documents may stand under `_source`, as a dump of an index has them.

What an event of Rolecall knows beyond that stands under `rolecall` in the attributes, which UBI leaves open; so a log
that is written and read again is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from contracts.records import Event
from contracts.versions import row_hash
from sources.findings import Finding, shape

CLICKS = frozenset(
    {"click", "item_click", "result_click", "product_click", "document_click", "job_click", "open", "watch"}
)
"""Names of actions that open an object; others are read as they are, and set aside where no event has them."""
OWN = "rolecall"
HITS = ("query_response_object_ids", "query_response_hit_ids")
_QUERY, _EVENT = {"query_id", "user_query"}, {"query_id", "action_name"}
_BESIDE = ("surface", "propensity", "logged_by", "reason", "found_by")
"""Fields of an event that UBI has no name for."""


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether a document is of a UBI index: a query with what was shown, or an event."""
    of = _unwrapped(document)
    return of.keys() >= _EVENT or (of.keys() >= _QUERY and any(name in of for name in HITS))


def rows(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[Finding, ...]]]:
    """The events in a document as rows: one of an event, one a hit of a query."""
    of = _unwrapped(document)
    if "action_name" in of:
        yield _of_event(of)
        return
    found: Any = next((of[name] for name in HITS if of.get(name) not in (None, "")), [])
    hits: list[Any] = found if isinstance(found, list) else [found]  # one alone; what is no id is set aside as a row
    own = _own(of.get("query_attributes"))
    beside = own if isinstance(own, list) and len(own) == len(hits) else [{}] * len(hits)
    query = str(of.get("user_query") or "")
    for position, (hit, more) in enumerate(zip(hits, beside, strict=True), start=1):
        row = {
            "id": row_hash(f"{of['query_id']}\x00{position}\x00{hit}", 8),
            "time": of.get("timestamp"),
            "surface": "search" if query else "recommendation",
            "request_id": of["query_id"],
            "member_id": of.get("client_id"),
            "query": query,
            "job_id": hit,
            "position": position,
            "action": "impression",
        }
        yield _present(row | (more if isinstance(more, dict) else {})), ()


def _of_event(of: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    attributes = of.get("event_attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    thing, place, own = attributes.get("object"), attributes.get("position"), _own(attributes)
    name = str(of["action_name"])
    told = (of.get(part) for part in ("query_id", "client_id", "timestamp", "action_name", "event_attributes"))
    row = {
        "id": row_hash("\x00".join(map(str, told)), 8),
        "time": of.get("timestamp"),
        "surface": "search" if of.get("user_query") else "recommendation",
        "request_id": of.get("query_id"),
        "member_id": of.get("client_id"),
        "query": of.get("user_query"),
        "job_id": thing.get("object_id") if isinstance(thing, dict) else None,
        "position": place.get("ordinal") if isinstance(place, dict) else None,
        "action": "view" if name.lower() in CLICKS else name.lower(),
    }
    findings = (Finding("action", "unknown_value", shape(name), "read as view"),) if name.lower() in CLICKS else ()
    return _present(row | (own if isinstance(own, dict) else {})), findings


def queries(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """The documents of `ubi_queries` of a log: one a request with impressions.

    Args:
        events: Impressions that name their request, those of one request together.
    """
    for request, of in groupby(events, key=lambda event: event.request_id):
        shown = sorted(of, key=lambda event: (event.position or 0, event.id))
        first = shown[0]
        yield {
            "query_id": request,
            "client_id": first.member_id,
            "user_query": first.query,
            "timestamp": first.time.isoformat(),
            HITS[0]: [event.job_id for event in shown],
            "object_id_field": "job_id",
            "query_attributes": {OWN: [_beside(one, "id", "time") | _apart(one, first) for one in shown]},
        }


def event(of: Event) -> dict[str, Any]:
    """The document of `ubi_events` of an event; its `action_name` is the event's action."""
    place = {} if of.position is None else {"position": {"ordinal": of.position}}
    return {
        "action_name": of.action,
        "query_id": of.request_id,
        "client_id": of.member_id,
        "user_query": of.query,
        "timestamp": of.time.isoformat(),
        "event_attributes": {
            "object": {"object_id": of.job_id, "object_id_field": "job_id"},
            **place,
            OWN: _beside(of, "id"),
        },
    }


def _apart(one: Event, first: Event) -> dict[str, Any]:
    """What a hit does not have from its query, nothing where it has nothing there."""
    asked = {name: getattr(one, name) for name in ("member_id", "query") if getattr(one, name) != getattr(first, name)}
    return {"position": one.position} | asked


def _beside(of: Event, *more: str) -> dict[str, Any]:
    fields = of.model_dump(mode="json", include={*_BESIDE, *more})
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _unwrapped(document: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = document.get("_source")
    return inner if isinstance(inner, dict) else document


def _own(attributes: Any) -> Any:
    return attributes.get(OWN) if isinstance(attributes, dict) else None


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in (None, "")}
