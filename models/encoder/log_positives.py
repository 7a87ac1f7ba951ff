"""Past requests and the jobs that were taken on them: what the retrieval encoder learns from.

The requests are those of the split `train` (history/requests.py), with the outcomes, the member's text and the activity
that were known then. Of each job the first version counts; jobs that came after the last request are left out.
"""

from __future__ import annotations

import logging
from datetime import datetime

import polars as pl
import pyarrow as pa

from contracts.errors import BadInput, NotReady
from contracts.features import JOB_KEY, JOB_TEXT
from contracts.tables import read_table
from contracts.workspace import Workspace
from history.as_of import KNOWN, LoggedRequest, first_known, requests_as_of
from history.requests import EVENT_COLUMNS, gains, past_requests
from models.encoder.positives import Positives

log = logging.getLogger("rolecall")


def log_positives(workspace: Workspace, most: int, seed: int, most_jobs: int | None = None) -> Positives:
    """The jobs that were taken on past requests, weighted by `GAINS`; the inventory is all jobs that were known then.

    The asker is the member, or of an anonymous search its text. A job that a member took on any other request that may
    be known, drawn or not, is no negative of theirs.

    Args:
        workspace: With events and texts.
        most: Past requests at most.
        seed: Of the draws.
        most_jobs: Jobs of the inventory at most, beside those that were taken; None: all.

    Raises:
        NotReady: Events, texts or training requests are missing.
        BadInput: No job was taken on any of the requests.
    """
    events = log_events(workspace)
    every = past_requests(events, {"train": len(events), "valid": 0, "test": 0}, seed)
    past = every[:most]
    if not past:
        raise NotReady(f"no request to learn from in {workspace.records / 'events'}", cure="ingest a longer log")
    texts = first_texts(workspace, last=max(one.time for one in past))
    as_of = requests_as_of(workspace, [LoggedRequest(one.member_id, one.query, one.time, ()) for one in past])
    with_text = [(logged, request.request_text) for logged, request in zip(past, as_of, strict=True)]
    with_text = [(logged, text) for logged, text in with_text if text]
    if empty := len(past) - len(with_text):
        log.info("encoder: %s of %s past requests have no text", f"{empty:,}", f"{len(past):,}")
    rows = [
        (text, texts[job], gain, logged.member_id or text)
        for logged, text in with_text
        for job, gain in gains(logged).items()
        if job in texts
    ]
    requests, jobs, weights, askers = zip(*rows, strict=True) if rows else ((), (), (), ())
    also_taken = (
        (one.member_id, texts[job])
        for one in every
        if one.member_id
        for job in {*gains(one), *one.viewed, *one.other_views}
        if job in texts
    )
    inventory = list(texts.values())
    if most_jobs is not None and len(inventory) > most_jobs:
        inventory = pl.Series(inventory, dtype=pl.String).sample(most_jobs, seed=seed).to_list()
    return Positives.of(requests, jobs, weights, askers, inventory, also_taken)


def check_lists(workspace: Workspace, judged: Workspace) -> None:
    """Raise BadInput where a training list of `judged` is of a request that the log of `workspace` holds out."""
    table = read_table(judged.training, ["list_id", "split"])
    train = set(pl.DataFrame(table).filter(pl.col("split") == "train")["list_id"])
    events = log_events(workspace)
    held_out = past_requests(events, {"train": 0, "valid": len(events), "test": len(events)}, 0)
    if wrong := train & {request.list_id for request in held_out}:
        reason = f"{len(wrong):,} of its {len(train):,} training lists are held out here, such as {min(wrong)}"
        raise BadInput(reason, where=str(judged.training), cure="name a workspace of the same log")


def log_events(workspace: Workspace) -> pl.DataFrame:
    """`EVENT_COLUMNS` of the log, each event once. Raises NotReady where there is none."""
    return pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS)).unique("id")


def first_texts(workspace: Workspace, last: datetime | None = None) -> dict[str, str]:
    """Job -> its first text, of the jobs that were known by then (None: of all).

    Raises NotReady where there is no text.
    """
    table: pa.Table = first_known(read_table(workspace.features / JOB_TEXT, [JOB_KEY, "text", *KNOWN]), JOB_KEY, *KNOWN)
    rows = pl.DataFrame(table)
    if last is not None:
        rows = rows.filter(pl.max_horizontal(*KNOWN) <= last)
    return dict(zip(rows[JOB_KEY], rows["text"], strict=True))
