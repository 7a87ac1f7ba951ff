"""What members of a job board open next: the encoder as it came, with what it learned by itself, and BM25.

    rolecall run --data ../shared/data/jobviews --workspace W --to encoder
    python -m benchmarks.next_views --workspace W

A request is a member's last view, its candidates all jobs but those that they had viewed; ties count against a system.
Beside all requests stand those whose job somebody had opened before: as all jobs are candidates, also those that
nobody had looked at yet, the others flatter a system that knows which had been. Nothing here reads that, and both
are shown. Intervals are 95% over members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import result_file
from benchmarks.embeddings_data import log_task
from contracts.machine import cores
from contracts.tables import read_table
from contracts.workspace import Workspace
from models.encoder.choice import read_choice
from models.encoder.make import CHOICE
from models.encoder.validation import MEASURES, Searches
from replay.holdout import held_out
from replay.measures import mean_estimates
from retrieval.encoder import TextEncoder

NAME = "next_views"
BM25, AS_IT_CAME, LEARNED, BOTH = "BM25", "MiniLM, one text", "encoder as chosen", "BM25 and encoder as chosen"
REFERENCE = BM25


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/jobviews"), help="made as shown above")
    parser.add_argument("--requests", type=int, default=2_000, help="held-out requests at most")
    options = parser.parse_args(argv)
    workspace = Workspace(options.workspace)
    search = log_task("job views", workspace, "click", options.requests, 1).search
    held = held_out(workspace, options.requests, 0)
    wanted = [dict.fromkeys(rows.tolist(), 1.0) for rows in search.relevant]
    searches = Searches(
        search.requests, search.jobs, wanted, [rows.tolist() for rows in search.excluded], search.groups
    )
    encoder = TextEncoder(workspace.encoder, cores())
    words = np.stack([search.terms.scores(query) for query in search.words])
    plain, learned = (cosines(encode, searches) for encode in (encoder.plain, encoder.encode))
    scores = {BM25: words, AS_IT_CAME: plain, LEARNED: learned, BOTH: ranks(words) + ranks(learned)}
    values = {name: found_by(searches, of_system) for name, of_system in scores.items()}
    before = opened_before(workspace, [(job, one.time) for one in held for job in list(one.gains)[:1]])
    choice = read_choice(workspace.encoder / CHOICE)
    about = f"job views, encoder {choice.kept!r}" if choice else "job views"
    rows = [
        row
        for case, mine in (("all held-out views", np.ones(len(held), bool)), ("of jobs opened before", before))
        for row in rows_of(values, mine, np.array(search.groups), f"{about}: {case} ({mine.sum():,})")
    ]
    result_file.write(NAME, COMMAND, rows, simulated=False, publish=options.publish)


COMMAND = (
    "rolecall run --data ../shared/data/jobviews --workspace artifacts/jobviews --to encoder "
    "&& python -m benchmarks.next_views"
)


def cosines(encode: Any, searches: Searches) -> np.ndarray:
    """(n, m) of requests and jobs."""
    return encode(searches.requests) @ encode(searches.jobs).T


def ranks(scores: np.ndarray) -> np.ndarray:
    """(n, m) reciprocal ranks of each row, as they are merged (Cormack, Clarke and Buettcher, SIGIR 2009)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(scores.shape[1])[None], axis=1)
    return 1 / (61 + place)


def found_by(searches: Searches, scores: np.ndarray) -> np.ndarray:
    """(n, measures) of (n, m) scores, as `Searches.found` has them."""
    return np.concatenate([searches.scored(i, row)[None] for i, row in enumerate(scores)])


def opened_before(workspace: Workspace, views: Sequence[tuple[str, datetime]]) -> np.ndarray:
    """Of each (job, time) whether somebody had opened the job before."""
    events = pl.DataFrame(read_table(workspace.records / "events", ["job_id", "time", "action"]))
    first = dict(events.filter(pl.col("action") == "view").group_by("job_id").agg(pl.col("time").min()).iter_rows())
    return np.array([first.get(job, time) < time for job, time in views])


def rows_of(
    values: Mapping[str, np.ndarray], mine: np.ndarray, members: np.ndarray, case: str
) -> Iterator[dict[str, Any]]:
    """A row a system and measure, and one of what it finds above `REFERENCE`."""
    for system, found in values.items():
        tables = {"": found[mine]}
        if system != REFERENCE:
            tables[f" minus {REFERENCE}"] = (found - values[REFERENCE])[mine]
        for suffix, table in tables.items():
            for name, one in zip(MEASURES, mean_estimates(table, seed=0, groups=members[mine]), strict=True):
                about = {"case": case, "system": system, "metric": name + suffix, "unit": ""}
                yield about | {"value": one.value, "low": one.low, "high": one.high}


if __name__ == "__main__":
    main()
