"""The pairs that links are learned from: hires, and pairs that the log tells of without one, each with its time."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.errors import TooFewHires
from retrieval.links.config import NonHires


class Outcomes(NamedTuple):
    """(pairs,) each, the hires first; each member and job once.

    times: of the hire; of a pair without one its first event; of one that was drawn the member's first hire.
    hired: bool.
    """

    members: list[str]
    jobs: list[str]
    times: list[datetime]
    hired: np.ndarray


def outcomes(
    events: pa.Table,
    non_hires: NonHires = "shown",
    per_hire: float = np.inf,
    seed: int = 0,
    inventory: pa.ChunkedArray | None = None,
) -> Outcomes:
    """Every hire of a log, and at most `per_hire` times as many pairs without one, drawn evenly.

    Args:
        events: member_id, job_id, action, time.
        non_hires: Which pairs without a hire there are.
        per_hire: The most of these for a hire.
        seed: Of the draw.
        inventory: Job ids that are drawn from; None: those of the log.

    Raises:
        TooFewHires: There is no hire, or nothing else.
    """
    is_hire = pl.col("action") == "hire"
    pairs = (
        pl.DataFrame(events.select(["member_id", "job_id", "action", "time"]))
        .group_by("member_id", "job_id")
        .agg(
            is_hire.any().alias("hire"),
            (pl.col("action") == "apply").any().alias("apply"),
            pl.coalesce(pl.col("time").filter(is_hire).min(), pl.col("time").min()).alias("time"),
        )
        .sort("member_id", "job_id")
    )
    hires = pairs.filter("hire")
    keys = ["member_id", "job_id"]
    if non_hires == "drawn":
        offered = pl.DataFrame({"job_id": pl.Series(pairs["job_id"] if inventory is None else inventory)})
        hired = hires.group_by("member_id").agg(pl.col("time").min()).sort("member_id")
        others = hired.join(offered.unique().sort("job_id"), how="cross").join(hires, on=keys, how="anti")
    else:
        others = pairs.filter(~pl.col("hire") & (pl.col("apply") | (non_hires == "shown")))
    if not len(hires) or not len(others):
        missing = "hire" if not len(hires) else f"pair {non_hires} and not hired"
        cure = "links are learned from hires: ingest events with the action `hire`, and those without"
        raise TooFewHires(f"no {missing} among {events.num_rows:,} events", cure=cure)
    most = int(min(len(others), np.ceil(per_hire * len(hires))))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(others))[:most])
    columns = [*keys, "time"]
    chosen = pl.concat([hires.select(columns), others[drawn].select(columns)])
    member_ids, job_ids, times = (chosen[name].to_list() for name in columns)
    return Outcomes(member_ids, job_ids, times, np.arange(len(chosen)) < len(hires))
