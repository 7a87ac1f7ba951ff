"""Figures of the graph teacher's benchmark: ties, members, shares of a gain, and the page that shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import graph_teacher as benchmark
from benchmarks.graph_student import student_of, told_student
from benchmarks.graph_tables import graph_tables
from benchmarks.graph_teacher import (
    KNN,
    METRICS,
    ORACLE,
    PLAIN,
    TEXT,
    figure_rows,
    list_figures,
    of_some,
    resampled,
    variants,
)
from contracts.workspace import Workspace
from models.training.rows import Rows, read_rows


@pytest.fixture
def rows(labelled: Any) -> Rows:
    workspace: Workspace = labelled(8)
    return read_rows(workspace.training)


def test_the_best_order_has_all_and_equal_scores_share_their_places(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "K", 2)
    views = np.zeros((len(rows), len(rows.tasks)), np.float32)
    lists = rows.lists(np.arange(len(rows)))
    for of_list in lists:
        views[of_list[1], rows.tasks.index("view")] = 1
    told = replace(rows, targets=views)
    best = list_figures(told, views[:, rows.tasks.index("view")], lists)
    worst = list_figures(told, -views[:, rows.tasks.index("view")], lists)
    same = list_figures(told, np.zeros(len(rows)), lists)
    assert (best == 1).all() and (worst == 0).all()
    np.testing.assert_allclose(same, [[2 / 6, (1 + 1 / np.log2(3)) / 6]] * len(lists))


def test_a_score_that_is_no_number_is_no_figure(rows: Rows) -> None:
    lists, scores = rows.lists(np.arange(len(rows))), np.zeros(len(rows))
    scores[lists[0][0]] = np.nan
    with pytest.raises(ValueError, match="no number"):
        list_figures(rows, scores, lists)


def test_all_requests_of_a_member_are_drawn_together() -> None:
    weights = resampled(np.array([4, 4, 9, 7]))
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 0] != weights[:, 2]).any()
    assert np.isclose(weights[:, [0, 2, 3]].sum(axis=1), 3).all()


def test_rows_say_what_is_above_the_text_teacher_and_the_share_of_what_is_possible() -> None:
    rng = np.random.default_rng(0)
    text = np.tile(rng.random(60)[:, None] / 4, 2)
    figures = {TEXT: text, KNN: text, "G0": text + 0.3, ORACLE: text + 0.4}
    made = figure_rows("market", figures, np.arange(60) // 3, np.repeat([0, 3, 50], 20))
    of = {(row["case"], row["system"], row["metric"]): row for row in made}
    share = of["market", "G0", "ndcg@10, share of the oracle's gain"]
    assert share["value"] == pytest.approx(0.75) and share["low"] == pytest.approx(share["high"])
    assert of["market", KNN, "recall@10, above the text teacher's"]["value"] == 0
    assert of["market, no opened job", "requests", "number"]["value"] == 20
    tables = graph_tables([{**row, "command": "c", "date": "2026-01-01T00:00:00", "machine": "m"} for row in made])
    assert tables["figures"].count("| market |") == 4 and "0.75" in tables["shares"]
    assert "no opened job" in tables["degrees"]


def test_a_student_that_is_told_of_members_is_held_against_the_one_that_is_not() -> None:
    text = np.tile(np.random.default_rng(0).random(60)[:, None] / 4, 2)
    alone, told = student_of("G0"), told_student("G0")
    figures = {TEXT: text, "G0": text + 0.2, student_of(TEXT): text + 0.1, alone: text + 0.5, told: text + 0.49}
    made = figure_rows("market", figures, np.arange(60) // 3, np.full(60, 9))
    (loss,) = (r for r in made if (r["case"], r["metric"]) == ("market", "ndcg@10, above distillation alone"))
    assert loss["system"] == told and loss["value"] == pytest.approx(-0.01) == loss["high"]
    arrived = benchmark._arrived("market", figures, np.arange(60) // 3)
    shares = {(row["system"], row["metric"]): row["value"] for row in arrived}
    assert {system for system, _ in shares} == {alone, told}
    assert shares[alone, "ndcg@10, share_of_gain_in_student"] == pytest.approx(2)
    run = {"command": "c", "date": "2026-01-01T00:00:00", "machine": "m"}
    table = graph_tables([{**row, **run} for row in made])["told"]
    assert f"| market | {told} | -0.010" in table and f"| {alone} |" not in table
    others = [{**row, **run} for row in made if row["system"] != told]
    assert "no such student" in graph_tables(others)["told"]


def test_what_was_not_shown_is_left_out_of_the_figures_of_what_was(rows: Rows) -> None:
    views = np.full((len(rows), len(rows.tasks)), np.nan, np.float32)
    lists = [of_list for of_list in rows.lists(np.arange(len(rows))) if len(of_list) > 2] * 10
    logits = np.ones(len(rows))  # whatever was not shown comes first
    for of_list in lists:
        views[of_list[:2], rows.tasks.index("view")] = 1, 0
        logits[of_list[:2]] = 0, -1
    told = replace(rows, targets=views)
    shown, members = np.isfinite(told.target("view")), np.arange(len(lists))
    assert (list_figures(told, logits, lists)[:, 1] < 1).all()
    made = of_some("shown", told, lists, shown, {TEXT: logits}, members, members, METRICS[1:])
    of = {(row["case"], row["metric"]): row["value"] for row in made}
    assert of["shown", "ndcg@10"] == 1 and of["shown", "number"] == len(lists) and ("shown", "recall@10") not in of
    none = np.zeros(len(rows), bool)
    assert of_some("none", told, lists, none, {TEXT: logits}, members, members, METRICS) == []
    tables = graph_tables([{**row, "command": "c", "date": "2026-01-01T00:00:00", "machine": "m"} for row in made])
    assert "| shown | text teacher |  | 1.000" in tables["figures"]


def test_g1_is_learned_with_and_without_its_auxiliary_tasks() -> None:
    made = variants(("G0", "G1"))
    assert made == {"G0": {"rung": "G0"}, "G1": {"rung": "G1"}, PLAIN: {"rung": "G1", "masked": 0.0}}
    assert variants(("G0",)) == {"G0": {"rung": "G0"}}


def test_requests_asked_as_if_of_new_members_are_not_told_apart_by_what_these_had_opened() -> None:
    rng = np.random.default_rng(0)
    text = np.tile(rng.random(40)[:, None] / 4, 2)
    made = figure_rows("new", {TEXT: text, "G0": text - 0.001}, np.arange(40), np.repeat([0, 9], 20), alone=True)
    assert {row["case"] for row in made} == {"new"}
    (loss,) = (row for row in made if row["metric"] == "ndcg@10, above the text teacher's")
    assert loss["value"] == pytest.approx(-0.001)
