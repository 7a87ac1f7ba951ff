"""Documents of known schemas as rows: what a JobPosting of schema.org, a résumé of jsonresume.org or a log of User
Behavior Insights says of a record.

A schema is one file with one function from a document to rows of one table. A field of the document that no record has
keeps its name in the row, where it is counted as not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sources.findings import Finding
from sources.schemas import jobposting, resume, ubi


def table_of(document: dict[str, Any]) -> str:
    """The table that a document's rows are of; empty where it is of no known schema."""
    if jobposting.recognises(document):
        return "jobs"
    if ubi.recognises(document):
        return "events"
    return "members" if resume.recognises(document) else ""


def rows_of(table: str, document: dict[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], tuple[Finding, ...]]]:
    """The rows of a table in a document; one of no known schema is a row itself."""
    if jobposting.recognises(document):
        yield from jobposting.rows(document) if table == "jobs" else ()
    elif ubi.recognises(document):
        yield from ubi.rows(document) if table == "events" else ()
    elif resume.recognises(document):
        yield from resume.rows(document, path) if table == "members" else ()
    else:
        yield document, ()
