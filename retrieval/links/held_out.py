"""Whether links find the hires that they were not learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contracts.values import FrozenModel
from retrieval.links.graph import LinkGraph

if TYPE_CHECKING:
    from retrieval.links.then import Pairs

DRAWN = 10.0
"""Jobs drawn by lot a held-out hire."""
CERTAIN = 0.05
"""Probability under which chance alone is not believed."""


class HeldOutHires(FrozenModel):
    """hires: held out, of which `found` are joined by a link; drawn: the same members with other jobs, `joined` so."""

    hires: int
    found: int
    drawn: int
    joined: int

    @property
    def is_proof(self) -> bool:
        """Whether hires are found more often than jobs drawn by lot, by Fisher's exact test (one-sided)."""
        from scipy.stats import fisher_exact

        table = [[self.found, self.hires - self.found], [self.joined, self.drawn - self.joined]]
        return bool(fisher_exact(table, alternative="greater").pvalue < CERTAIN)

    def __str__(self) -> str:
        by_links, by_lot = self.found / self.hires, self.joined / self.drawn
        told = f"of {self.hires:,} later hires {self.found:,} are found ({by_links:.0%}), by lot {by_lot:.0%}"
        return told if self.is_proof else f"{told}: so few do not tell"


def held_out_hires(graph: LinkGraph, pairs: Pairs) -> HeldOutHires | None:
    """Count the pairs that some link joins; None where there is no hire, or nothing else."""
    if not pairs.hired.any() or pairs.hired.all():
        return None
    joined = np.array(
        [
            bool(np.intersect1d(graph.of_member(member), graph.of_job(job), assume_unique=True).size)
            for member, job in zip(pairs.members, pairs.jobs, strict=True)
        ],
        bool,
    )
    hired = pairs.hired
    return HeldOutHires(hires=hired.sum(), found=joined[hired].sum(), drawn=(~hired).sum(), joined=joined[~hired].sum())
