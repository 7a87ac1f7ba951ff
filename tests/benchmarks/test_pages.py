"""Pages and plots show what the committed result files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.markdown import filled
from benchmarks.pages import PAGES, ROOT, SOURCES, readme_tables, rows_of
from benchmarks.plots import PLOTS, draw


@pytest.mark.parametrize("page", SOURCES)
def test_a_page_shows_the_figures_of_its_result_file(page: str) -> None:
    source, text = SOURCES[page], (ROOT / page).read_text()
    rows = rows_of(*source.results)
    assert filled(text, source.tables(rows)) == text
    assert filled(text, source.tables([row | {"value": 1.5} for row in rows])) != text


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_that_of_its_result_file(name: str, tmp_path: Path) -> None:
    draw(name, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text() == (PAGES / f"{name}.svg").read_text()


def test_a_table_stands_between_its_marks() -> None:
    page = "x\n<!-- a -->\nold\n<!-- /a -->\ny"
    assert filled(page, {"a": "new\n"}) == "x\n<!-- a -->\nnew\n<!-- /a -->\ny"


@pytest.mark.parametrize("page", ["no marks", "<!-- a -->\n<!-- /a -->" * 2])
def test_a_table_without_one_place_is_refused(page: str) -> None:
    with pytest.raises(ValueError):
        filled(page, {"a": "new\n"})


def lines_of(name: str, rows: list[dict]) -> list[str]:
    """The lines of a README table below its head."""
    return readme_tables(rows)[name].splitlines()[2:]


def test_a_metric_that_is_named_stands_in_words_with_its_interval() -> None:
    row = {"case": "a", "system": "s", "metric": "of_plain_loop", "value": 2, "low": 1, "high": 30, "unit": "ratio"}
    other = row | {"metric": "of no interest"}
    assert lines_of("spine", [row, other]) == ["| a | s | rows a second, of a plain loop's | 2.000 (1.000 to 30.0) |"]


def test_systems_stand_below_each_other_with_their_measures() -> None:
    row = {"case": "job views: End to end, all jobs", "system": "s", "metric": "nDCG@10", "value": 0.5}
    rows = [row, row | {"metric": "RR", "value": 0.25}, row | {"system": "t"}, row | {"case": "job views: other"}]
    assert lines_of("jobviews", rows) == ["| s | 0.500 |  |  | 0.250 |", "| t | 0.500 |  |  |  |"]
    assert lines_of("spine", rows) == []


def test_what_was_known_by_then_stands_first() -> None:
    every = {"case": "job views: End to end, all jobs", "system": "s", "metric": "nDCG@10", "value": 0.5}
    known = every | {"case": "job views: End to end, jobs known by then", "value": 0.25}
    expected = ["| s | 0.250 |  |  |  |", "| s, also jobs of the future | 0.500 |  |  |  |"]
    assert lines_of("jobviews", [every, known]) == expected


def test_stages_stand_below_each_other_with_their_percentiles() -> None:
    rows = [
        {
            "case": f"r, {n} connections",
            "system": "rolecall serve",
            "metric": f"p{q}_rules_ms",
            "value": n + q / 100,
            "unit": "ms",
        }
        for n in (1, 8)
        for q in (50, 99)
    ]
    assert lines_of("stages", rows) == ["| rules | 1.500 ms | 1.990 ms | 8.500 ms | 8.990 ms |"]
