"""A market in another language has words of its own throughout, and the truth behind it is the same kind of truth."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.errors import BadInput
from contracts.text.language import NAMES, language_of
from simulator import Catalogue, Truth, simulate
from simulator.phrases import languages
from sources.validate import validate
from tests.make import refused

START = datetime(2025, 1, 6, tzinfo=UTC)
OTHERS = [code for code in languages() if code != "en"]


@pytest.fixture(scope="module", params=OTHERS)
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    simulate(folder, members=60, jobs=300, events=2_500, start=START, days=10, language=request.param)
    return request.param, folder


@pytest.mark.parametrize("code", OTHERS)
def test_every_occupation_has_enough_words_and_relatives(code: str) -> None:
    catalogue, english = Catalogue.own(code), Catalogue.own()
    titles = [title.casefold() for occupation in catalogue.occupations for title in occupation.titles]
    assert len(titles) == len(set(titles)) and len(catalogue.occupations) >= 40
    assert {one.family for one in catalogue.occupations} == {one.family for one in english.occupations}
    for one in catalogue.occupations:
        assert len(set(one.titles)) >= 4 and len(set(one.tasks)) >= 6 and 8 <= len(set(one.skills)) <= 14
        assert one.related
    np.testing.assert_array_equal(catalogue.relatedness, catalogue.relatedness.T)


@pytest.mark.parametrize("code", languages())
def test_a_query_is_read_back_with_its_place(code: str) -> None:
    catalogue = Catalogue.own(code)
    for number, occupation in enumerate(catalogue.occupations):
        for title in occupation.titles:
            city = number % len(catalogue.cities)
            asked = catalogue.phrases.senior.format(title.lower())
            asked = catalogue.phrases.in_city.format(words=asked, city=catalogue.cities[city].name)
            intent = catalogue.intent(asked)
            assert intent.relatedness[number] == 1 and intent.city == city, asked


def test_a_catalogue_keeps_its_phrases_in_json() -> None:
    catalogue = Catalogue.own("pt")
    assert Catalogue.from_json(catalogue.to_json()).phrases == catalogue.phrases
    content = json.loads(catalogue.to_json())
    del content["phrases"]
    assert Catalogue.from_json(json.dumps(content)).phrases == Catalogue.own().phrases


def test_the_whole_market_validates_and_knows_its_truth(market: tuple[str, Path]) -> None:
    code, folder = market
    assert validate(folder, START + timedelta(days=10)).ok
    truth = Truth.load(folder)
    assert truth.catalogue.phrases == Catalogue.own(code).phrases
    events = pl.read_parquet(folder / "events" / "*.parquet")
    asked = events.filter(pl.col("query") != "").unique("request_id")["query"].to_list()
    assert asked and all(truth.catalogue.intent(query).relatedness.any() for query in asked)
    assert json.loads((folder / "truth" / "params.json").read_text())["language"] == code


def test_its_texts_are_in_its_language_and_it_pays_in_its_currency(market: tuple[str, Path]) -> None:
    code, folder = market
    jobs = pl.read_parquet(folder / "jobs" / "*.parquet")
    told = [language_of(text, "none") for text in jobs["description"].to_list()[:40]]
    assert told.count(NAMES[code]) >= 38
    summaries = pl.read_parquet(folder / "members" / "*.parquet").filter(pl.col("summary") != "")["summary"].to_list()
    assert [language_of(text, "none") for text in summaries[:20]].count(NAMES[code]) >= 18
    assert jobs["currency"].unique().to_list() == [Catalogue.own(code).phrases.currency]


def test_a_language_nobody_knows_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with refused(BadInput, "tlh", *languages()):
        simulate(tmp_path / "m", members=1, jobs=1, events=1, language="tlh")
    assert not (tmp_path / "m").exists()
