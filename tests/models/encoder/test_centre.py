"""What an encoder makes of all texts alike is taken off so far that cosines mean what the numbers they meet assume."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.encoder.centre import NARROW, UNRELATED, centre_of, unrelated_titles
from models.layers.backbone import l2_normalize


def encoder(common: float) -> tuple[dict[str, Tensor], Tensor]:
    """Vectors of the titles around one direction, which is `common` times as long as what tells them apart."""
    torch.manual_seed(0)
    titles = [title for some in unrelated_titles().values() for title in some]
    cone = l2_normalize(torch.randn(64)) * common
    return dict(zip(titles, l2_normalize(cone + l2_normalize(torch.randn(len(titles), 64))), strict=True)), cone


def mean_cosine(vectors: Tensor) -> float:
    products = (vectors @ vectors.T).numpy()
    return float(products[~np.eye(len(products), dtype=bool)].mean())


def test_every_language_has_as_many_titles_and_none_twice() -> None:
    titles = unrelated_titles()
    assert len({len(some) for some in titles.values()}) == 1 and len(titles) >= 7
    assert all(len(set(some)) == len(some) for some in titles.values())


def test_a_narrow_cone_is_opened_to_where_unrelated_titles_belong() -> None:
    known, _ = encoder(common=2.5)
    vectors = torch.stack(list(known.values()))
    assert mean_cosine(vectors) > 0.8
    centre = centre_of(lambda titles: torch.stack([known[title] for title in titles]))
    assert centre is not None
    assert mean_cosine(l2_normalize(vectors - centre)) == pytest.approx(UNRELATED, abs=0.03)


def test_an_encoder_whose_cone_is_wide_stays_as_it_is() -> None:
    known, _ = encoder(common=0.7)
    assert UNRELATED < mean_cosine(torch.stack(list(known.values()))) < NARROW
    assert centre_of(lambda titles: torch.stack([known[title] for title in titles])) is None
