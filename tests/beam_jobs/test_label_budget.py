"""A budget of pairs for a judge that costs money: how much is graded, where, and with which probability."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from beam_jobs import label
from beam_jobs.config import LabelConfig
from beam_jobs.labelling.curve import graded_pairs
from contracts.errors import BadInput
from contracts.tables import read_table
from contracts.workspace import Workspace
from tests.make import refused

FEW = ("--train-lists", "4", "--graded-lists", "0", "--valid-lists", "1", "--test-lists", "1")
SERVED = ("--served-lists", "3", "--served-held-lists", "1", "--served-candidates", "30")
BUDGET = 31


@pytest.fixture(scope="module")
def drawn(market: Workspace, tmp_path_factory: pytest.TempPathFactory, labelled: Callable) -> pl.DataFrame:
    root = tmp_path_factory.mktemp("budget") / "w"
    shutil.copytree(market.root, root, symlinks=True)
    return labelled(Workspace(root), *FEW, *SERVED, "--served-pairs", str(BUDGET), "--floor-share", "0.5")


@pytest.fixture(scope="module")
def whole(market: Workspace, tmp_path_factory: pytest.TempPathFactory, labelled: Callable) -> pl.DataFrame:
    root = tmp_path_factory.mktemp("whole") / "w"
    shutil.copytree(market.root, root, symlinks=True)
    return labelled(Workspace(root), *FEW, *SERVED)


def test_the_budget_is_spent_evenly_and_no_further(drawn: pl.DataFrame) -> None:
    served = drawn.filter(pl.col("stratum") == "served")
    assert len(served) == BUDGET and served["grade"].null_count() == 0
    assert sorted(served.group_by("list_id").len()["len"]) == [6, 6, 6, 6, 7]


def test_what_is_drawn_are_candidates_that_retrieval_returns(drawn: pl.DataFrame, whole: pl.DataFrame) -> None:
    keys = [
        set(of.filter(pl.col("stratum") == "served").select("list_id", "job_id").iter_rows()) for of in (drawn, whole)
    ]
    assert keys[0] < keys[1]
    lists = [of.filter(pl.col("stratum") != "served").drop("inclusion") for of in (drawn, whole)]
    assert lists[0].equals(lists[1])


def test_each_pair_tells_the_probability_with_which_it_was_drawn(drawn: pl.DataFrame, whole: pl.DataFrame) -> None:
    """The inverse probabilities of a request add up to all of its candidates; without a budget each is 1."""
    sizes = dict(whole.filter(pl.col("stratum") == "served").group_by("list_id").len().iter_rows())
    assert set(whole.filter(pl.col("stratum") == "served")["inclusion"]) == {1.0}
    assert drawn.filter(pl.col("stratum") != "served")["inclusion"].null_count() == drawn["inclusion"].null_count() > 0
    for (list_id, split), rows in drawn.filter(pl.col("stratum") == "served").group_by("list_id", "split"):
        assert (1 / rows["inclusion"]).sum() == pytest.approx(sizes[list_id], rel=1e-5)
        certain = int((rows["inclusion"] == 1).sum())
        assert certain == (len(rows) - round(0.5 * len(rows)) if split == "train" else 0)


def test_a_judge_with_a_budget_grades_served_candidates_unasked(
    market: Workspace, copy: Callable[[Workspace], Workspace], chat_server: Any, labelled: Callable
) -> None:
    judge = {"kind": "llm", "model": "m", "base_url": chat_server.url, "api_key_env": "", "call_price": 0.01}
    assert LabelConfig(judge=judge, served_pairs=9).graded_as_served == {"train": 600, "valid": 60, "test": 60}
    assert set(LabelConfig(judge=judge, served_pairs=0).graded_as_served.values()) == {0}
    workspace = copy(market)
    found = labelled(workspace, *FEW, *SERVED, "--served-pairs", "20", "--judge", json.dumps(judge))
    assert len(found.filter(pl.col("stratum") == "served")) == 20
    cost = json.loads(workspace.judge_cost.read_text())
    assert cost["pairs"] == found["grade"].count() == read_table(workspace.grades).num_rows
    assert cost["money"] == pytest.approx(0.01 * len(chat_server.bodies))


def test_another_budget_draws_anew_and_the_same_draws_the_same(
    market: Workspace, copy: Callable[[Workspace], Workspace], drawn: pl.DataFrame, labelled: Callable
) -> None:
    workspace = copy(market)
    flags = (*FEW, *SERVED, "--floor-share", "0.5")
    assert labelled(workspace, *flags, "--served-pairs", str(BUDGET)).equals(drawn)
    more = labelled(workspace, *flags, "--served-pairs", "50")
    assert len(more.filter(pl.col("stratum") == "served")) == 50


def test_the_grades_of_a_former_round_say_where_to_look(
    market: Workspace, copy: Callable[[Workspace], Workspace], drawn: pl.DataFrame, tmp_path: Path, labelled: Callable
) -> None:
    """Other pairs are certain, as many as before; the floor and the held-out pairs are drawn as before."""
    workspace = copy(market)
    labelled(workspace, *FEW, *SERVED)
    guide = tmp_path / "pairs.parquet"
    pq.write_table(graded_pairs(workspace), guide)
    flags = (*FEW, *SERVED, "--served-pairs", str(BUDGET), "--floor-share", "0.5", "--guide", str(guide))
    found = labelled(workspace, *flags)
    served = [of.filter(pl.col("stratum") == "served") for of in (drawn, found)]
    assert len(served[1]) == BUDGET
    certain = [set(of.filter(pl.col("inclusion") == 1).select("list_id", "job_id").iter_rows()) for of in served]
    assert len(certain[0]) == len(certain[1]) and certain[0] != certain[1]
    held = [of.filter(pl.col("split") != "train") for of in served]
    assert held[0].equals(held[1])


def test_a_guide_that_holds_no_pairs_of_these_comparisons_is_refused(market: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pq.write_table(graded_pairs(market).replace_schema_metadata({"match_version": "another"}), other)
    (tmp_path / "text.parquet").write_text("no table")
    for path in (other, tmp_path / "text.parquet", tmp_path / "absent.parquet"):
        with refused(BadInput, path):
            label.run(["--workspace", str(market.root), "--guide", str(path)])
