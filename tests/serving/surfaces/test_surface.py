"""A surface is a file: it is read with the errors of its lines, and asked like those of the package."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from contracts.bundle import Manifest, Objective
from contracts.errors import BadInput
from contracts.workspace import Workspace
from ranking.objective import Wish
from retrieval.rules.rules import find_rules
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.kinds import BUILT_IN
from serving.schemas import Answer, RecommendRequest, Result
from serving.surfaces.surface import Surface, find_surfaces, read_surface

BUNDLE = Objective(order="blend", weight=1.0, weights=(0.0, 2.0), floors=(0.0, 0.8))
MANIFEST = Manifest.model_construct(objectives={"search": BUNDLE}, blend=None, version="v")


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([f"name: {name}", "summary: One", *lines]))
    return path


def test_the_packages_own_surfaces_are_those_with_a_route() -> None:
    surfaces = find_surfaces()
    assert {name: surfaces[name].asks for name in BUILT_IN} == BUILT_IN


def test_a_workspace_adds_a_surface_and_replaces_one(tmp_path: Path) -> None:
    write(tmp_path / "surfaces", "home", "asks: member", "objective: recommendation", "k: 7")
    write(tmp_path / "surfaces", "search", "asks: query", "objective: search", "k: 3")
    surfaces = find_surfaces(Workspace(tmp_path))
    assert (surfaces["home"].k, surfaces["search"].k) == (7, 3)
    assert set(find_surfaces()) < set(surfaces)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("candidates: 0", ("line 5", "candidates", "(found 0)")),
        ("sauces: {dense: 1}", ("line 5", "sauces")),
        ("sources: {dense: 2}", ("line 5", "sources.dense", "(found 2)")),
        ("sources: {nowhere: 0.5}", ("line 5", "sources", "nowhere")),
        ("sort: newest", ("line 5", "sort", "newest")),
        ("fields: {job: [job_id, salary]}", ("line 5", "fields.job", "'salary'", "salary_min")),
        ("fields: {answer: [titles]}", ("line 5", "fields.answer", "'titles'", "timings_ms")),
        ("fields: {jobs: [title]}", ("line 5", "fields.jobs")),
        ("facets: [skills]\nfields: {answer: [notes]}", ("facets", "fields.answer")),
    ],
)
def test_what_is_wrong_with_a_surface_is_said_with_its_line(tmp_path: Path, line: str, named: tuple[str, ...]) -> None:
    path = write(tmp_path, "home", "asks: member", "objective: recommendation", line)
    with pytest.raises(BadInput) as error:
        read_surface(path)
    assert str(path) in str(error.value)
    assert all(part in str(error.value) for part in named)


def test_a_file_of_another_name_and_a_route_asked_otherwise_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "home", "asks: member", "objective: search").rename(tmp_path / "front.yaml")
    with pytest.raises(BadInput, match=r"line 1.*home"):
        read_surface(path)
    write(tmp_path / "surfaces", "search", "asks: member", "objective: search")
    with pytest.raises(BadInput, match="asks: member"):
        find_surfaces(Workspace(tmp_path))


def test_a_request_sets_what_it_names_and_nothing_else() -> None:
    surface = Surface(name="a", summary="A", asks="member", objective="search", k=7, diversity=0.5)
    asked = surface.asked_by(RecommendRequest(diversity=0.0))
    assert (asked.k, asked.diversity) == (7, 0.0)
    assert surface.asked_by(RecommendRequest()) == surface


def test_the_surface_sets_the_objective_and_a_request_goes_before_it() -> None:
    surface = Surface(name="a", summary="A", asks="query", objective="search", weight=0.5, floor=0.9)
    own = surface.objective_of(MANIFEST, None)
    assert (own.weight, own.floor) == (0.5, 0.9)  # the operator's own file: the bounds are for requests
    asked = surface.objective_of(MANIFEST, Wish(weight=2.0))
    assert (asked.weight, asked.floor) == (2.0, 0.9)
    with pytest.raises(BadInput, match=r"objective\.weight"):
        surface.objective_of(MANIFEST, Wish(weight=3.0))


def test_a_surface_names_its_rules_or_has_none(tmp_path: Path) -> None:
    book = find_rules(Workspace(tmp_path))
    of = {"name": "a", "summary": "A", "asks": "query", "objective": "search"}
    assert Surface.model_validate(of).rules_of(book) == book.enabled
    assert Surface.model_validate(of | {"rules": False}).rules_of(book) == ()
    name = book.enabled[0].name
    assert [rule.name for rule in Surface.model_validate(of | {"rules": [name]}).rules_of(book)] == [name]


def test_a_new_surface_is_a_file(workspace: Workspace, member_ids: list[str]) -> None:
    lines = ("asks: member", "objective: recommendation", "k: 3", "sources: {popular: 1.0}", "facets: [workplace]")
    write(workspace.root / "surfaces", "front", *lines, "min_good_match: 0.1", "logged: false")
    with running(Engine(workspace, ServeConfig(deadline=60))) as url, httpx.Client(base_url=url, timeout=60) as client:
        answer = client.post("/v1/surfaces/front", json={"member_id": member_ids[0]}).json()
        assert answer["surface"] == "front" and len(answer["results"]) == 3
        assert {tuple(result["found_by"]) for result in answer["results"]} == {("popular",)}
        assert set(answer["facets"]) == {"workplace"}
        assert client.post("/v1/surfaces/front", json={"query": "nurse"}).status_code == 422
        refused = client.post("/v1/surfaces/nowhere", json={})
        assert refused.status_code == 404 and "front" in refused.json()["message"]
        assert client.post("/v1/surfaces/candidates", json={}).status_code == 404  # its own scope, its own route


def test_a_route_of_its_own_has_all_fields_and_other_answers_have_no_shape(tmp_path: Path) -> None:
    for name, lines in (("search", ()), ("short", ("answers: suggestions",))):
        path = write(tmp_path, name, "asks: query", "objective: search", "fields: {job: [title]}", *lines)
        with pytest.raises(BadInput, match="name of its own"):
            read_surface(path)


def test_an_answer_and_its_pages_have_the_fields_that_the_surface_names(
    workspace: Workspace, member_ids: list[str]
) -> None:
    lines = ("asks: member", "objective: recommendation", "k: 3", "logged: false")
    write(workspace.root / "surfaces", "ids", *lines, "fields: {job: [score], answer: [bundle_version]}")
    write(workspace.root / "surfaces", "reasons", *lines, "fields: {job: [title, why, distance]}")
    whole = set(Answer.model_fields)
    with running(Engine(workspace, ServeConfig(deadline=60))) as url, httpx.Client(base_url=url, timeout=60) as client:
        asked = {"member_id": member_ids[0]}
        answer = client.post("/v1/surfaces/ids", json=asked).json()
        assert set(answer) == {"request_id", "results", "degraded", "bundle_version"}
        assert [set(job) for job in answer["results"]] == [{"job_id", "score"}] * 3
        page = client.post("/v1/next", json=asked | {"request_id": answer["request_id"], "k": 2}).json()
        assert set(page) == {"request_id", "results", "more", "bundle_version"}
        assert [set(job) for job in page["results"]] == [{"job_id", "score"}] * 2
        answer = client.post("/v1/surfaces/reasons", json=asked).json()
        assert set(answer) == whole
        assert [set(job) for job in answer["results"]] == [{"job_id", "title", "why", "distance"}] * 3
        assert set(client.post("/v1/recommend", json=asked).json()["results"][0]) == set(Result.model_fields)
        refused = client.post("/v1/surfaces/ids", json=asked | {"facets": ["skills"]})
        assert (refused.status_code, refused.json()["field"]) == (422, "facets")
        explained = client.get(f"/v1/explain/{answer['request_id']}/{answer['results'][0]['job_id']}")
        assert explained.status_code == 200
