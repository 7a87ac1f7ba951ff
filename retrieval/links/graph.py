"""The graph: links in the order of their quality, which of them a member or a job has, and why each is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from retrieval.links.values import Value, Values


class Link(NamedTuple):
    """Members with all values of `member` were hired for jobs with all values of `job`.

    Attributes:
        quality: A weight, or a share of hires.
        hires: Pairs of the log with a hire that show it.
        non_hires: Pairs of the log without one that show it.
        pinned: Given to every member who has it, before others and whatever the liquidity.
        note: Who added or pinned it and why, else empty.
    """

    member: tuple[Value, ...]
    job: tuple[Value, ...]
    quality: float
    hires: int = 0
    non_hires: int = 0
    pinned: bool = False
    note: str = ""

    def explain(self) -> str:
        """The link in a sentence: "members with skill triage were hired as nurse: 41 hires, weight 1.70"."""
        have = " and ".join(_MEMBER_WORDS[v.attribute].format(v.value) for v in self.member)
        need = ", ".join(_JOB_WORDS[v.attribute].format(v.value) for v in self.job)
        if not self.hires:  # people added it; the log shows nobody
            return f"members {have} are to be shown jobs {need}: {self.note or f'weight {self.quality:.2f}'}"
        return f"members {have} were hired {need}: {self._why()}"

    def _why(self) -> str:
        counted = f"{self.hires:,} {'hire' if self.hires == 1 else 'hires'}, weight {self.quality:.2f}"
        return f"{counted}; {self.note}" if self.note else counted

    @property
    def ends(self) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        return self.member, self.job


_MEMBER_WORDS = {
    "title": "who work as {}",
    "wish": "who look for work as {}",
    "word": "called {}",
    "family": "whose work is {}",
    "skills": "with skill {}",
    "seniority": "at {} level",
    "industry": "from {}",
    "place": "in {}",
    "region": "in region {}",
    "workplace": "who want {} work",
    "company": "of {}",
    "degree": "with degree {}",
}
_JOB_WORDS = {
    "title": "as {}",
    "word": "for work called {}",
    "family": "for work as {}",
    "skills": "for skill {}",
    "seniority": "at {} level",
    "industry": "in {}",
    "place": "in {}",
    "region": "in region {}",
    "workplace": "for {} work",
    "employment": "in {} employment",
    "company": "by {}",
}


class LinkGraph:
    """Holds the links; a link's place is its node id, so that lower ids are better links.

    A node stands for both ends of its link (the segments of the paper's four layers become one), so that a member and a
    job match where they share a node.
    """

    def __init__(self, links: Iterable[Link]) -> None:
        self.links = tuple(sorted(links, key=lambda link: (not link.pinned, -link.quality, link.ends)))
        self.quality = np.array([link.quality for link in self.links], np.float32)
        self.pinned = sum(link.pinned for link in self.links)
        self._members = _Side([link.member for link in self.links])
        self._jobs = _Side([link.job for link in self.links])

    def __len__(self) -> int:
        return len(self.links)

    def of_member(self, values: Values) -> np.ndarray:
        """(q,) int32 node ids ascending, best first: the links all of whose member's values are in `values`."""
        return self._members.inside(values)

    def of_job(self, values: Values) -> np.ndarray:
        """(q,) int32 node ids ascending: the links all of whose job's values are in `values`."""
        return self._jobs.inside(values)


class _Side:
    """One end of every link, inverted: value -> the links that name it."""

    def __init__(self, ends: Sequence[tuple[Value, ...]]) -> None:
        self._sizes = np.array([len(end) for end in ends], np.int64)
        named: dict[Value, list[int]] = {}
        for node, end in enumerate(ends):
            for value in end:
                named.setdefault(value, []).append(node)
        self._named = {value: np.array(nodes, np.int64) for value, nodes in named.items()}

    def inside(self, values: Values) -> np.ndarray:
        named = [self._named[value] for value in values if value in self._named]
        if not named:
            return np.zeros(0, np.int32)
        counts = np.bincount(np.concatenate(named), minlength=len(self._sizes))
        return np.flatnonzero(counts == self._sizes).astype(np.int32)


def until_liquid(
    nodes: np.ndarray, rows_of: Callable[[int], np.ndarray], open_jobs: np.ndarray, liquidity: int, pinned: int = 0
) -> np.ndarray:
    """The first of a member's nodes, as many as it takes to reach `liquidity` open jobs, or all of them.

    Args:
        nodes: (q,) node ids, best first.
        rows_of: Node to (r,) rows of its jobs.
        open_jobs: (n,) bool by row.
        liquidity: Open jobs to reach.
        pinned: Node ids below it are taken in any case.

    Source: Learning to retrieve for job matching (arXiv 2402.13435), where liquidity is theta.
    """
    reached = np.zeros(len(open_jobs), bool)
    count, taken = 0, []
    for node in nodes.tolist():
        if node >= pinned and count >= liquidity:
            break
        rows = rows_of(node)
        fresh = rows[open_jobs[rows] & ~reached[rows]]
        taken.append(node)
        reached[fresh] = True
        count += len(fresh)
    return np.array(taken, np.int32)
