"""The encoding of a request as a feature: read back to the bit, and taken for no other request."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranking.encoding import KEY_BYTES, encode_request, of_feature, to_feature
from ranking.match import titles_named
from retrieval.facts import Facts
from retrieval.request import Request

DIM = 3
_words = st.text(st.characters(codec="utf-8"), max_size=12)
_titles = st.lists(_words, max_size=5).map(tuple)


def request(text: str, own: tuple[str, ...] = (), wished: tuple[str, ...] = (), query: str = "") -> Request:
    facts = Facts(own_titles=own, wished_titles=wished)
    return Request(text, query, "", "", "", datetime(2026, 1, 1, tzinfo=UTC), facts=facts)


class Numbers:
    """Stands for an encoder where only the form of the feature is looked at: a vector of its own for each text."""

    version, dim = "numbers", DIM

    def encode(self, texts: list[str], side: str) -> np.ndarray:
        return np.array([[len(text), hash(text) % 1_000, 1] for text in texts], np.float32) / 7

    def titles(self, titles: list[str]) -> np.ndarray:
        return -self.encode(titles, "request")


@given(_words, _titles, _titles)
def test_what_is_kept_is_read_back_to_the_bit(text: str, own: tuple[str, ...], wished: tuple[str, ...]) -> None:
    asked = request(text, own, wished)
    encoded = encode_request(Numbers(), asked)
    value = to_feature("numbers", asked, encoded)
    assert len(value) == KEY_BYTES + (1 + len(set(titles_named(asked)))) * DIM * 4
    again = of_feature(value, "numbers", DIM, asked)
    assert again is not None and again.titles is not None and encoded.titles is not None
    assert np.array_equal(again.vector, encoded.vector)
    for kept, made in zip(again.titles, encoded.titles, strict=True):
        assert kept.shape == made.shape and kept.dtype == np.float32 and np.array_equal(kept, made)


ASKED = request("headline: nurse", ("nurse",), ("head nurse", "nurse"))


@pytest.mark.parametrize(
    "other",
    [
        request("viewed: a job | headline: nurse", ("nurse",), ("head nurse", "nurse")),
        request("headline: nurse", ("nurse",), ("nurse",)),
        request("headline: nurse", ("nurse", "head nurse"), ("nurse",)),
        request("headline: nurse", ("nurse",), ("head nurse", "nurse"), query="nurse"),
    ],
    ids=["activity", "titles", "titles of the other kind", "query"],
)
def test_it_is_taken_for_no_other_request(other: Request) -> None:
    value = to_feature("numbers", ASKED, encode_request(Numbers(), ASKED))
    assert of_feature(value, "numbers", DIM, ASKED) is not None
    assert of_feature(value, "numbers", DIM, other) is None


def test_nor_for_that_of_another_encoder_nor_where_it_is_missing_or_cut_off() -> None:
    value = to_feature("numbers", ASKED, encode_request(Numbers(), ASKED))
    assert of_feature(value, "others", DIM, ASKED) is None
    assert of_feature(b"", "numbers", DIM, ASKED) is None
    assert of_feature(value[:-1], "numbers", DIM, ASKED) is None
    assert of_feature(value[:KEY_BYTES], "numbers", DIM, ASKED) is None
