"""Any index is searched from its folder, with its encoder or by words alone, and says how the query was read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady, UnknownAttribute
from contracts.workspace import Workspace
from retrieval.filters.filters import Filter, any_of
from retrieval.index.build import build_index
from retrieval.search import search
from tests.make import refused
from tests.retrieval.conftest import job, write_workspace

JOBS = (
    job("j1", "Truck Driver", company="Acme", location="Austin, Texas"),
    job("j2", "Nurse", company="Mercy", location="Austin, Texas"),
    job("j3", "Python Developer", company="Acme", location="Dallas, Texas"),
    job("j6", "Driver", location="Boston, Massachusetts"),
    job("j7", "Nurses wanted", location="Boston, Massachusetts"),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = write_workspace(tmp_path_factory.mktemp("search"), JOBS, ())
    build_index(found)
    return found


def test_a_place_in_the_query_is_a_filter(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.queries.relax.FEW", 1)  # the board has few jobs of any words
    found = search(workspace.index, "nurse in Austin", 10, Filter())
    assert (found.reading.words, [chip.id for chip in found.reading.chips], found.passed) == (
        "nurse",
        ["place:austin"],
        2,
    )
    assert found.candidates.ids[0] == "j2" and set(found.candidates.ids) == {"j1", "j2"}
    assert found.lacks == "" and "dense" in found.candidates.sources


def test_a_query_as_typed_is_not_read(workspace: Workspace) -> None:
    found = search(workspace.index, "nurse in Austin", 10, Filter(), as_typed=True)
    assert found.reading.words == "nurse in Austin" and len(found.candidates) == len(JOBS)


def test_a_place_alone_gives_what_is_there_where_nobody_looked_yet(workspace: Workspace) -> None:
    found = search(workspace.index, "in Boston", 10, Filter())
    assert set(found.candidates.ids) == {"j6", "j7"} and found.lacks == "no word but a place"


def test_the_filter_that_is_given_holds_beside_the_place(workspace: Workspace) -> None:
    assert search(workspace.index, "nurse in Texas", 10, any_of("company", "acme")).candidates.ids == ["j1", "j3"]


def test_an_index_without_its_encoder_is_searched_by_words_alone(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    about = json.loads((copy.encoder / "encoder.json").read_text())
    (copy.encoder / "encoder.json").write_text(json.dumps(about | {"version": "another00000"}))
    found = search(copy.index, "python", 10, Filter())
    assert "not the one" in found.lacks and found.candidates.sources == ("terms", "popular")
    shutil.rmtree(copy.encoder)
    found = search(copy.index, "python", 10, Filter())
    assert "no encoder" in found.lacks and found.candidates.found_by(0) == ("terms",)
    assert found.candidates.ids[0] == "j3"


def test_the_workspaces_rules_are_in_force(workspace: Workspace, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules: [{name: apart, reason: wrong_occupation, action: demote, enabled: true, surfaces: [search],"
        " when: {title: {}}, because: so}]"
    )
    found = search(workspace.index, "driver", 10, Filter(), rules).candidates
    assert set(found.ids[:2]) == {"j1", "j6"} and set(found.demoted.values()) == {("apart",)}
    assert len(found.demoted) == len(found) - 2


def test_what_cannot_be_searched_is_said(workspace: Workspace, tmp_path: Path) -> None:
    with refused(BadInput, "query", "rolecall search"):
        search(workspace.index, "  ", 10, Filter())
    with refused(NotReady, tmp_path, "rolecall index"):
        search(tmp_path, "nurse", 10, Filter())
    with refused(UnknownAttribute, "'colour'", "skills", where="filter"):
        search(workspace.index, "nurse", 10, any_of("colour", "red"))


def test_the_order_does_not_hang_on_how_many_are_asked_for(workspace: Workspace) -> None:
    whole = search(workspace.index, "truck nurse developer", len(JOBS), Filter()).candidates
    assert len(whole) == len(JOBS)
    for k in range(1, len(JOBS)):
        few = search(workspace.index, "truck nurse developer", k, Filter()).candidates
        assert few.ids == whole.ids[:k] and [*map(few.found_by, range(k))] == [*map(whole.found_by, range(k))]


def test_what_stands_in_quotes_is_counted(workspace: Workspace) -> None:
    assert search(workspace.index, '"truck driver"', 3, Filter()).quoted == 1
    assert search(workspace.index, '"registered nurse"', 3, Filter()).quoted == 0
    found = search(workspace.index, "driver", 3, Filter())
    assert (found.quoted, found.open, found.passed) == (None, len(JOBS), len(JOBS))


@pytest.mark.parametrize("k", [0, -1])
def test_no_jobs_cannot_be_asked_for(workspace: Workspace, k: int) -> None:
    with refused(BadInput, f"k is {k}"):
        search(workspace.index, "nurse", k, Filter())
