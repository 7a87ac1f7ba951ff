"""STUB of the match of a request and jobs of the index; the real one comes with the merge."""

from __future__ import annotations

from typing import Any

import numpy as np

from contracts.match import COMPARISONS
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.request import Request


def encode_titles(encoder: TextEncoder, request: Request) -> Any:
    """Vectors of the titles that a request names."""
    return None


def match_bins(index: JobIndex, request: Request, rows: np.ndarray, titles: Any) -> np.ndarray:
    """(n, C) uint8 bins of the jobs in `rows`."""
    return np.zeros((len(rows), len(COMPARISONS)), np.uint8)
