"""STUB of the match of a request and jobs of the index; the real one comes with the merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from contracts.match import COMPARISONS
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.request import Request


class RequestTitles(NamedTuple):
    """Unit vectors of the titles that a request names, (any number, dim) float32 each."""

    own: np.ndarray
    wished: np.ndarray
    whole: np.ndarray


def encode_titles(encoder: TextEncoder, request: Request) -> RequestTitles:
    """Vectors of the titles that a request names."""
    return encode_all_titles(encoder, [request])[0]


def encode_all_titles(encoder: TextEncoder, requests: Sequence[Request]) -> list[RequestTitles]:
    """Vectors of the titles that many requests name."""
    return [RequestTitles(*[np.zeros((0, encoder.dim), np.float32)] * 3) for _ in requests]


def match_bins(index: JobIndex, request: Request, rows: np.ndarray, titles: RequestTitles) -> np.ndarray:
    """(n, C) uint8 bins of the jobs in `rows`."""
    return np.zeros((len(rows), len(COMPARISONS)), np.uint8)
