"""`rolecall links`, from a log to one member's links, and the benchmark over the same market."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady, TooFewHires
from contracts.workspace import Workspace
from simulator import simulate
from tests.make import refused

START = datetime(2025, 1, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def workspace(rolecall: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    data, place = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("workspace")
    simulate(data, members=200, jobs=300, events=60_000, seed=5, start=START)
    (place / "records").symlink_to(data)
    rolecall("-q", "links", "learn", "-w", place)
    return Workspace(place)


def member_with_links(workspace: Workspace) -> str:
    from retrieval.links.store import LinkStore

    store = LinkStore.load(workspace.link_graph)
    return next(f"m{i:08}" for i in range(200) if len(store.nodes(f"m{i:08}")))


def test_show_prints_the_links_and_the_jobs_with_their_reasons(rolecall: Callable[..., str], workspace: Workspace):
    member = member_with_links(workspace)
    told = rolecall("links", "show", member, "-w", workspace.root, "--jobs", 2)
    assert told.startswith(f"member {member}: ") and workspace.link_graph.name in told
    assert "were hired" in told and "hires, weight" in told
    found = json.loads(rolecall("links", "show", member, "-w", workspace.root, "--jobs", 2, "--json"))
    assert len(found["first"]) == 2 and all(one["because"] for one in found["first"])
    assert all(one["because"] in told for one in found["links"])


def test_show_draws_the_links(rolecall: Callable[..., str], workspace: Workspace, tmp_path: Path):
    member = member_with_links(workspace)
    rolecall("links", "show", member, "-w", workspace.root, "--svg", tmp_path / "m.svg")
    root = ElementTree.parse(tmp_path / "m.svg").getroot()
    assert root.tag.endswith("svg") and "were hired" in (root[1].text or "")


def test_an_unknown_member_is_said(rolecall: Callable[..., str], workspace: Workspace):
    with refused(BadInput, "'nobody'"):
        rolecall("links", "show", "nobody", "-w", workspace.root)


def test_show_before_learn_names_the_command(rolecall: Callable[..., str], tmp_path: Path):
    with refused(NotReady, tmp_path, "rolecall links learn"):
        rolecall("links", "show", "m00000000", "-w", tmp_path)


def test_edits_and_who_made_them_are_kept_with_the_graph(
    rolecall: Callable[..., str], workspace: Workspace, tmp_path: Path
):
    before = json.loads((workspace.link_graph / "about.json").read_text())
    place = tmp_path / "workspace"
    place.mkdir()
    (place / "records").symlink_to((workspace.root / "records").resolve())
    edits = tmp_path / "edits.yaml"
    edits.write_text(
        "edits:\n  - forbid: {member: {seniority: mid}, job: {seniority: mid}}\n"
        "    who: ann\n    when: 2026-02-01\n    why: levels are not enough\n"
    )
    rolecall("-q", "links", "learn", "-w", place, "--edits", edits)
    about = json.loads((Workspace(place).link_graph / "about.json").read_text())
    assert about["edits"][0].startswith("forbidden by ann on 2026-02-01: levels are not enough (")
    assert about["version"] != before["version"] and not before["edits"]


def test_links_are_learned_from_what_came_before_the_held_out_requests(workspace: Workspace):
    import polars as pl

    from contracts.tables import read_table
    from history.requests import EVENT_COLUMNS, past_requests

    about = json.loads((workspace.link_graph / "about.json").read_text())
    events = read_table(workspace.records / "events", EVENT_COLUMNS)
    everything = dict.fromkeys(("train", "valid", "test"), events.num_rows)
    requests = past_requests(pl.DataFrame(events), everything, 0)
    until = datetime.fromisoformat(about["until"])
    assert until == min(request.time for request in requests if request.split != "train")
    hires = [row["time"] for row in events.to_pylist() if row["action"] == "hire"]
    assert 0 < about["counts"]["hires"] <= sum(time < until for time in hires) < len(hires)


def test_a_log_without_hires_ends_the_stage_without_links_where_that_is_allowed(
    rolecall: Callable[..., str], workspace: Workspace, tmp_path: Path
):
    import pyarrow.compute as pc

    from contracts.tables import read_table, write_part

    place = Workspace(tmp_path)
    for table in ("members", "jobs", "events"):
        rows = read_table(workspace.records / table)
        if table == "events":
            rows = rows.filter(pc.not_equal(rows["action"], "hire"))
        write_part(place.records / table, rows)
    place.links.mkdir()
    (place.links / "CURRENT").write_text("of former records")
    with refused(TooFewHires, "`hire`", "events"):
        rolecall("-q", "links", "learn", "-w", tmp_path)
    assert rolecall("-q", "links", "learn", "-w", tmp_path, "--or-none") == ""
    assert not (place.links / "CURRENT").exists()


def test_the_command_line_starts_without_what_links_need():
    heavy = ("sklearn", "polars", "retrieval.links.learn", "apache_beam")
    code = f"import rolecall.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_show_without_a_member_tells_what_was_learned(rolecall: Callable[..., str], workspace: Workspace):
    told = rolecall("links", "show", "-w", workspace.root, "--jobs", 1)
    assert workspace.link_graph.name in told and "later hires" in told and told.count("were hired") == 1
    about = json.loads(rolecall("links", "show", "-w", workspace.root, "--json"))
    assert about["held_out"]["hires"] > 0 and about["best"]


def test_a_workspace_left_without_links_says_why(rolecall: Callable[..., str], workspace: Workspace, tmp_path: Path):
    (tmp_path / "records").symlink_to((workspace.root / "records").resolve())
    params = tmp_path / "params.yaml"
    params.write_text("links: {least_hires: 1000}\n")
    rolecall("-q", "--params", params, "links", "learn", "-w", tmp_path, "--or-none")
    assert rolecall("links", "show", "-w", tmp_path).startswith("no links: no link is in 1000 of ")
    assert "least_hires" in json.loads(rolecall("links", "show", "-w", tmp_path, "--json"))["none"]


def test_the_families_of_titles_are_listed(rolecall: Callable[..., str], workspace: Workspace):
    about = json.loads((workspace.link_graph / "about.json").read_text())
    told = json.loads(rolecall("links", "families", "-w", workspace.root, "--json"))
    assert set(told["families"]) == set(about["families"]) and told["families"]
    assert sum(told["families"].values()) + told["without"] == 300
    assert rolecall("links", "families", "-w", workspace.root).startswith(f"{len(about['families'])} families of 300 ")
