"""The match of a request and a job: the comparisons that are made, and the bins that their results fall into.

What two records have in common is set arithmetic and differences of numbers, which a small encoder does not learn from
a few thousand pairs of texts, and numbers do not survive as digits in text. So each comparison falls into one of a few
bins; a full-text teacher reads the words of the bins, the student one learned embedding a bin. `ranking.match` computes
them, the same in batch, stream and request. Bin 0 of every comparison means that a side does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from contracts.versions import json_hash

FORMAT = 6
"""Raise it when `ranking.match` computes a comparison otherwise without a change of its name or bins."""


class Comparison(NamedTuple):
    """One comparison of a request and a job.

    Attributes:
        name: In columns, leave-one-out tables and explanations.
        bins: The words of each bin after "not known", for text and explanations.
        edges: Of a number: the lowest value of each bin after the first known one, ascending; empty where the
            result is no number.
    """

    name: str
    bins: tuple[str, ...]
    edges: tuple[float, ...] = ()


_CLOSENESS = ("none", "faint", "slight", "some", "fair", "good", "close", "very close", "the same")
_WORK = ("another field", "the same field", "related work", "the same work")  # `contracts.text.work`, by its numbers
_COSINES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.92)

COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "skills",  # share of the skills that the job asks for and the member has
        ("none", "few", "some", "half", "many", "most", "all"),
        (0.01, 0.2, 0.4, 0.55, 0.75, 0.99),
    ),
    Comparison("skills_shared", ("0", "1", "2", "3", "4", "5 or more"), (1, 2, 3, 4, 5)),
    Comparison("query_skill", ("not asked by the job", "asked by the job")),  # the query is a skill
    Comparison(
        "level",  # rungs of the job above the one searched for, else the member's; read in titles where not stated
        ("3 or more below", "2 below", "1 below", "the same", "1 above", "2 above", "3 or more above"),
        (-2, -1, 0, 1, 2, 3),
    ),
    Comparison("place", ("elsewhere", "same region", "same city", "remote")),  # the member's home and wished places
    Comparison("query_place", ("elsewhere", "same region", "same city", "remote")),  # the place that the query names
    Comparison("workplace", ("not wished", "wished")),
    Comparison(
        "pay",  # the job's top pay a year, of what the member asks for, in one currency
        ("far below", "below", "a little below", "as asked", "above", "far above"),
        (0.6, 0.8, 0.95, 1.1, 1.3),
    ),
    Comparison("own_work", _WORK),  # of the headline and the last positions, by the policy's table of work
    Comparison("wished_work", _WORK),  # of the query, else of the wished titles
    Comparison("own_title", _CLOSENESS, _COSINES),  # cosine with the headline and the last positions
    Comparison("wished_title", _CLOSENESS, _COSINES),  # cosine with the query, else with the wished titles
    Comparison("industry", ("other", "in part", "the same")),
    Comparison(
        "age",  # days since the job was posted
        ("today", "days", "a week", "two weeks", "a month", "two months", "older"),
        (1, 4, 8, 15, 31, 61),
    ),
)

SIZES: tuple[int, ...] = tuple(1 + len(comparison.bins) for comparison in COMPARISONS)
"""Bins of each comparison, "not known" included."""
MATCH_TYPE = pa.list_(pa.uint8(), len(COMPARISONS))
"""The Arrow type of a pair's bins, one number a comparison."""
MATCH_VERSION = f"{FORMAT}-{json_hash([comparison._asdict() for comparison in COMPARISONS], 8)}"
"""Of the comparisons; a bundle and what feeds it must agree on it."""


def offsets() -> np.ndarray:
    """(C,) int64: where the bins of each comparison begin in one table of all `sum(SIZES)` bins."""
    return np.cumsum([0, *SIZES[:-1]])


def match_text(bins: Sequence[int] | np.ndarray) -> str:
    """A pair's known bins as tagged words, such as "skills: most | level: the same"; empty where nothing is known.

    Args:
        bins: (C,) the bin of each comparison.
    """
    pairs = zip(COMPARISONS, bins, strict=True)
    return " | ".join(f"{comparison.name}: {comparison.bins[int(bin) - 1]}" for comparison, bin in pairs if bin)


def match_column(table: pa.Table) -> np.ndarray:
    """(n, C) uint8: the bins in the column `match` of n pairs; zeros, nothing known, where the table has none."""
    if "match" not in table.column_names:
        return np.zeros((table.num_rows, len(COMPARISONS)), np.uint8)
    bins: np.ndarray = table["match"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.uint8)
    return bins.reshape(table.num_rows, len(COMPARISONS))
