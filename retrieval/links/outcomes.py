"""The pairs that links are learned from: hires, and pairs that the log tells of without one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.errors import TooFewHires
from retrieval.links.config import NonHires


class Outcomes(NamedTuple):
    """(pairs,) each, the hires first; each member and job once. hired: bool."""

    members: list[str]
    jobs: list[str]
    hired: np.ndarray


def outcomes(events: pa.Table, non_hires: NonHires = "shown", per_hire: float = np.inf, seed: int = 0) -> Outcomes:
    """Every hire of a log, and at most `per_hire` times as many pairs without one, drawn evenly.

    events: member_id, job_id, action. Raises TooFewHires where there is no hire, or nothing else.
    """
    pairs = (
        pl.DataFrame(events.select(["member_id", "job_id", "action"]))
        .group_by("member_id", "job_id")
        .agg(*((pl.col("action") == action).any().alias(action) for action in ("hire", "apply")))
        .sort("member_id", "job_id")
    )
    hires = pairs.filter("hire")
    keys = ["member_id", "job_id"]
    if non_hires == "drawn":
        inventory = pairs.select(pl.col("job_id").unique().sort())
        others = (
            hires.select(pl.col("member_id").unique().sort())
            .join(inventory, how="cross")
            .join(hires, on=keys, how="anti")
        )
    else:
        others = pairs.filter(~pl.col("hire") & (pl.col("apply") | (non_hires == "shown")))
    if not len(hires) or not len(others):
        missing = "hire" if not len(hires) else f"pair {non_hires} and not hired"
        cure = "links are learned from hires: ingest events with the action `hire`, and those without"
        raise TooFewHires(f"no {missing} among {events.num_rows:,} events", cure=cure)
    most = int(min(len(others), np.ceil(per_hire * len(hires))))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(others))[:most])
    chosen = pl.concat([hires.select(keys), others[drawn].select(keys)])
    hired = np.arange(len(chosen)) < len(hires)
    return Outcomes(chosen["member_id"].to_list(), chosen["job_id"].to_list(), hired)
