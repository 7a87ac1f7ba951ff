"""Candidate links: every combination of meta links that hires show often enough, counted over hires and non-hires.

Grown by one meta link at a time: a combination is no more frequent than any part of it, so what is too rare is never
grown. Source: arXiv 2402.13435, the section on auto-targeting; the growing is Apriori (Agrawal and Srikant 1994).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import sparse

from retrieval.links.templates import Pair
from retrieval.links.values import Value, Values

_CHUNK = 2_048
"""Links that are grown at once, which bounds memory."""

Meta = tuple[Value, Value]
"""A meta link: a value of the member, a value of the job."""
Ends = tuple[tuple[Value, ...], tuple[Value, ...]]
"""What a link joins: values of the member and values of the job, each sorted. It holds where all of them are had."""


class CandidateLinks(NamedTuple):
    """c links over n pairs. holds: (n, c) bool CSC, whether a link holds for a pair; hires, non_hires: (c,) int64."""

    links: list[Ends]
    holds: sparse.csc_array
    hires: np.ndarray
    non_hires: np.ndarray

    def __len__(self) -> int:
        return len(self.links)

    def take(self, rows: np.ndarray) -> CandidateLinks:
        links = [self.links[row] for row in rows]
        return CandidateLinks(links, self.holds[:, rows], self.hires[rows], self.non_hires[rows])


def meta_links(member: Values, job: Values, pairs: Sequence[Pair]) -> set[Meta]:
    """The templates' instances in one pair of member and job."""
    return {
        (have, need)
        for pair in pairs
        for have, need in product(
            (v for v in member if v.attribute == pair.member), (v for v in job if v.attribute == pair.job)
        )
    }


def enumerate_links(
    metas: Sequence[set[Meta]], hired: np.ndarray, max_size: int, least_hires: int, least_ratio: float = 0.0
) -> CandidateLinks:
    """Links of up to `max_size` meta links that hold in `least_hires` hires and pass the ratio.

    Nothing is grown by the ratio, since a part may be too common where the whole is not. Two combinations with the same
    ends are one link.

    Args:
        metas: The meta links of each of n pairs.
        hired: (n,) bool.
        max_size: Meta links in a link at most.
        least_hires: Hires that must show a link.
        least_ratio: Of hires to non-hires, which are weighed so that both classes weigh the same.

    Returns:
        The links, by size, then by ends.
    """
    names, singles = _matrix(metas, hired, least_hires)
    hire_rows = np.flatnonzero(hired)
    frontier = singles
    members = np.arange(singles.shape[1])[:, None]  # (links, size): numbers of the meta links in each
    number_of: dict[Ends, int] = {}
    parts: list[sparse.csc_array] = []
    size, total = 1, 0
    while members.shape[0]:
        fresh: list[int] = []
        for row, numbers in enumerate(members):
            ends = _ends([names[i] for i in numbers])
            if ends not in number_of:
                number_of[ends] = total + len(fresh)
                fresh.append(row)
        parts.append(frontier[:, fresh])
        total += len(fresh)
        if size == max_size:
            break
        grown = list(_grow(frontier, members, singles, hire_rows, least_hires))
        if not grown:
            break
        frontier = sparse.csc_array(sparse.hstack([block for block, _ in grown], format="csc"))
        members = np.concatenate([numbers for _, numbers in grown])
        size += 1
    links = list(number_of)
    holds = sparse.csc_array(sparse.hstack(parts, format="csc")) if parts else singles
    order = np.array(sorted(range(len(links)), key=lambda i: (_size(links[i]), links[i])), np.int64)
    hires = _counts(holds[hire_rows])[order]
    non_hires = _counts(holds)[order] - hires
    every = CandidateLinks([links[i] for i in order], holds[:, order], hires, non_hires)
    return every.take(np.flatnonzero(hires >= least_ratio * non_hires * balance(hired)))


def balance(hired: np.ndarray) -> float:
    """The weight of a non-hire with which both classes weigh the same. hired: (n,) bool."""
    return float(hired.sum() / max((~hired).sum(), 1))


def _matrix(metas: Sequence[set[Meta]], hired: np.ndarray, least_hires: int) -> tuple[list[Meta], sparse.csc_array]:
    """The meta links in enough hires, sorted, and (n, m) bool CSC: the pairs that show them."""
    seen: dict[Meta, int] = {}
    for row in np.flatnonzero(hired).tolist():
        for meta in metas[row]:
            seen[meta] = seen.get(meta, 0) + 1
    names = sorted(meta for meta, count in seen.items() if count >= least_hires)
    column = {meta: i for i, meta in enumerate(names)}
    columns = [sorted(column[meta] for meta in links if meta in column) for links in metas]
    starts = np.concatenate([[0], np.cumsum([len(c) for c in columns], dtype=np.int64)])
    flat = np.fromiter((i for c in columns for i in c), np.int64, count=int(starts[-1]))
    shape = (len(metas), len(names))
    return names, sparse.csc_array(sparse.csr_array((np.ones(len(flat), bool), flat, starts), shape=shape))


def _grow(
    frontier: sparse.csc_array, members: np.ndarray, matrix: sparse.csc_array, hire_rows: np.ndarray, least_hires: int
) -> Iterator[tuple[sparse.csc_array, np.ndarray]]:
    """Every link of `frontier` with one more meta link of a higher number, where enough hires show both."""
    singles = matrix[hire_rows].astype(np.int32)
    for start in range(0, members.shape[0], _CHUNK):
        chunk = slice(start, start + _CHUNK)
        both = sparse.coo_array(frontier[:, chunk][hire_rows].astype(np.int32).T @ singles)
        row, column = both.coords
        kept = (both.data >= least_hires) & (column > members[chunk][row, -1])
        row, column = row[kept] + start, column[kept]
        order = np.lexsort((column, row))
        row, column = row[order], column[order]
        if len(row):
            numbers = np.concatenate([members[row], column[:, None]], axis=1)
            yield sparse.csc_array(frontier[:, row].multiply(matrix[:, column])), numbers


def _ends(metas: Sequence[Meta]) -> Ends:
    return tuple(sorted({have for have, _ in metas})), tuple(sorted({need for _, need in metas}))


def _size(ends: Ends) -> int:
    return len(ends[0]) + len(ends[1])


def _counts(holds: sparse.csc_array) -> np.ndarray:
    return np.asarray(holds.sum(axis=0, dtype=np.int64)).ravel()
