"""The words of the market: enough of them, drawn so that words alone do not give the answer away."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.errors import UnreadableFile
from simulator import Catalogue, Truth
from tests.make import refused


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.own()


def test_every_occupation_has_enough_words(catalogue: Catalogue) -> None:
    for occupation in catalogue.occupations:
        assert len(set(occupation.titles)) >= 4
        assert len(set(occupation.tasks)) >= 6
        assert 8 <= len(set(occupation.skills)) <= 14


def test_a_title_belongs_to_one_occupation(catalogue: Catalogue) -> None:
    titles = [title.casefold() for occupation in catalogue.occupations for title in occupation.titles]
    assert len(titles) == len(set(titles))


def test_relatedness_is_symmetric_and_one_only_to_itself(catalogue: Catalogue) -> None:
    related = catalogue.relatedness
    np.testing.assert_array_equal(related, related.T)
    assert (np.diag(related) == 1).all()
    assert related[~np.eye(len(related), dtype=bool)].max() < 1


def test_a_catalogue_survives_json(catalogue: Catalogue) -> None:
    again = Catalogue.from_json(catalogue.to_json())
    assert again.occupations == catalogue.occupations
    assert again.cities == catalogue.cities
    np.testing.assert_array_equal(again.relatedness, catalogue.relatedness)


def test_members_and_adverts_of_one_occupation_often_use_other_words(truth: Truth, small_market: Path) -> None:
    jobs = pl.read_parquet(small_market / "jobs" / "*.parquet").unique("id", keep="first", maintain_order=True)
    same = truth.jobs.occupation[0]
    titles = jobs["title"].to_list()
    peers = [titles[row].casefold() for row in np.flatnonzero(truth.jobs.occupation == same)]
    variants = {title.casefold() for title in truth.catalogue.occupations[same].titles}
    used = {variant for variant in variants if any(variant in title for title in peers)}
    assert len(used) > 1


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"occupations": [{}]}'])
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.json").write_text(text)
    with refused(UnreadableFile, where="mine.json"):
        Catalogue.load(tmp_path / "mine.json")
