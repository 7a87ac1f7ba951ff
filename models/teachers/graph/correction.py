"""What G0 and G1 share: a correction that is added to the text teacher's logits where both sides have neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models.teachers.graph.config import GraphConfig
from models.teachers.graph.market import Market
from models.teachers.graph.structure import FEATURES, Neighbourhood, Structure
from models.training.device import device_of, to_device
from models.training.rows import Rows

AT_ONCE = 4_096
"""Pairs that are scored together."""


class Correction(nn.Module, ABC):
    """A model of logits (n, tasks) that are added to those of the texts; zeros until it has learned.

    Attributes:
        tasks: In the order of the logits.
        position: Logits of places, as the text teacher learned them; left out in scoring.
        structure: Of how walks meet; None where that is not read.
    """

    thresholds: nn.Parameter | None = None
    basis: Tensor
    centre: Tensor

    def __init__(self, tasks: tuple[str, ...], position: Tensor, vectors: np.ndarray, config: GraphConfig) -> None:
        """Build the model.

        Args:
            tasks: Of the text teacher.
            position: (places, tasks) logits of places to start with.
            vectors: (nodes, dim) frozen text vectors, from whose principal components it reads.
            config: Widths.
        """
        super().__init__()
        self.tasks = tasks
        self.position = nn.Embedding.from_pretrained(position.clone(), freeze=False)
        self.structure = Structure(len(tasks), config.width, config.dropout) if config.structure else None
        centre, basis = _components(vectors, config.inputs)
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("basis", torch.from_numpy(basis))

    @property
    def inputs(self) -> int:
        """Numbers of a vector that is read."""
        return self.basis.shape[1]

    def read(self, vectors: np.ndarray) -> np.ndarray:
        """(n, inputs) float32 of text vectors (n, dim); zeros stay zeros."""
        known = vectors.any(axis=1, keepdims=True)
        return np.asarray((vectors - self.centre.cpu().numpy() * known) @ self.basis.cpu().numpy(), np.float32)


def _components(vectors: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean (dim,) and the first principal axes (dim, inputs) float32, scaled to states of mean square 1."""
    some = vectors[vectors.any(axis=1)].astype(np.float64)
    if len(some) < 2:
        return np.zeros(vectors.shape[1], np.float32), np.eye(vectors.shape[1], most, dtype=np.float32)
    values, axes = np.linalg.eigh(np.cov(some.T))
    scale = np.sqrt(max(float(values[::-1][:most].mean()), 1e-12))
    return some.mean(axis=0).astype(np.float32), (axes[:, ::-1][:, :most] / scale).astype(np.float32)


class CorrectedPairs(ABC):
    """Rows with the correction that scores them: the protocol that `models.teachers.fit_text.Loss` learns by."""

    def __init__(
        self, rows: Rows, model: Correction, market: Market, text: np.ndarray, needed: np.ndarray, config: GraphConfig
    ) -> None:
        """Read the graph around some rows.

        Args:
            rows: The training set.
            model: Scores them.
            market: Of the rows.
            text: (n, tasks) float32 logits of the text teacher; read of `needed`.
            needed: (m,) numbers of the rows that are learned from or scored, ascending.
            config: Knobs.
        """
        self.rows, self.model, self.market, self.config = rows, model, market, config
        self.text, self.needed = text, needed
        hood = Neighbourhood(market, needed, config.walks)
        self.found = hood.found
        self.meetings = hood.meetings() if config.structure else np.zeros((len(needed), FEATURES), np.float32)
        self.take(hood)

    @abstractmethod
    def take(self, hood: Neighbourhood) -> None:
        """Keep what else is read of the neighbourhoods."""

    def standardise(self, chosen: np.ndarray) -> None:
        """Take scales from the training rows."""
        if self.model.structure is not None:
            self.model.structure.standardise(self.meetings[self.places(chosen)])

    def places(self, chosen: np.ndarray) -> np.ndarray:
        """Where rows stand among `needed`."""
        return np.searchsorted(self.needed, chosen)

    def logits(self, chosen: np.ndarray) -> Tensor:
        device, places = device_of(self.model), self.places(chosen)
        added = self.around(places)
        if self.model.structure is not None:
            added = added + self.model.structure(to_device(self.meetings[places], device))
        found = to_device(self.found[places], device)
        return to_device(self.text[chosen], device) + torch.where(found[:, None], added, 0.0)

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(chosen), AT_ONCE):
            batch = chosen[start : start + AT_ONCE]
            yield batch, self.logits(batch)

    @abstractmethod
    def around(self, places: np.ndarray) -> Tensor:
        """Logits (b, tasks) of the neighbourhoods at some places (b,), before those of structure."""
