"""JobPosting of schema.org, as employers publish it for search engines (JSON-LD).

https://schema.org/JobPosting. A document may hold one posting, several in an array or `@graph`, or a list of items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.versions import row_hash
from sources.findings import Finding, shape

TEXTS = ("description", "responsibilities", "qualifications", "educationRequirements", "experienceRequirements")
"""Parts of the advert that say what the work is, in this order."""
_INSIDE = ("@graph", "itemListElement", "item", "dataFeedElement", "mainEntity")
_READ = {
    *("@context", "@type", "@id", "identifier", "url", "title", "name", "hiringOrganization", "jobLocation"),
    *("jobLocationType", "employmentType", "industry", "skills", "baseSalary", "estimatedSalary", "salaryCurrency"),
    *("datePosted", "validThrough", "dateModified", *TEXTS),
}


def recognises(document: dict[str, Any]) -> bool:
    """Whether a document is JSON-LD."""
    return "@type" in document or "@graph" in document


def rows(document: Any) -> Iterator[tuple[dict[str, Any], tuple[Finding, ...]]]:
    """The postings in a document as rows of jobs; what else it describes is no row."""
    for posting in _postings(document):
        yield _row(posting)


def _postings(document: Any, levels: int = 10) -> Iterator[dict[str, Any]]:
    if isinstance(document, list) and levels:
        for part in document:
            yield from _postings(part, levels - 1)
    elif isinstance(document, dict) and levels:
        if "JobPosting" in [str(kind).rpartition("/")[2].rpartition(":")[2] for kind in _list(document.get("@type"))]:
            yield document
            return
        for name in _INSIDE:
            yield from _postings(document.get(name), levels - 1)


def _row(posting: dict[str, Any]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    posted = posting.get("datePosted")
    modified = posting.get("dateModified")
    row: dict[str, Any] = {
        "id": _first(posting.get("identifier"), "value", "name", "@id") or posting.get("@id") or posting.get("url"),
        "title": posting.get("title") or posting.get("name"),
        "company": _first(posting.get("hiringOrganization"), "name", "legalName", "@id"),
        "location": "; ".join(dict.fromkeys(filter(None, map(_place, _list(posting.get("jobLocation")))))),
        "industry": ", ".join(_names(posting.get("industry"))),
        "skills": _skills(posting.get("skills")),
        "description": "\n".join(filter(None, (_text(posting.get(name)) for name in TEXTS))),
        "posted_at": posted,
        "expires_at": posting.get("validThrough"),
        "updated_at": modified or posted,
    }
    if "TELECOMMUTE" in map(str.upper, _names(posting.get("jobLocationType"))):
        row["workplace"] = "remote"
    kinds = _names(posting.get("employmentType"))
    row["employment"] = next(iter(kinds), None)
    row |= _pay(posting)
    findings = []
    if not row["id"]:
        row["id"] = row_hash("\x00".join(str(row[name]) for name in ("title", "company", "location", "posted_at")), 8)
        findings.append(Finding("id", "missing_field", "", "made of title, company, place and date"))
    if len(kinds) > 1:
        findings.append(Finding("employment", "too_many_values", shape(kinds), "the first is kept"))
    if posted and not modified:
        findings.append(Finding("updated_at", "missing_field", "", "taken from datePosted"))
    left = {name: value for name, value in posting.items() if name not in _READ and value not in (None, "", [], {})}
    return {name: value for name, value in row.items() if value not in (None, "", [])} | left, tuple(findings)


def _pay(posting: dict[str, Any]) -> dict[str, Any]:
    pay = next(iter(_list(posting.get("baseSalary")) or _list(posting.get("estimatedSalary"))), None)
    if not isinstance(pay, dict):
        return {"salary_min": pay, "salary_max": pay, "currency": posting.get("salaryCurrency")} if pay else {}
    value = pay.get("value")
    amount: dict[str, Any] = value if isinstance(value, dict) else pay
    exact = amount.get("value")
    unit = str(amount.get("unitText") or pay.get("unitText") or pay.get("duration") or "")
    low, high = amount.get("minValue", exact), amount.get("maxValue", exact)
    found = {
        "salary_min": low,
        "salary_max": high,
        "currency": pay.get("currency") or posting.get("salaryCurrency"),
        "salary_period": unit,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _place(place: Any) -> str:
    if not isinstance(place, dict):
        return _text(place)
    address = place.get("address", place)
    if not isinstance(address, dict):
        return _text(address)
    parts = [_first(address.get(name), "name") for name in ("addressLocality", "addressRegion", "addressCountry")]
    return ", ".join(part for part in parts if part) or _text(place.get("name"))


def _skills(skills: Any) -> Any:
    """Words as they stand, to be parted later, or the names in a list."""
    return skills if isinstance(skills, str) else _names(skills)


def _names(value: Any) -> list[str]:
    return [name for part in _list(value) if (name := _first(part, "name", "termCode"))]


def _first(value: Any, *names: str) -> str:
    """The text of a value, or of the first of its fields that has one."""
    value = next(iter(_list(value)), None)
    if isinstance(value, dict):
        return next((text for name in names if (text := _text(value.get(name)))), "")
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    if isinstance(value, dict):
        return _text(
            value.get("description") or value.get("name") or value.get("@value") or value.get("credentialCategory")
        )
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value in (None, "", {}) else [value]
