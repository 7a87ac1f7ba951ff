"""The market graph: what it reads, what it knows when, and what it does with odd markets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from contracts.arrow import to_table
from contracts.errors import NotReady
from contracts.records import Event, Job, Member
from contracts.tables import write_part
from contracts.time.as_of import rows_as_of
from contracts.workspace import Workspace
from history.graph.config import WalkConfig
from history.graph.density import degrees, densify
from history.graph.edges import FOREVER, SCHEMA, company_name, versions
from history.graph.graph import KINDS, RELATIONS, Graph, build_graph, make_graph, without
from history.graph.report import degree_report
from history.graph.walks import JOB_PATHS, MEMBER_PATHS, Queries, sample, walk
from rolecall.cli import app
from tests.make import refused

START = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = WalkConfig(fanout=4)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def at(number: float) -> int:
    return int(day(number).timestamp() * 1_000_000)


def market(root: Path, extra: list[Event] | None = None) -> Workspace:
    workspace = Workspace(root)
    position = {"title": "Nurse", "company": "ACME, Inc."}
    members = [
        Member(id="m1", skills=("Triage",), positions=[position], updated_at=day(0)),
        Member(id="m2", skills=("triage", "Latin"), preferences={"titles": ["Baker"]}, updated_at=day(0)),
        Member(id="m2", skills=("Latin",), updated_at=day(5)),
    ]
    jobs = [
        Job(id="j1", title="Nurse", company="Acme", skills=("triage",), updated_at=day(0)),
        Job(id="j2", title="Nurse", company="ACME Ltd.", updated_at=day(0)),
        Job(id="j2", title="Nurse", company="Newname", updated_at=day(6)),
        Job(id="j3", title="Baker", company="Bread", updated_at=day(0)),
    ]
    told = [("m1", "j1", "view", 1), ("m2", "j1", "apply", 2), ("m2", "j3", "view", 3), ("m1", "j3", "impression", 3)]
    events = [
        Event(id=f"e{i}", member_id=m, job_id=j, action=action, time=day(t)) for i, (m, j, action, t) in enumerate(told)
    ]
    for name, kind, rows in (
        ("members", Member, members),
        ("jobs", Job, jobs),
        ("events", Event, [*events, *(extra or [])]),
    ):
        write_part(workspace.records / name, to_table(rows, kind), "0")
    return workspace


def reached(graph: Graph, kind: str, key: str, path: tuple[str, ...], time: float, barred: str = "") -> set[str]:
    other = graph.nodes("job" if kind == "member" else "member", np.array([barred]))
    queries = Queries(graph.nodes(kind, np.array([key])), np.array([at(time)]), other)
    return {name_of(graph, node) for node in walk(graph, path, queries, CONFIG).node}


def name_of(graph: Graph, node: int) -> str:
    return next(
        str(graph.keys[kind][node - graph.first[kind]])
        for kind in reversed(KINDS)
        if graph.first[kind] <= node < graph.first[kind] + len(graph.keys[kind])
    )


def test_the_graph_holds_what_records_and_events_say_as_of_a_moment(tmp_path: Path) -> None:
    graph = build_graph(market(tmp_path))
    assert reached(graph, "member", "m1", ("opened",), 10) == {"j1"}
    assert reached(graph, "member", "m2", ("opened",), 2.5) == {"j1"}
    assert reached(graph, "member", "m2", ("opened",), 3) == {"j1"}  # what happens at the very moment is not known
    assert reached(graph, "member", "m2", ("opened",), 3.1) == {"j1", "j3"}
    assert reached(graph, "member", "m2", ("applied",), 10) == {"j1"}
    assert reached(graph, "member", "m2", ("has_skill",), 1) == {"triag", "latin"}
    assert reached(graph, "member", "m2", ("has_skill",), 9) == {"latin"}  # the newer version says less
    assert reached(graph, "member", "m1", ("worked_at", "~posted_by"), 1) == {"j1", "j2"}
    assert reached(graph, "job", "j1", ("~opened", "opened"), 10) == {"j3"}


def test_a_company_that_changes_its_name_is_another_one_from_the_version_that_says_so(tmp_path: Path) -> None:
    graph = build_graph(market(tmp_path))
    assert reached(graph, "job", "j2", ("posted_by",), 5) == {"acme"}
    assert reached(graph, "job", "j2", ("posted_by",), 7) == {"newname"}
    assert reached(graph, "job", "j1", ("posted_by", "~posted_by"), 5) == {"j2"}
    assert reached(graph, "job", "j1", ("posted_by", "~posted_by"), 7) == set()
    assert company_name("ACME, Inc.") == company_name("Acme") == "acme" and company_name("Inc.") == "inc"


def test_the_edge_of_the_pair_itself_is_not_in_its_neighbourhood(tmp_path: Path) -> None:
    graph = build_graph(market(tmp_path))
    assert reached(graph, "member", "m1", ("opened",), 10, barred="j1") == set()
    assert reached(graph, "member", "m1", ("opened", "posted_by"), 10, barred="j1") == set()
    assert reached(graph, "job", "j1", ("~opened",), 10, barred="m1") == {"m2"}
    assert reached(graph, "job", "j3", ("~opened", "opened"), 10, barred="m2") == set()


events = st.lists(
    st.tuples(st.sampled_from(["m1", "m2", "m9"]), st.sampled_from(["j1", "j2", "j3", "j9"]), st.floats(4, 60)),
    max_size=8,
)


@settings(max_examples=15)
@given(events, st.sampled_from(["view", "apply", "hire"]))
def test_nothing_later_than_the_request_changes_a_neighbourhood(tmp_path_factory, planted, action: str) -> None:
    extra = [
        Event(id=f"p{i}", member_id=m, job_id=j, action=action, time=day(t)) for i, (m, j, t) in enumerate(planted)
    ]
    found = []
    for more in ([], extra):
        graph = build_graph(market(tmp_path_factory.mktemp("w"), more))
        for kind, key, paths in (("member", "m2", MEMBER_PATHS), ("job", "j1", JOB_PATHS)):
            for path in paths.values():
                found.append((kind, path, reached(graph, kind, key, path, 4)))
    half = len(found) // 2
    assert found[:half] == found[half:] and any(names for _, _, names in found)


versions_of = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.sampled_from(["x", "y", ""])), max_size=8)


@settings(max_examples=30)
@given(versions_of, st.integers(0, 8))
def test_edges_of_records_are_those_of_the_one_as_of_join(tmp_path_factory, rows, moment: int) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("w"))
    jobs = [Job(id=key, title="T", company=name, updated_at=day(time)) for key, time, name in rows]
    write_part(workspace.records / "jobs", to_table([*jobs, Job(id="z", title="T", updated_at=day(0))], Job), "0")
    table = versions(workspace, "jobs")
    held = table.filter((pl.col("since") <= at(moment)) & (pl.col("until") > at(moment)))
    found = dict(held.select("id", "company").iter_rows())
    history = pl.DataFrame(
        {"id": [j.id for j in jobs], "updated_at": [j.updated_at for j in jobs]},
        {"id": pl.String, "updated_at": pl.Datetime("us", "UTC")},
    )
    asked = pl.DataFrame({"id": ["a", "b"], "t": [day(moment)] * 2}, {"id": pl.String, "t": pl.Datetime("us", "UTC")})
    chosen = rows_as_of(history, asked, ["id"], "t", ["updated_at"])
    expected = {key: jobs[row].company for key, row in zip("ab", chosen, strict=True) if row is not None}
    assert {key: name for key, name in found.items() if key != "z"} == expected


def edges(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    return pl.DataFrame([(a, b, at(t), FOREVER) for a, b, t in rows], SCHEMA, orient="row")


def test_a_hub_costs_a_step_its_fan_out_and_gives_its_latest_edges() -> None:
    n = 1_000_000
    numbers = pl.int_range(n, eager=True)
    table = pl.DataFrame(
        {"source": "m" + numbers.cast(pl.String), "target": "hub", "since": numbers + 1, "until": FOREVER}
    )
    graph = make_graph({"opened": table.select(*SCHEMA)})
    queries = Queries(graph.nodes("job", np.array(["hub"])), np.array([n - 9]), np.array([-1]))
    found = walk(graph, ("~opened",), queries, CONFIG)
    names = {name_of(graph, node) for node in found.node}
    assert names == {f"m{i}" for i in range(n - 14, n - 10)} and np.isclose(found.weight.sum(), 1)


def test_a_member_with_every_job_and_self_loops_and_absent_relations_are_treated_as_stated() -> None:
    jobs = [f"j{i}" for i in range(50)]
    graph = make_graph(
        {
            "opened": edges([("all", job, i) for i, job in enumerate(jobs)]),
            "like_job": edges([("j1", "j1", 0), ("j1", "j2", 0)]),
        }
    )
    assert graph.dropped == {"self-loops": 1}
    assert reached(graph, "member", "all", ("opened",), 100) == set(jobs[-4:])
    assert reached(graph, "job", "j1", ("like_job",), 1) == {"j2"}
    for path in (("worked_at",), ("posted_by", "~posted_by"), ("opened", "posted_by")):
        assert reached(graph, "member", "all", path, 100) == set()
    assert degree_report(graph)["dropped"] == {"self-loops": 1}


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 9)), min_size=1, max_size=30), st.booleans()
)
def test_samples_are_what_walks_reach_each_node_once_the_heaviest_first(rows, pagerank: bool) -> None:
    graph = make_graph({"opened": edges([(f"m{a}", f"j{b}", t) for a, b, t in rows])})
    config = WalkConfig(fanout=3, sampling="pagerank" if pagerank else "recency")
    origins = np.arange(len(graph.keys["member"])) + graph.first["member"]
    queries = Queries(origins, np.full(len(origins), at(5)), np.full(len(origins), -1))
    paths = [("opened",), ("opened", "~opened")]
    found = sample(graph, paths, queries, 4, config)
    for i in range(len(origins)):
        nodes = found.nodes[i][found.nodes[i] >= 0]
        one = Queries(queries.origins[i : i + 1], queries.times[:1], queries.barred[:1])
        allowed = np.concatenate([walk(graph, path, one, config).node for path in paths])
        assert len(np.unique(nodes)) == len(nodes) == min(4, len(np.unique(allowed))) and set(nodes) <= set(allowed)
        assert (found.nodes[i][len(nodes) :] == -1).all() and (found.weights[i][: len(nodes)] > 0).all()
        if pagerank:
            assert (np.diff(found.weights[i][: len(nodes)]) <= 1e-9).all()
        assert (found.hops[i][: len(nodes)] == [len(paths[p]) for p in found.paths[i][: len(nodes)]]).all()


def test_cold_nodes_are_joined_to_like_well_connected_ones_by_degrees_of_then() -> None:
    rows = [("m0", f"j{i}", 1) for i in range(6)] + [("m1", f"j{i}", 8) for i in range(9)] + [("m3", "j0", 1)]
    graph = make_graph({"opened": edges(rows)}, {"member": pl.Series([f"m{i}" for i in range(10)])})
    vectors = np.zeros((len(graph), 2), np.float32)
    members = graph.first["member"] + np.arange(10)
    vectors[members] = [[1, 0] if i % 2 else [0, 1] for i in range(10)]
    known = np.full(len(graph), at(0))
    known[members[7]] = at(6)
    dense = densify(graph, vectors, known, [at(5), at(9)], near=1)
    assert reached(dense, "member", "m5", ("like_member",), 5.9) == {"m0"}
    assert reached(dense, "member", "m7", ("like_member",), 5.9) == set()  # its text is not known yet
    assert reached(dense, "member", "m7", ("like_member",), 6.1) == {"m0"}
    assert reached(dense, "member", "m7", ("like_member",), 10) == {"m1"}
    assert reached(dense, "member", "m4", ("like_member",), 4) == set()
    assert reached(dense, "member", "m4", ("like_member", "opened"), 6) <= {f"j{i}" for i in range(6)}
    assert reached(dense, "member", "m4", ("like_member",), 6) == {"m0"}  # m1 is unknown by then
    assert reached(dense, "member", "m5", ("like_member",), 10) == {"m1"}
    assert (degrees(dense, at(6)) == degrees(graph, at(6))).all()  # what was added is no degree
    assert len(without(dense, "like_member").adjacency["like_member"].target) == 0


def test_the_report_counts_degrees_and_the_command_prints_it(tmp_path: Path) -> None:
    workspace = market(tmp_path)
    report = degree_report(build_graph(workspace))
    opened = next(row for row in report["edges"] if row["relation"] == "~opened")
    assert (opened["edges"], opened["nodes"], opened["most"]) == (3, 2, 2)
    assert len(report["edges"]) == 2 * len(RELATIONS)
    run = CliRunner().invoke(
        app, ["graph", "report", "--workspace", str(tmp_path), "--at", "2026-01-02T12:00:00", "--json"]
    )
    found = next(row for row in json.loads(run.output)["edges"] if row["relation"] == "opened")
    assert run.exit_code == 0 and found["edges"] == 1
    assert "posted_by" in CliRunner().invoke(app, ["graph", "report", "--workspace", str(tmp_path)]).output


def test_a_workspace_without_records_is_said(tmp_path: Path) -> None:
    with refused(NotReady, "ingest"):
        build_graph(Workspace(tmp_path))


def test_the_version_tells_graphs_apart(tmp_path: Path) -> None:
    one, same = (build_graph(market(tmp_path / name)) for name in "ab")
    other = build_graph(
        market(tmp_path / "c", [Event(id="x", member_id="m1", job_id="j2", action="view", time=day(9))])
    )
    assert one.version == same.version != other.version
