"""The report's page: whole in itself, readable by machines and people, and silent about members."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from contracts.workspace import Workspace
from replay.report.charts import Bar, bars, curves
from replay.report.page import headline, possible_share, render
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


def served_table(name: str, systems: dict[str, tuple[float, float, float]]) -> Table:
    """A table of served candidates: system -> good fits, poor fits, share of what is possible."""
    metrics = ("good_fits@10", "poor_fits@10", "share_of_possible")
    cells = tuple(
        Cell(system=system, metric=metric, value=value, low=0, high=1)
        for system, values in systems.items()
        for metric, value in zip(metrics, values, strict=True)
    )
    return Table(
        name=name,
        title="Served candidates, true fit",
        about="",
        requests=2,
        systems=tuple(systems),
        metrics=metrics,
        reference="BM25",
        cells=cells,
    )


FITS = {
    "best possible": (0.4, 0.0, 1.0),
    "judge": (0.31, 0.07, 0.78),
    "served order": (0.18, 0.23, 0.46),
    "BM25": (0.17, 0.24, 0.42),
}


def test_the_first_sentence_says_policy_and_behaviour(results: Results) -> None:
    judged = results.model_copy(update={"tables": (*results.tables, served_table("served_truth", FITS))})
    first = headline(judged)[0]
    assert first.startswith(
        "Of the first ten jobs 1.8 fit and 2.3 do not (best possible 4.0 and 0.0, judge 3.1 and 0.7, BM25 1.7 and 2.4)"
        "; by what people did, the whole system "
    )
    assert "NDCG@10" in first
    judged = judged.model_copy(update={"simulated": True})
    assert headline(judged)[0].startswith("On a simulated market, of the first ten jobs 1.8 fit")


@pytest.mark.parametrize(
    ("name", "systems", "said"),
    [
        (
            "served_truth",
            FITS,
            "Of the jobs that truly fit and could stand in the first ten, the served order has 46% there, the "
            "judge's order 78% and BM25 42%.",
        ),
        (
            "served_judge",
            {name: FITS[name] for name in FITS if name != "judge"},
            "Of the jobs that fit by the judge's grades and could stand in the first ten, the served order has 46% "
            "there, BM25 42%.",
        ),
    ],
)
def test_the_recipes_last_line_says_the_share_of_what_is_possible(
    results: Results, name: str, systems: dict, said: str
) -> None:
    tables = (*results.tables, served_table(name, systems))
    assert possible_share(results.model_copy(update={"tables": tables})) == said


def test_without_a_grader_the_recipe_claims_no_share(results: Results) -> None:
    assert possible_share(results) == "No judge was asked to grade the served candidates."


def test_of_poor_fits_the_fewest_are_the_best_and_the_best_possible_order_is_no_system() -> None:
    table = served_table("served_truth", FITS)
    assert table.best("poor_fits@10") == 0.07
    assert table.best("good_fits@10") == 0.31


@pytest.mark.parametrize(
    ("metric", "difference", "direction"),
    [
        ("poor_fits@10", (-0.05, -0.06, -0.04), "up"),
        ("poor_fits@10", (0.05, 0.04, 0.06), "down"),
        ("good_fits@10", (0.05, 0.04, 0.06), "up"),
        ("good_fits@10", (0.05, -0.01, 0.06), ""),
    ],
)
def test_a_difference_is_marked_by_whether_it_is_good(
    results: Results, metric: str, difference: tuple[float, float, float], direction: str
) -> None:
    table = served_table("served_truth", FITS)
    cells = [
        cell.model_copy(update={"difference": difference}) if (cell.system, cell.metric) == ("judge", metric) else cell
        for cell in table.cells
    ]
    page = render(results.model_copy(update={"tables": (*results.tables, table.model_copy(update={"cells": cells}))}))
    sign = f"{difference[0]:+.3f}".replace("-", "\N{MINUS SIGN}")
    assert f'<span class="{direction}">{sign}</span>' in page


def test_names_in_plots_are_escaped() -> None:
    assert "<b>" not in bars("a <b> title", [Bar("<b>", 1.0)], str)


def test_plots_of_nothing_but_zeros_can_be_drawn() -> None:
    assert "<svg" in bars("zero", [Bar("a", 0.0, 0.0, 0.0)], str)
    assert "<svg" in curves("zero", {"a": [0.0, 0.0]}, {"a": "whole"}, "K")
