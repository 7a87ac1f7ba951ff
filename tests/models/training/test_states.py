"""What was kept of a text is what reading it again would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.layers.backbone import Backbone
from models.training.states import TextStates

TEXTS = ["welder in Tampa", "nurse", "", "pilot of large and small planes " * 5]


@pytest.fixture(scope="module")
def read(tiny: Path) -> tuple[Backbone, list[list[int]]]:
    return Backbone(tiny).eval(), token_ids(open_tokenizer(tiny, 32), TEXTS)


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("memory_mb", [0, 100])
def test_layers_above_the_states_end_where_the_whole_backbone_ends(
    read: tuple[Backbone, list[list[int]]], layers: int, memory_mb: int
) -> None:
    backbone, tokens = read
    states = TextStates(backbone, tokens, layers, memory_mb)
    texts = np.array([3, 0, 0, 2])
    with torch.no_grad():
        for _ in range(2):  # the second time from memory, where there is any
            hidden, mask = states.batch(texts)
            found = backbone.run(hidden, mask, layers)
        ids, expected_mask = (torch.from_numpy(a) for a in pad([tokens[i] for i in texts]))
        expected = backbone(ids, expected_mask)
    assert torch.equal(mask, expected_mask)
    assert torch.allclose(found[mask.bool()], expected[mask.bool()], atol=0.05)  # bfloat16, kept as float16


def test_what_is_kept_while_training_is_not_random(tiny: Path) -> None:
    backbone = Backbone(tiny).train()
    tokens = token_ids(open_tokenizer(tiny, 32), TEXTS)
    first, second = (TextStates(backbone, tokens, layers=1, memory_mb=1).batch(np.arange(4))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_no_more_is_kept_than_was_allowed(read: tuple[Backbone, list[list[int]]]) -> None:
    backbone, _ = read
    tokens = [[5] * 500] * 100  # 32 kB each as float16
    states = TextStates(backbone, tokens, 1, memory_mb=1)
    states.batch(np.arange(100))
    assert sum(row.nbytes for row in states._kept.values()) <= 1_000_000
