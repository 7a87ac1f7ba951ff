"""The report's page: whole in itself, readable by machines and people, and silent about members."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from contracts.workspace import Workspace
from replay.report.charts import Bar, bars, curves
from replay.report.page import headline, render
from replay.results import END_TO_END, Cell, Results, Table
from replay.run import replay

STAGES = [{"name": "ingest", "seconds": 61.0, "peak_mb": 200.0}, {"name": "embed", "seconds": 30.0, "peak_mb": 900.0}]


@pytest.fixture(scope="module")
def results(viewed: Workspace) -> Results:
    return replay(viewed, resamples=100)


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    return render(results, STAGES, made=datetime(2026, 5, 1, tzinfo=UTC))


VOID = {"meta", "rect", "line", "circle", "polyline", "br"}


class Tags(HTMLParser):
    """Every tag of a page, and whether each is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_loads_nothing(page: str) -> None:
    tags = Tags(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "video"} & {tag for tag, _ in tags.seen}
    assert not [a for _, attributes in tags.seen for a in attributes if a in ("src", "href", "xlink:href", "srcset")]
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_page_is_well_formed(page: str) -> None:
    assert Tags(page).open == []


def test_every_plot_says_in_words_what_it_shows(page: str) -> None:
    plots = [attributes for tag, attributes in Tags(page).seen if tag == "svg"]
    assert len(plots) >= 8
    assert all(plot["role"] == "img" and len(plot["aria-label"]) > 20 for plot in plots)


def test_the_page_holds_no_members_text(page: str) -> None:
    for text in ("truck driver", "ward nurse", "kitchen cook", "Austin"):
        assert text.casefold() not in page.casefold()


def test_every_system_and_every_stage_is_on_the_page(page: str) -> None:
    for name in (*END_TO_END, "policy teacher", "click teacher", "student, relevance", "ingest", "embed"):
        assert name in page


def test_a_simulated_market_is_called_so_and_its_sources_are_named(results: Results) -> None:
    page = render(results.model_copy(update={"simulated": True, "attribution": "O*NET <27>, CC BY 4.0"}))
    assert page.count("imulated market") >= 3
    assert "O*NET &lt;27&gt;, CC BY 4.0" in page


def test_real_data_is_not_called_simulated(page: str) -> None:
    assert "imulated" not in page


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ((0.04, 0.03, 0.05), "ranks better than BM25: NDCG@10 0.180 against 0.140"),
        ((-0.04, -0.05, -0.03), "ranks worse than BM25"),
        ((0.04, -0.01, 0.09), "cannot be told apart from BM25"),
    ],
)
def test_the_headline_claims_no_more_than_the_interval_allows(
    results: Results, difference: tuple[float, float, float], said: str
) -> None:
    cells = [
        Cell(system="BM25", metric="nDCG@10", value=0.14, low=0.1, high=0.2),
        Cell(system="whole system", metric="nDCG@10", value=0.18, low=0.1, high=0.2, difference=difference),
        *(Cell(system=name, metric="R@100", value=0.5, low=0.4, high=0.6) for name in ("BM25", "whole system")),
    ]
    table = Table(
        name="end_to_end",
        title="",
        about="",
        requests=2,
        systems=("BM25", "whole system"),
        metrics=("nDCG@10", "R@100"),
        reference="BM25",
        cells=tuple(cells),
    )
    assert said in headline(results.model_copy(update={"tables": (table,)}))[0]


def test_names_in_plots_are_escaped() -> None:
    assert "<b>" not in bars("a <b> title", [Bar("<b>", 1.0)], str)


def test_plots_of_nothing_but_zeros_can_be_drawn() -> None:
    assert "<svg" in bars("zero", [Bar("a", 0.0, 0.0, 0.0)], str)
    assert "<svg" in curves("zero", {"a": [0.0, 0.0]}, {"a": "whole"}, "K")
