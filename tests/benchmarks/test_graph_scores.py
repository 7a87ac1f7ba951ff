"""A graph teacher read from its folder, and members of whom nothing is known but their records."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.graph_scores import as_if_new, graph_logits, without_actions
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.graph.config import GraphConfig
from models.teachers.graph.market import Market
from models.teachers.graph.teacher import GraphTeacher
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.lists import scored_rows
from models.training.rows import Rows, read_rows
from tests.models.teachers.test_graph_teacher import knobs, write_market


class Stored(NamedTuple):
    """A trained rung with what it and the text teacher said of the pairs (n, tasks)."""

    folder: Path
    market: Market
    rows: Rows
    text: np.ndarray
    said: np.ndarray


def stored(workspace: Workspace, config: GraphConfig) -> Stored:
    folder, rows = train_teacher(workspace, "graph", config), read_rows(workspace.training)
    scored = scored_rows(rows)
    (_, text), (_, said) = (read_scores(current_scores(workspace, name), rows, scored) for name in ("click", "graph"))
    return Stored(folder, GraphTeacher(workspace, config).market(rows), rows, text, said)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Stored:
    workspace = write_market(tmp_path_factory.mktemp("market"))
    text = TeacherConfig(backbone=tiny, epochs=1, frozen_layers=0, warm_start=False, precision="float32")
    train_teacher(workspace, "click", text)
    return stored(workspace, knobs("G0", epochs=2, precision="float32"))


def test_a_teacher_that_is_read_again_says_what_it_said(graph: Stored) -> None:
    test = graph.rows.of_splits("test")
    again = graph_logits(graph.folder, graph.market, graph.rows, graph.text, test)
    np.testing.assert_allclose(again, graph.said[test], atol=1e-5)
    assert np.abs(again - graph.text[test]).max() > 0.01


def test_a_member_as_if_new_has_no_edge_of_an_event_and_the_others_have_theirs(graph: Stored) -> None:
    member, whole = int(graph.market.member[0]), graph.market.graph
    left = without_actions(whole, member)
    for name, other in (("opened", "~opened"), ("applied", "~applied")):
        edges, before = left.adjacency[name], whole.adjacency[name]
        own = before.starts[member + 1] - before.starts[member]
        assert edges.starts[member] == edges.starts[member + 1]
        assert len(edges.target) == len(before.target) - own == len(left.adjacency[other].target)
        assert not (left.adjacency[other].target == member).any()
    assert left.adjacency["has_skill"] is whole.adjacency["has_skill"]
    assert len(whole.adjacency["opened"].target) > len(left.adjacency["opened"].target) > 0


def test_what_a_member_did_is_not_read_of_one_as_if_new(graph: Stored) -> None:
    test = graph.rows.of_splits("test")
    new = as_if_new(graph.folder, graph.market, graph.rows, graph.text, test)
    cold = ~(graph.market.graph.adjacency["opened"].degrees(2**62)[graph.market.member[test]] > 0)
    assert cold.any() and not cold.all() and np.isfinite(new).all()
    np.testing.assert_allclose(new[cold], graph.said[test][cold], atol=1e-5)
    assert np.abs(new - graph.said[test])[~cold].max() > 0.01
