"""What an encoder makes of all texts alike, taken off its vectors so far that unrelated titles lie as far apart as
those of the embedded encoder do.

Some encoders, multilingual-e5-small among them, put every text into a narrow cone: titles that have nothing to do with
each other have a cosine of 0.85. Their order of jobs is good, and yet each cosine that is compared with a number (the
bins of the match, the judge's closeness of titles, duplicates, reasons) would call all titles alike. The mean of
unrelated texts, subtracted, opens the cone; how much of it is subtracted is found on a list that people edit.

Source: Mu and Viswanath, All-but-the-top (arXiv 1702.01417), of which this is the first step, and in part.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import torch
from torch import Tensor

from contracts.documents import read_yaml
from models.layers.backbone import l2_normalize

UNRELATED = 0.28
"""Mean cosine of the unrelated English titles by the embedded encoder, by which those numbers were set."""
NARROW = 0.4
"""Mean cosine from which on an encoder's cone counts as narrow."""
_STEPS = 24


def unrelated_titles() -> dict[str, list[str]]:
    """Language -> titles of work that have nothing to do with each other, from `unrelated.yaml`."""
    text = resources.files("models.encoder").joinpath("unrelated.yaml").read_text("utf-8")
    found: dict[str, list[str]] = read_yaml(text, "unrelated.yaml")
    return found


def centre_of(encode: Callable[[list[str]], Tensor]) -> Tensor | None:
    """(dim,) float32 to subtract from the unit vectors of an encoder; None where its cone is not narrow.

    encode: texts to unit vectors (n, dim).
    """
    vectors = torch.stack([encode(titles) for titles in unrelated_titles().values()])  # (languages, titles, dim)
    if _mean_cosine(vectors) < NARROW:
        return None
    mean, low, high = vectors.mean((0, 1)), 0.0, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        low, high = (share, high) if _mean_cosine(l2_normalize(vectors - share * mean)) > UNRELATED else (low, share)
    return high * mean


def _mean_cosine(vectors: Tensor) -> float:
    """Of two different titles of one language, over all languages; vectors: (languages, titles, dim) of length 1."""
    count = vectors.shape[1]
    products = vectors @ vectors.transpose(1, 2)
    return float((products.sum((1, 2)) - count).mean() / (count * (count - 1)))
