"""Hidden states of texts that leave the frozen layers, computed once a text: texts are few, pairs are many."""

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
    """States that enter a layer of a backbone, by text. The layers below must not be trained.

    Attributes:
        layers: Number of layers below.
        lengths: (texts,) int64 tokens of each text.
    """

    def __init__(
        self,
        backbone: Backbone,
        tokens: Sequence[Sequence[int]],
        layers: int,
        memory_mb: int,
        precision: Arithmetic = "auto",
    ) -> None:
        """Nothing is computed yet.

        Args:
            backbone: Computes the states.
            tokens: Token ids of each text.
            layers: Number of frozen layers.
            memory_mb: Most MB (10^6 bytes) of states to keep, as float16; the others are computed at each use.
            precision: Of the frozen layers.
        """
        self.layers, self._precision = layers, precision
        self.lengths = np.array([len(ids) for ids in tokens], np.int64)
        self._backbone, self._tokens = backbone, tokens
        self._kept: dict[int, np.ndarray] = {}
        self._room = memory_mb * 1_000_000 if layers else 0  # looking up an embedding is cheaper than keeping it

    def __len__(self) -> int:
        return len(self._tokens)

    def batch(self, texts: np.ndarray) -> tuple[Tensor, Tensor]:
        """States (n, len, H) float32, zero-padded, and mask (n, len) int64 of the texts with numbers `texts` (n,)."""
        device = device_of(self._backbone)
        ids, mask = pad([self._tokens[i] for i in texts])
        if not self.layers:
            return self._backbone.embed(to_device(ids, device)), to_device(mask, device)
        states = self._states(texts)
        hidden = np.zeros((*ids.shape, self._backbone.hidden), np.float32)
        for i, of_text in enumerate(states):
            hidden[i, : len(of_text)] = of_text
        return to_device(hidden, device), to_device(mask, device)

    def _states(self, texts: np.ndarray) -> list[np.ndarray]:
        new: dict[int, np.ndarray] = {}
        absent = np.array([i for i in dict.fromkeys(texts.tolist()) if i not in self._kept], np.int64)
        for chosen in by_length(self.lengths[absent], BATCH_TOKENS):
            for i, states in zip(absent[chosen], self._compute(absent[chosen]), strict=True):
                new[int(i)] = states
                if states.nbytes <= self._room:
                    self._kept[int(i)] = states
                    self._room -= states.nbytes
        return [self._kept[i] if i in self._kept else new[i] for i in texts.tolist()]

    def _compute(self, texts: np.ndarray) -> list[np.ndarray]:
        device = device_of(self._backbone)
        ids, mask = (to_device(array, device) for array in pad([self._tokens[i] for i in texts]))
        with torch.no_grad(), autocast(device, self._precision):
            hidden = self._backbone.run(self._backbone.embed(ids), mask, 0, self.layers)
        states = hidden.to(torch.float16).cpu().numpy()
        return [of_text[: len(self._tokens[i])].copy() for i, of_text in zip(texts, states, strict=True)]
