"""A student that is told the members' vectors: what it is without them, and what these know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from benchmarks.graph_scores import member_vectors
from benchmarks.graph_student import ToldStudent, ToldTexts, vectors_of_lists
from contracts.workspace import Workspace
from history.graph.graph import Adjacency
from models.config import StudentConfig, TeacherConfig
from models.student.distil import student_logits
from models.student.student import Student
from models.student.texts import StudentTexts
from models.teachers.graph.market import Market
from models.teachers.train import train_teacher
from models.training.rows import Rows, read_rows
from tests.benchmarks.test_graph_scores import Stored, stored
from tests.models.teachers.test_graph_teacher import knobs, write_market

KNOBS = StudentConfig(score_layers=2, frozen_layers=0, frozen_item_layers=0, max_prefix_tokens=16, max_item_tokens=16)
WIDTH = 5


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Workspace:
    workspace = write_market(tmp_path_factory.mktemp("market"))
    text = TeacherConfig(backbone=tiny, epochs=1, frozen_layers=0, warm_start=False, precision="float32")
    train_teacher(workspace, "click", text)
    return workspace


@pytest.fixture(scope="module", params=["G0", "G1"])
def graph(request: pytest.FixtureRequest, told: Workspace) -> Stored:
    return stored(told, knobs(request.param, epochs=1, precision="float32"))


class Pair(NamedTuple):
    """A student, the same with untrained vectors, and half of the lists with a vector."""

    rows: Rows
    plain: Student
    told: ToldStudent
    vectors: dict[str, np.ndarray]
    folder: Path

    def logits(self) -> tuple[np.ndarray, np.ndarray]:
        """Of all rows, by the student and by that with vectors."""
        chosen = np.arange(len(self.rows))
        alone = StudentTexts(self.rows, self.plain, self.folder, KNOBS, (0, 0), "float32")
        beside = ToldTexts(self.rows, self.told, self.folder, KNOBS, self.vectors, "float32")
        return student_logits(self.plain, alone, chosen), student_logits(self.told, beside, chosen)

    @property
    def known(self) -> np.ndarray:
        return np.array([np.isfinite(self.vectors[name]).all() for name in self.rows.list_ids])


@pytest.fixture
def pair(told: Workspace, tiny: Path) -> Pair:
    rows, rng = read_rows(told.training), np.random.default_rng(0)
    rows = rows.only(np.arange(60))
    torch.manual_seed(0)
    plain = Student(tiny, ("view",), KNOBS.item_tokens, KNOBS.score_layers, match=True)
    names = np.unique(rows.list_ids).tolist()
    vectors = {name: rng.normal(size=WIDTH).astype(np.float32) for name in names}
    vectors |= {name: np.full(WIDTH, np.nan, np.float32) for name in names[::2]}
    return Pair(rows, plain, ToldStudent(tiny, plain, WIDTH), vectors, tiny)


def test_before_the_first_step_nobody_is_read_otherwise(pair: Pair) -> None:
    alone, beside = pair.logits()
    np.testing.assert_allclose(beside, alone, atol=1e-6)
    pair.told.head.bias.data += 1  # the weights are its own
    assert np.abs(pair.logits()[1] - alone).min() > 0.5


@pytest.mark.parametrize("part", ["gate", "beside"])
def test_a_member_without_a_vector_is_read_as_without_it_whatever_was_learned(pair: Pair, part: str) -> None:
    learned = pair.told.gate if part == "gate" else pair.told.beside.weight
    with torch.no_grad():
        learned += torch.rand(learned.shape, generator=torch.Generator().manual_seed(0))
    alone, beside = pair.logits()
    known = pair.known
    np.testing.assert_allclose(beside[~known], alone[~known], atol=1e-6)
    assert np.abs(beside - alone)[known].max() > 1e-4 and known.any() and not known.all()


def test_gate_and_product_learn_from_the_first_step_on(pair: Pair) -> None:
    fast = {id(parameter) for parameter in pair.told.from_scratch()}
    texts = ToldTexts(pair.rows, pair.told, pair.folder, KNOBS, pair.vectors)
    of_list = next(rows for rows in pair.rows.lists(np.arange(len(pair.rows))) if pair.known[rows[0]])
    texts.read(pair.told, [of_list]).logits.square().sum().backward()
    for name in ("gate", "beside.weight"):
        parameter = pair.told.get_parameter(name)
        assert id(parameter) in fast and parameter.grad is not None and parameter.grad.abs().max() > 0


def shifted(market: Market, rows: np.ndarray, days: float) -> Market:
    """The market with the member of a row having opened a job so many days after its request, or before."""
    (row,) = rows
    member, job = int(market.member[row]), int(market.graph.first["job"])
    when = int(market.time[row]) + int(days * 86_400_000_000)
    adjacency = dict(market.graph.adjacency)
    for name, source, target in (("opened", member, job), ("~opened", job, member)):
        edges = adjacency[name]
        place = int(edges.known(np.array([source]), np.array([when]))[0])
        starts = edges.starts + (np.arange(len(edges.starts)) > source)
        adjacency[name] = Adjacency(
            starts,
            np.insert(edges.target, place, target),
            np.insert(edges.since, place, when),
            np.insert(edges.until, place, np.iinfo(edges.until.dtype).max),
        )
    there = replace(market.graph, adjacency=adjacency)
    return Market(there, market.vectors, market.known, market.member, market.job, market.time)


def test_a_vector_knows_what_came_before_the_request_and_nothing_of_it_or_later(graph: Stored) -> None:
    row = graph.rows.of_splits("test")[:1]
    before = member_vectors(graph.folder, graph.market, row)
    assert np.isfinite(before).all()
    later = member_vectors(graph.folder, shifted(graph.market, row, 0.001), row)
    np.testing.assert_array_equal(later, before)
    earlier = member_vectors(graph.folder, shifted(graph.market, row, -0.001), row)
    assert np.abs(earlier - before).max() > 1e-5


def test_a_member_without_an_edge_has_no_vector_and_the_others_are_scaled(graph: Stored) -> None:
    vectors = vectors_of_lists(graph.folder, graph.market, graph.rows)
    lists = [of_list[0] for of_list in graph.rows.lists(np.arange(len(graph.rows)))]
    edges = sum(adjacency.degrees(2**62) for adjacency in graph.market.graph.adjacency.values())
    has = edges[graph.market.member[lists]] > 0
    of_all = np.stack([vectors[graph.rows.list_ids[row]] for row in lists])
    assert has.any() and not has.all()
    assert (np.isfinite(of_all).all(1) == has).all() and (np.isnan(of_all).all(1) == ~has).all()
    train = of_all[has & (graph.rows.splits[lists] == "train")]
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-5)
