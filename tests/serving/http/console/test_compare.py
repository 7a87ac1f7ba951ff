"""Answers side by side: other rules, policies and bundles, with what moved."""

from __future__ import annotations

import html
import re
import shutil
import threading
from pathlib import Path

import httpx
import pytest

from contracts.errors import BadInput, NotReady
from contracts.versions import current, set_current
from contracts.workspace import Workspace
from policy.document.load import load_policy
from retrieval.index.build import build_index
from retrieval.rules.rules import RuleBook
from serving import beside
from serving.comparison import difference, overlap
from serving.config import ConsoleConfig, ServeConfig
from serving.engine import Engine
from serving.http.console.compare import graded_by
from serving.http.run import running
from serving.schemas import RecommendRequest, SearchRequest
from tests.make import refused
from tests.serving.conftest import write_untrained_bundle
from tests.serving.http.console.conftest import page

SIDE = re.compile(r'<h2 id="side-\d">(.*?)</h2>(.*?)</section>', re.S)
PLACED = re.compile(
    r'<li><span class="place" aria-hidden="true">\d+</span><span class="what"><a href="/console/jobs/([^"]+)"'
)


def sides(text: str) -> dict[str, list[str]]:
    """Name of a side -> ids of its jobs, best first."""
    return {html.unescape(name): PLACED.findall(body.split("<h3>Gone")[0]) for name, body in SIDE.findall(text)}


def test_moves_say_where_a_job_stood_before() -> None:
    moved = difference(["a", "b", "c"], ["c", "a", "d"])
    assert [(move.job_id, move.before, move.up) for move in moved.moves] == [("c", 3, 2), ("a", 1, -1), ("d", None, 0)]
    assert moved.gone == (("b", 2),)
    assert moved.overlap == pytest.approx(2 / 3)


def test_overlap_is_of_the_first_places_alone() -> None:
    assert overlap([str(i) for i in range(20)], [str(i) for i in range(10, 30)]) == 0
    assert overlap([], []) == overlap(["a"], ["a"]) == 1


def test_other_rules_stand_beside_what_is_served(reading: httpx.Client) -> None:
    shown = sides(page(reading.get("/console/compare?q=nurse&side=rules:none&side=rules:built-in")))
    api = [job["job_id"] for job in reading.post("/v1/search", json={"query": "nurse", "k": 20}).json()["results"]]
    assert list(shown) == ["Served now", "No rules", "Built-in rules"]
    assert shown["Served now"] == shown["Built-in rules"] == api


def test_a_policys_order_is_by_its_own_grades(room: tuple[Engine, httpx.Client]) -> None:
    engine, client = room
    shown = sides(page(client.get("/console/compare?tab=member&member=m00000001&side=policy:0")))
    served, ordered = shown["Served now"], shown["Policy in force"]
    grades = graded_by(load_policy(), (engine.member("m00000001"), ""), engine.adverts(served))
    assert sorted(served) == sorted(ordered)
    assert [grades[job] for job in ordered] == sorted(grades.values(), reverse=True)


def test_another_bundle_answers_beside_the_one_that_is_served(market: Workspace, turned: Path, tmp_path: Path) -> None:
    shutil.copytree(market.root, tmp_path / "market")
    workspace = Workspace(tmp_path / "market")
    bundle, index = current(workspace.bundles), current(workspace.indexes)
    assert bundle is not None and index is not None
    other = _second_build(workspace, turned)
    set_current(workspace.bundles, bundle.name)
    set_current(workspace.indexes, index.name)
    engine = Engine(workspace, ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert engine.beside.built()[0].index_version == other.name
        shown = sides(page(client.get(f"/console/compare?q=nurse&side=index:{other.name}")))
        [(_, beside_it)] = [item for item in shown.items() if item[0] != "Served now"]
        swapped = engine.swap(workspace.bundles / _bundle_of(engine, other), other)
        assert swapped.folders[1] == other
        api = client.post("/v1/search", json={"query": "nurse", "k": 20}).json()["results"]
        assert beside_it == [job["job_id"] for job in api]
        assert shown["Served now"] != beside_it


def _second_build(workspace: Workspace, graphs: Path) -> Path:
    """Another bundle and the index that goes with it."""
    from beam_jobs import embed
    from feature_repo.store import apply

    bundle = write_untrained_bundle(workspace, graphs)
    embed.run(["--workspace", str(workspace.root), "--what", "items", "--bundle", str(bundle)])
    apply(workspace)
    return build_index(workspace, bundle)


def _bundle_of(engine: Engine, index: Path) -> str:
    return next(one.bundle_version for one in engine.beside.built() if one.index_version == index.name)


def test_nothing_is_loaded_beside_where_none_may_be(furnished: Workspace) -> None:
    config = ServeConfig(console=ConsoleConfig(beside=0))
    index = current(furnished.indexes)
    assert index is not None
    with refused(BadInput, "beside"), beside.Beside(furnished, config).use(index.name):
        pass


def test_an_index_that_is_not_there_is_named(furnished: Workspace) -> None:
    with refused(BadInput, "nothing"), beside.Beside(furnished, ServeConfig()).use("nothing"):
        pass


def test_two_comparisons_do_not_load_at_once(furnished: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WAIT_SECONDS", 0.05)
    index, held = current(furnished.indexes), beside.Beside(furnished, ServeConfig())
    assert index is not None
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with held.use(index.name):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    with pytest.raises(NotReady), held.use(index.name):
        pass
    leave.set()
    thread.join()
    held.close()


def test_a_try_with_other_rules_leaves_those_in_force(room: tuple[Engine, httpx.Client]) -> None:
    engine, _ = room
    before = engine.rules.version
    empty = RuleBook(rules=())
    assert engine.tried(SearchRequest(query="nurse"), rules=empty).rules_version == empty.version
    assert engine.tried(RecommendRequest(member_id="m00000001")).rules_version == before


@pytest.mark.parametrize("side", ["index:nothing", "rules:nothing", "policy:9", "policy:x", "<script>"])
def test_a_side_that_is_none_says_so_and_the_others_answer(reading: httpx.Client, side: str) -> None:
    text = page(reading.get("/console/compare", params={"q": "nurse", "side": [side, "rules:none"]}))
    assert "No rules" in sides(text) and 'role="alert"' in text
