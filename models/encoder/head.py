"""The head of the retrieval encoder: one matrix that maps the vectors of requests and of jobs, learned from pairs.

The encoder below it stays as it is, so that every text is encoded once and a step multiplies matrices: seconds where
training the whole encoder takes minutes. It starts as the identity, that is as the encoder came.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from models.config import HeadTraining
from models.encoder.contrast import contrastive
from models.encoder.positives import Positives
from models.layers.backbone import l2_normalize

NEGATIVES = 2_048
"""Jobs of a step at most: those of its pairs, and any others of the inventory."""


def train_head(requests: np.ndarray, jobs: np.ndarray, positives: Positives, config: HeadTraining) -> np.ndarray:
    """(dim, dim) float32 by which the job that was taken lies nearer to its request than other jobs.

    Dropout on the inputs keeps it from leaning on few numbers of a vector, the pull towards the identity from
    forgetting what was not asked for.

    Args:
        requests: (r, dim) float32 unit vectors of the requests of `positives`.
        jobs: (j, dim) float32 unit vectors of its jobs.
        positives: The pairs.
        config: The knobs.
    """
    rng = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    identity = torch.eye(requests.shape[1])
    head = nn.Parameter(identity.clone())
    optimizer = torch.optim.Adam([head], lr=config.learning_rate)
    for _ in range(config.epochs):
        order = rng.permutation(len(positives))
        for start in range(0, len(order), config.batch):
            pairs = order[start : start + config.batch]
            own = np.unique(positives.job[pairs])
            others = rng.choice(len(jobs), min(len(jobs), max(0, NEGATIVES - len(own))), replace=False)
            among, column = np.unique(np.concatenate([positives.job[pairs], own, others]), return_inverse=True)
            sides = (
                l2_normalize(_dropped(vectors, config.dropout, generator) @ head.T)
                for vectors in (requests[positives.request[pairs]], jobs[among])
            )
            asked, offered = sides
            loss = contrastive(
                asked @ offered.T,
                torch.from_numpy(column[: len(pairs)]),
                torch.from_numpy(positives.allowed(pairs, among)),
                torch.from_numpy(positives.weight[pairs]),
                config.scale,
            )
            loss = loss + config.anchor * ((head - identity) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return head.detach().numpy()


def _dropped(vectors: np.ndarray, share: float, generator: torch.Generator) -> torch.Tensor:
    """The vectors with a share of their numbers 0 and the others as much larger."""
    whole = torch.from_numpy(vectors)
    return whole * (torch.rand(whole.shape, generator=generator) >= share) / (1 - share)
