"""One query against the index in a folder, with its encoder or without: no member, no ranking model, no service."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from contracts.activity import Activity
from contracts.encoder import ENCODER, read_encoder
from contracts.errors import BadInput
from contracts.workspace import Workspace
from retrieval.candidates import Candidates
from retrieval.engines.hits import check_count
from retrieval.filters.filters import Filter
from retrieval.filters.notes import filter_notes
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.queries.chips import Reading
from retrieval.queries.read import read_query
from retrieval.queries.relax import asked, relaxed_note, search_read
from retrieval.request import build_request
from retrieval.rules.rules import find_rules


@dataclass(frozen=True)
class SearchAnswer:
    """The candidates for a query, and how it was read.

    Attributes:
        filter: The filter that was given and the one that was read in the query.
        open: Jobs that are open now (`JobIndex.alive`).
        passed: Jobs that may be returned.
        quoted: Jobs that hold every phrase in quotes; None where there is none.
        notes: What the filter asks for in vain, in words.
        lacks: Why no vectors were searched; empty where they were.
    """

    index: JobIndex
    reading: Reading
    filter: Filter
    open: int
    passed: int
    quoted: int | None
    notes: tuple[str, ...]
    lacks: str
    candidates: Candidates


def search(
    folder: Path,
    query: str,
    k: int,
    filter: Filter,
    rules: Path | None = None,
    as_typed: bool = False,
    ignore: Collection[str] = (),
    device: str | None = None,
) -> SearchAnswer:
    """The k best jobs of an index in the order of retrieval, and how the query was read.

    The encoder is that of the workspace in which the index lies, where the index was built with it; else words are
    searched alone.

    Args:
        folder: Of the index.
        query: Free text.
        k: Jobs at most.
        filter: Beside what the query asks for.
        rules: A file, as `find_rules` takes it.
        as_typed: Read no condition in the query, and mend no word.
        ignore: Ids of chips whose words are taken as typed.
        device: As `JobIndex.load` takes it.

    Raises:
        BadInput: k is below 1, or the query is empty; also what `JobIndex.load` and `JobIndex.search` raise.
    """
    check_count("k", k)
    if not query.strip():
        raise BadInput("an empty query", cure='say what is looked for: `rolecall search "nurse in Denver"`')
    index, workspace = JobIndex.load(folder, device), Workspace(folder.resolve().parent.parent)
    now, in_force = datetime.now(UTC), find_rules(workspace, rules).enabled
    filter.check(index.attributes)
    reading = read_query(query, index, now, as_typed, ignore)
    request = build_request("", Activity(), reading.query, reading.place, filter, now, words=reading.words)
    vector, lacks = _encoded(index, workspace, request.request_text if reading.words else "")
    most = max(k, CANDIDATES)
    found = search_read(index, asked(request, reading, filter), reading, filter, vector, most, in_force)
    candidates, request, reading = found.candidates.first(k), found.request, found.reading  # one order for all k
    alive, quoted = index.alive(np.arange(len(index)), request.time), index.terms.holding(request.words)
    return SearchAnswer(
        index,
        reading,
        request.filter,
        open=int(alive.sum()),
        passed=int(index.mask(request, in_force).sum()),
        quoted=None if quoted is None else int(quoted.sum()),
        notes=(*filter_notes(filter, index.attributes), *relaxed_note(reading)),
        lacks=lacks,
        candidates=candidates,
    )


def _encoded(index: JobIndex, workspace: Workspace, text: str) -> tuple[np.ndarray | None, str]:
    """The vector of a text, or why there is none."""
    if not text:
        return None, "no word but a place"
    if not (workspace.encoder / ENCODER).is_file():
        return None, f"no encoder in {workspace.root}"
    if read_encoder(workspace.encoder).version != index.encoder_version:
        return None, f"the encoder in {workspace.root} is not the one that the index was built with"
    from retrieval.encoder import TextEncoder  # an index without one is searched without ONNX Runtime

    return TextEncoder(workspace.encoder).encode([text], "request")[0], ""
