"""G0: means of frozen text vectors over neighbours of one and two hops, a relation each, and two small MLPs.

All that is read of the graph is computed once, so an epoch costs as much as one of any small network.

Source: SIGN, Frasca et al. 2020 (arXiv 2004.11198); its operators are metapaths here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from history.graph.walks import JOB_PATHS, MEMBER_PATHS, Queries
from models.teachers.graph.config import GraphConfig
from models.teachers.graph.correction import CorrectedPairs, Correction
from models.teachers.graph.market import Market, Walked
from models.teachers.graph.structure import Neighbourhood
from models.training.device import device_of, to_device


class Sign(Correction):
    """Two MLPs over a node's own vector and its means; their product gives the logits."""

    def __init__(self, tasks: tuple[str, ...], position: Tensor, vectors: np.ndarray, config: GraphConfig) -> None:
        super().__init__(tasks, position, vectors, config)
        self.member, self.job = (
            nn.Sequential(
                nn.Linear((1 + len(paths)) * self.inputs, 2 * config.width),
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(2 * config.width, config.width),
            )
            for paths in (MEMBER_PATHS, JOB_PATHS)
        )
        self.out = nn.Linear(config.width, len(tasks))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, member: Tensor, job: Tensor) -> Tensor:
        """Logits (n, tasks) float32 of what is read of n members and of n jobs, (n, paths * inputs) each."""
        logits: Tensor = self.out(self.member(member) * self.job(job))
        return logits.float()


def inputs_around(read: np.ndarray, market: Market, queries: Queries, walks: Sequence[Walked]) -> np.ndarray:
    """(q, (1 + paths) * inputs) float32: of each origin its own vector and the means over what each path reaches.

    read: (nodes, inputs) from `Correction.read`; walks: of each path, from the queries.
    """
    own = np.where(market.told(queries.origins, queries.times)[:, None], read[queries.origins], 0).astype(np.float32)
    return np.concatenate([own, *(walked.means(read, market, queries.times) for walked in walks)], axis=1)


class SignPairs(CorrectedPairs):
    """Rows with the means around their members and jobs."""

    model: Sign

    def take(self, hood: Neighbourhood) -> None:
        read = self.model.read(self.market.vectors)
        self._inputs = []
        for side, walks, paths in ((hood.members, hood.of_members, MEMBER_PATHS), (hood.jobs, hood.of_jobs, JOB_PATHS)):
            means = inputs_around(read, self.market, side.queries, [walks[name] for name in paths])
            self._inputs.append((means, side.of_pair))

    def around(self, places: np.ndarray) -> Tensor:
        device = device_of(self.model)
        logits: Tensor = self.model(*(to_device(means[of_pair[places]], device) for means, of_pair in self._inputs))
        return logits
