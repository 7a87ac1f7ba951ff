"""Hidden states of texts below the trained layers: texts are few and pairs are many, so each is read once and kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from contracts.text.token_ids import pad
from models.config import Arithmetic
from models.layers.backbone import Backbone
from models.training.device import autocast, device_of, to_device
from models.training.rows import by_length

BATCH_TOKENS = 8_192


class TextStates:
    """What enters layer `layers` of a backbone, for texts given as token ids. Layers below it must not change.

    lengths: (texts,) int64, tokens of each. Holds states as float16, at most `memory_mb` of them; what does not fit is
    computed again at each use.
    """

    def __init__(
        self,
        backbone: Backbone,
        tokens: Sequence[Sequence[int]],
        layers: int,
        memory_mb: int,
        precision: Arithmetic = "auto",
    ) -> None:
        self.layers, self._precision = layers, precision
        self.lengths = np.array([len(ids) for ids in tokens], np.int64)
        self._backbone, self._tokens = backbone, tokens
        self._kept: dict[int, np.ndarray] = {}
        self._room = memory_mb * 1_000_000 if layers else 0  # looking up an embedding is cheaper than keeping it

    def __len__(self) -> int:
        return len(self._tokens)

    def batch(self, texts: np.ndarray) -> tuple[Tensor, Tensor]:
        """States (n, len, H) float32 and mask (n, len) int64 of the texts with these numbers, zero-padded."""
        device = device_of(self._backbone)
        ids, mask = pad([self._tokens[i] for i in texts])
        if not self.layers:
            return self._backbone.embed(to_device(ids, device)), to_device(mask, device)
        rows = self._states(texts)
        hidden = np.zeros((*ids.shape, self._backbone.hidden), np.float32)
        for i, row in enumerate(rows):
            hidden[i, : len(row)] = row
        return to_device(hidden, device), to_device(mask, device)

    def _states(self, texts: np.ndarray) -> list[np.ndarray]:
        made: dict[int, np.ndarray] = {}
        absent = np.array([i for i in dict.fromkeys(texts.tolist()) if i not in self._kept], np.int64)
        for chosen in by_length(self.lengths[absent], BATCH_TOKENS):
            for i, row in zip(absent[chosen], self._read(absent[chosen]), strict=True):
                made[int(i)] = row
                if row.nbytes <= self._room:
                    self._kept[int(i)] = row
                    self._room -= row.nbytes
        return [self._kept[i] if i in self._kept else made[i] for i in texts.tolist()]

    def _read(self, texts: np.ndarray) -> list[np.ndarray]:
        device = device_of(self._backbone)
        ids, mask = (to_device(array, device) for array in pad([self._tokens[i] for i in texts]))
        with torch.no_grad(), autocast(device, self._precision):
            hidden = self._backbone.run(self._backbone.embed(ids), mask, 0, self.layers)
        states = hidden.to(torch.float16).cpu().numpy()
        return [row[: len(self._tokens[i])].copy() for i, row in zip(texts, states, strict=True)]
