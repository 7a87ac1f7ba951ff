"""JSON Résumé (https://jsonresume.org/schema): one person a document, as a row of members."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sources import files
from sources.findings import Finding

_READ = {"$schema", "id", "basics", "work", "volunteer", "education", "skills", "meta"}
_PARTIAL = re.compile(r"\d{4}(-\d{2})?")


def recognises(document: dict[str, Any]) -> bool:
    """Whether a document has the parts of a résumé."""
    return isinstance(document.get("basics"), dict)


def rows(document: dict[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], tuple[Finding, ...]]]:
    """The person of a document. The name and the ways to reach them are no field of a record, and are left out."""
    basics, meta = document["basics"], _dict(document.get("meta"))
    work = [_position(part) for part in _dicts(document.get("work"))]
    findings = []
    changed = meta.get("lastModified")
    member = document.get("id") or meta.get("id") or meta.get("canonical")
    if not member:
        member = files.stem(path)
        findings.append(Finding("id", "missing_field", "", "taken from the file's name"))
    if untitled := sum("title" not in position for position in work):
        work = [position for position in work if "title" in position]
        findings += [Finding("positions.title", "missing_field", "", "position left out")] * untitled
    row = {
        "id": member,
        "headline": basics.get("label"),
        "summary": basics.get("summary"),
        "location": ", ".join(
            str(part) for name in ("city", "region", "countryCode") if (part := _dict(basics.get("location")).get(name))
        ),
        "skills": [word for part in _dicts(document.get("skills")) for word in _words(part)],
        "positions": work,
        "education": [_education(part) for part in _dicts(document.get("education"))],
        "updated_at": changed,
    }
    left = {name: value for name, value in document.items() if name not in _READ and value}
    yield {name: value for name, value in row.items() if value} | left, tuple(findings)


def _position(work: dict[str, Any]) -> dict[str, Any]:
    highlights = [str(line) for line in work.get("highlights") or ()]
    found = {
        "title": work.get("position"),
        "company": work.get("name") or work.get("company"),
        "start": day(work.get("startDate")),
        "end": day(work.get("endDate")),
        "description": "\n".join(filter(None, [str(work.get("summary") or ""), *highlights])),
    }
    return {name: value for name, value in found.items() if value}


def _education(part: dict[str, Any]) -> dict[str, Any]:
    found = {"school": part.get("institution"), "degree": part.get("studyType"), "field": part.get("area")}
    return {name: value for name, value in found.items() if value}


def _words(skill: dict[str, Any]) -> list[str]:
    return [str(word) for word in (skill.get("name"), *(skill.get("keywords") or ())) if word]


def day(text: Any) -> str | None:
    """A day; the schema allows a year, and a month, which stand for their first day."""
    if isinstance(text, str) and _PARTIAL.fullmatch(text):
        return f"{text}-01-01" if len(text) == 4 else f"{text}-01"
    return text or None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
