from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from benchmarks.links import CUT, L1, RATIO, scored, size_at, size_rows, smallest
from benchmarks.plots import draw
from retrieval.links.candidates import CandidateLinks
from retrieval.links.config import LinksConfig
from retrieval.links.values import Value


def test_the_smallest_graph_that_joins_a_pair_takes_links_of_one_quality_together():
    quality = np.array([3.0, 2.0, 2.0, 1.0, 0.0])
    joined = [np.array([0, 3]), np.array([1]), np.array([3, 4]), np.array([4]), np.array([], int)]
    assert smallest(quality, joined).tolist() == [1, 3, 4, np.inf, np.inf]


def test_the_size_at_a_recall_counts_each_hire_as_often_as_it_was_drawn():
    sizes = np.array([10.0, 1.0, 5.0, np.inf])
    counts = np.array([[1, 1, 1, 1], [4, 0, 0, 0], [0, 2, 2, 0]])
    assert size_at(sizes, 0.5, counts).tolist() == [5, 10, 1]
    assert size_at(sizes, 0.75, counts).tolist() == [10, 10, 5]
    assert size_at(sizes, 1.0, counts)[0] == np.inf


def test_a_recall_that_a_graph_does_not_reach_is_left_out():
    hired = np.array([True] * 20 + [False] * 20)
    full, half = np.arange(1.0, 41.0), np.where(np.arange(40) < 10, 1.0, np.inf)
    rows = list(size_rows({L1: half, RATIO: full, CUT: full}, hired))
    cases = {row["case"] for row in rows}
    assert "recall 0.9" not in cases
    assert next(r["value"] for r in rows if r["case"] == "whole graph" and r["system"] == L1) == pytest.approx(0.5)


def test_ties_of_the_ratio_are_cut_by_hires():
    hired = np.array([True, True, True, False])
    holds = sparse.csc_array(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]], bool))
    links = [((Value("skills", name),), (Value("title", "t"),)) for name in "abc"]
    found = scored(CandidateLinks(links, holds, np.array([2, 1, 1]), np.array([0, 0, 1])), hired, LinksConfig())
    assert found[RATIO][0] == found[RATIO][1] > found[RATIO][2]
    assert found[CUT][0] > found[CUT][1] > found[CUT][2]


def test_the_plot_is_drawn_from_the_rows_alone(tmp_path):
    rows = [
        {"case": f"liquidity {n}", "system": name, "metric": metric, "value": n / 100, "low": 0.0, "high": n / 50}
        for n in (10, 100)
        for name in (L1, RATIO)
        for metric in ("recall", "jobs a member")
    ]
    rows = [row | {"case": f"shown: {row['case']}"} for row in rows]
    draw("links", tmp_path / "a.svg", rows)
    other = {"case": "shown: recall 0.5", "system": L1, "metric": "links", "value": 3}
    draw("links", tmp_path / "b.svg", [*rows, other])
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()
    draw("links", tmp_path / "b.svg", [row | {"value": 7.0} for row in rows])
    assert (tmp_path / "a.svg").read_text() != (tmp_path / "b.svg").read_text()
