"""The graph teacher on a market in which members open adverts of one company each, which no text tells."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from contracts.arrow import to_table
from contracts.errors import BadInput, NothingToLearn, NotReady
from contracts.examples import PAIR_FEATURES, TRAINING
from contracts.match import COMPARISONS
from contracts.records import Event, Job, Member
from contracts.tables import write_part
from contracts.versions import set_current
from contracts.workspace import Workspace
from history.as_of import KNOWN
from history.graph.graph import RELATIONS, build_graph, without
from models.config import StudentConfig, TeacherConfig
from models.student.distil import load_student, train_student
from models.teachers.fit_text import score_pairs
from models.teachers.graph.config import GraphConfig
from models.teachers.graph.correction import CorrectedPairs
from models.teachers.graph.market import Market, checked, node_vectors
from models.teachers.graph.reader import GraphPairs
from models.teachers.graph.teacher import GraphTeacher
from models.teachers.scores import current_scores, leave_out, read_scores
from models.teachers.train import train_teacher
from models.training.lists import scored_rows
from models.training.metrics import auc
from models.training.rows import Rows, read_rows
from tests.conftest import TRADES
from tests.make import refused, write_word_encoder

START = datetime(2026, 1, 1, tzinfo=UTC)
MEMBERS, JOBS, COMPANIES, COLD = 12, 60, 5, 11
RUNGS = ("G0", "G1", "G2")


def write_market(root: Path) -> Workspace:
    workspace, rng = Workspace(root), np.random.default_rng(0)
    members = [Member(id=f"m{i}", headline="person", skills=("latin",), updated_at=START) for i in range(MEMBERS)]
    members[COLD] = Member(id=f"m{COLD}", updated_at=START)
    jobs = [Job(id=f"j{i}", title=TRADES[i % 6], company=f"c{i % COMPANIES}", updated_at=START) for i in range(JOBS)]
    events = [
        Event(
            id=f"e{m}-{i}", member_id=f"m{m}", job_id=f"j{m % COMPANIES + COMPANIES * i}", action="view", time=at(1 + i)
        )
        for m in range(MEMBERS)
        if m != COLD
        for i in range(6)
    ]
    for name, kind, records in (("members", Member, members), ("jobs", Job, jobs), ("events", Event, events)):
        write_part(workspace.records / name, to_table(records, kind), "0")
    rows = []
    for number in range(120):
        member = number % MEMBERS
        for place, j in enumerate(rng.permutation(JOBS)[:6].tolist(), 1):
            liked = float(j % COMPANIES == member % COMPANIES) if member != COLD else float(rng.random() < 0.3)
            rows.append(pair(number, member, j, place, liked))
    write_part(workspace.training, pa.Table.from_pylist(rows, schema=TRAINING))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *TRADES, "latin", *(f"c{i}" for i in range(COMPANIES + 1))]
    write_word_encoder(workspace.encoder, words, max_tokens=16, seed=0)
    return workspace


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def pair(number: int, member: int, job: int, place: int, liked: float) -> dict[str, Any]:
    return {
        "list_id": f"r{number:04d}",
        "member_id": f"m{member}",
        "query": "",
        "job_id": f"j{job}",
        "event_timestamp": at(20 + number / 100),
        "split": ("train", "train", "train", "test")[number % 4],
        "stratum": "logged",
        "position": place,
        "propensity": 0.5,
        "retrieved": None,
        "view": liked,
        "apply": None,
        "dismiss": None,
        "hire": None,
        "grade": None,
        "request_text": f"headline: {TRADES[number % 6]}",
        "job_text": f"title: {TRADES[job % 6]}",
        "text_version": "1-test",
        **dict.fromkeys(PAIR_FEATURES, 0.0),
        "match": [0] * len(COMPARISONS),
    }


def knobs(rung: str, **more: Any) -> GraphConfig:
    given = {"rung": rung, "epochs": 6, "batch_pairs": 96, "densify": False, "learning_rate": 1e-2}
    return GraphConfig.model_validate(given | ({"batch_pairs": 256} if rung == "G2" else {}) | more)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Workspace:
    """A market with a click teacher."""
    workspace = write_market(tmp_path_factory.mktemp("market"))
    text = TeacherConfig(backbone=tiny, epochs=1, frozen_layers=0, warm_start=False, precision="float32")
    train_teacher(workspace, "click", text)
    return workspace


@pytest.fixture(scope="module")
def learned(told: Workspace) -> dict[str, tuple[GraphTeacher, Rows, np.ndarray]]:
    """Each rung, trained, with the rows and the text teacher's logits."""
    found = {}
    rows = read_rows(told.training)
    _, text = read_scores(current_scores(told, "click"), rows, scored_rows(rows))
    for rung in RUNGS:
        teacher = GraphTeacher(told, knobs(rung, precision="float32", align=0.1 if rung == "G2" else 0.0))
        teacher.version(rows)
        teacher.fit(rows, teacher.targets(rows), told.root / "stopped")
        found[rung] = teacher, rows, text[:, [0]]
    return found


def scores(teacher: GraphTeacher, rows: Rows, chosen: np.ndarray, market: Market | None = None) -> np.ndarray:
    """Of the trained teacher, in its own market or in another one."""
    pairs = teacher._pairs
    if market is not None:
        pairs = again(teacher, rows, market, chosen)
    return score_pairs(pairs, chosen, "float32", "test")[:, 0]


def again(teacher: GraphTeacher, rows: Rows, market: Market, needed: np.ndarray) -> CorrectedPairs | GraphPairs:
    pairs, needed = teacher._pairs, np.sort(needed)
    if isinstance(pairs, GraphPairs):
        from models.teachers.fit_text import open_teacher

        text = open_teacher(teacher.text())[1]
        return GraphPairs(rows, pairs.model, teacher.text(), text, market, needed, teacher.config)  # type: ignore[arg-type]
    return type(pairs)(rows, pairs.model, market, pairs.text, needed, teacher.config)


def in_market(market: Market, workspace: Workspace, drop: tuple[str, ...] = ()) -> Market:
    """The same pairs in the graph of another workspace, or without some relations."""
    graph = without(build_graph(workspace), *drop)
    names = {kind: keys for kind, keys in market.graph.keys.items()}

    def node(kind: str, nodes: np.ndarray) -> np.ndarray:
        keys = names[kind][np.maximum(nodes - market.graph.first[kind], 0)]
        return np.where(nodes >= 0, graph.nodes(kind, keys), -1)

    return Market(
        graph, *node_vectors(workspace, graph), node("member", market.member), node("job", market.job), market.time
    )


@pytest.mark.parametrize("rung", RUNGS)
def test_a_pair_without_neighbours_is_the_text_teachers_and_the_others_learn_what_no_text_tells(
    learned, rung: str
) -> None:
    teacher, rows, text = learned[rung]
    test = rows.of_splits("test")
    found = scores(teacher, rows, test)
    cold = teacher._market.member[test] == teacher._market.graph.nodes("member", np.array([f"m{COLD}"]))[0]
    assert cold.any() and np.abs(found[cold] - text[test][cold, 0]).max() < 1e-6
    views = rows.target("view")[test]
    by_text, by_graph = (auc(logits[~cold], views[~cold]) for logits in (text[test, 0], found))
    assert by_graph > 0.9 > 0.7 > by_text


@pytest.mark.parametrize("rung", RUNGS)
def test_before_it_has_learned_each_rung_says_what_the_text_teacher_says(told: Workspace, learned, rung: str) -> None:
    _, rows, text = learned[rung]
    teacher = GraphTeacher(told, knobs(rung, precision="float32", learning_rate=1e-30))
    teacher.version(rows)
    teacher.fit(rows, teacher.targets(rows), told.root / "stopped")
    test = rows.of_splits("test")
    assert np.abs(scores(teacher, rows, test) - text[test, 0]).max() < 1e-6


@pytest.mark.parametrize("rung", RUNGS)
def test_without_edges_quality_falls_to_that_of_the_text(learned, told: Workspace, rung: str) -> None:
    teacher, rows, text = learned[rung]
    test = rows.of_splits("test")
    none = in_market(teacher._market, told, tuple(RELATIONS))
    assert np.abs(scores(teacher, rows, test, none) - text[test, 0]).max() < 1e-6
    fewer = in_market(teacher._market, told, ("posted_by",))
    views = rows.target("view")[test]
    assert auc(scores(teacher, rows, test, fewer), views) < auc(scores(teacher, rows, test), views) - 0.1


@pytest.mark.parametrize("rung", RUNGS)
def test_what_happens_later_changes_no_score(learned, told: Workspace, tmp_path: Path, rung: str) -> None:
    teacher, rows, _ = learned[rung]
    test = rows.of_splits("test")
    later = write_market(tmp_path / "later")
    events = [
        Event(id=f"x{m}-{j}", member_id=f"m{m}", job_id=f"j{j}", action="apply", time=at(22))
        for m in range(MEMBERS)
        for j in range(0, JOBS, 7)
    ]
    write_part(later.records / "events", to_table(events, Event), "later")
    same, planted = (in_market(teacher._market, workspace) for workspace in (told, later))
    assert same.graph.version != planted.graph.version
    np.testing.assert_allclose(scores(teacher, rows, test, planted), scores(teacher, rows, test, same), atol=1e-6)


@pytest.mark.parametrize("rung", RUNGS)
def test_an_advert_of_a_company_that_nobody_knew_is_read_untrained(learned, tmp_path: Path, rung: str) -> None:
    teacher, rows, _ = learned[rung]
    test = rows.of_splits("test")
    newer = write_market(tmp_path / "newer")
    fresh = [
        Job(id=name, title="nurse", company="c5", updated_at=at(2)) for name in ("n0", *(f"n{i}" for i in range(1, 7)))
    ]
    write_part(newer.records / "jobs", to_table(fresh, Job), "new")
    opened = [Event(id=f"n{i}", member_id="m3", job_id=f"n{i}", action="view", time=at(10)) for i in range(1, 7)]
    write_part(newer.records / "events", to_table(opened, Event), "new")
    market = in_market(teacher._market, newer)
    of_member = test[market.member[test] == market.graph.nodes("member", np.array(["m3"]))[0]][:1]
    market.job = market.job.copy()
    market.job[of_member] = market.graph.nodes("job", np.array(["n0"]))
    met = scores(teacher, rows, of_member, market)
    market.job[of_member] = market.graph.nodes("job", np.array(["j2"]))  # of a company that m3 never opened
    assert np.isfinite(met).all() and met > scores(teacher, rows, of_member, market)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_text_that_is_known_later_than_the_request_is_not_read(learned, rung: str) -> None:
    teacher, rows, _ = learned[rung]
    test, market = rows.of_splits("test"), teacher._market
    texts = np.flatnonzero(np.isin(market.graph.kinds(), [0, 1]))
    vectors = market.vectors.copy()
    vectors[texts] = np.random.default_rng(0).normal(size=(len(texts), vectors.shape[1]))
    found = []
    for values, time in ((market.vectors, at(0)), (vectors, at(40)), (vectors, at(0))):
        known = market.known.copy()
        known[texts] = int(time.timestamp() * 1_000_000)
        told = Market(market.graph, values, known, market.member, market.job, market.time)
        found.append(scores(teacher, rows, test, told))
    assert not market.vectors[texts].any()
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    assert np.abs(found[2] - found[0]).max() > 1e-4


def test_the_order_of_node_tokens_changes_nothing_and_what_they_are_told_to_be_does(learned) -> None:
    teacher, rows, _ = learned["G2"]
    pairs, test = teacher._pairs, rows.of_splits("test")
    before = scores(teacher, rows, test)
    order = np.random.default_rng(0).permutation(pairs.nodes.shape[1])
    kept = {name: getattr(pairs, name) for name in ("nodes", "paths", "hops", "weights", "shared")}
    try:
        for name, values in kept.items():
            setattr(pairs, name, values[:, order])
        np.testing.assert_allclose(scores(teacher, rows, test), before, atol=1e-5)
        for name, values in kept.items():
            setattr(pairs, name, values)
        table = pairs.model.nodes.hop.weight
        with torch.no_grad():
            swapped = table[[0, 2, 1]].clone()
            original = table.clone()
            table.copy_(swapped)
        moved = np.abs(scores(teacher, rows, test) - before).max()
        with torch.no_grad():
            table.copy_(original)
        assert moved > 1e-4
    finally:
        for name, values in kept.items():
            setattr(pairs, name, values)


def test_a_vector_that_is_not_a_number_is_named(learned) -> None:
    market = learned["G0"][0]._market
    vectors = market.vectors.copy()
    vectors[market.graph.nodes("company", np.array(["c3"]))[0], 2] = np.nan
    with refused(BadInput, "company", "c3", "embed"):
        checked(market.graph, vectors)


def test_vectors_of_another_encoder_are_not_read(tmp_path: Path) -> None:
    workspace = write_market(tmp_path / "w")
    row = {"job_id": "j1", "vector": [0.0] * 8, "encoder_version": "other", **dict.fromkeys(KNOWN, START)}
    write_part(workspace.features / "job_vector", pa.Table.from_pylist([row]), "0")
    with refused(NotReady, "job", "0123456789ab", "rolecall embed"):
        node_vectors(workspace, build_graph(workspace))


def test_a_vector_is_known_since_its_first_row_is_true_and_written(tmp_path: Path) -> None:
    workspace = write_market(tmp_path / "w")
    dim = node_vectors(workspace, graph := build_graph(workspace))[0].shape[1]
    rows = [
        {"job_id": "j1", "vector": [float(day)] * dim, "encoder_version": "0123456789ab"}
        | dict(zip(KNOWN, (at(day), at(day + 2)), strict=True))
        for day in (5, 3)
    ]
    write_part(workspace.features / "job_vector", pa.Table.from_pylist(rows), "0")
    vectors, known = node_vectors(workspace, graph)
    node = graph.nodes("job", np.array(["j1"]))[0]
    assert (vectors[node] == 3).all() and known[node] == int(at(5).timestamp() * 1_000_000)
    assert (np.delete(known, node) < 0).all()


def test_the_store_is_written_and_the_student_learns_from_three(told: Workspace, tiny: Path) -> None:
    first = train_teacher(told, "graph", knobs("G0"))
    assert train_teacher(told, "graph", knobs("G0")) == first != train_teacher(told, "graph", knobs("G0", width=16))
    rows = read_rows(told.training)
    tasks, _ = read_scores(current_scores(told, "graph"), rows, scored_rows(rows))
    assert tasks == ("view",)
    config = StudentConfig(
        backbone=tiny,
        frozen_layers=0,
        epochs=1,
        item_tokens=1,
        distil=("click", "graph"),
        mix={"view": {"click": 0.3, "graph": 0.7}},
    )
    _, about = load_student(train_student(told, config))
    assert set(about["teachers"]) == {"click", "graph"}


def test_without_a_click_teacher_it_says_so(tmp_path: Path) -> None:
    workspace = write_market(tmp_path / "w")
    with refused(NotReady, "rolecall train click"):
        train_teacher(workspace, "graph", knobs("G0"))
    leave_out(workspace, "click", "no log")
    with refused(NothingToLearn, "click"):
        train_teacher(workspace, "graph", knobs("G0"))


def test_an_event_changes_the_version_and_so_does_the_text_teacher(told: Workspace, tmp_path: Path) -> None:
    rows = read_rows(told.training)
    before = GraphTeacher(told, knobs("G0")).version(rows)
    assert GraphTeacher(told, knobs("G0", device="cpu")).version(rows) == before
    assert GraphTeacher(told, knobs("G0", dropout=0.1)).version(rows) != before
    assert GraphTeacher(told, knobs("G0", walks={"fanout": 3})).version(rows) != before
    assert GraphTeacher(told, knobs("G0")).version(replace(rows, version="other")) != before
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(told.root, copy.root)
    assert GraphTeacher(copy, knobs("G0")).version(rows) == before
    event = Event(id="x", member_id="m0", job_id="j1", action="view", time=at(3))
    write_part(copy.records / "events", to_table([event], Event), "more")
    assert GraphTeacher(copy, knobs("G0")).version(rows) != before
    other = Workspace(tmp_path / "other")
    shutil.copytree(told.root, other.root)
    (other.teachers / "click" / "another").mkdir()
    set_current(other.teachers / "click", "another")
    assert GraphTeacher(other, knobs("G0")).version(rows) != before
