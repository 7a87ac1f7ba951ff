"""A replay from a workspace on disk to its files, on real components."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import ir_measures
import numpy as np
import pytest

from contracts.errors import BadInput, IndexMismatch, NotReady
from contracts.versions import set_current
from contracts.workspace import Workspace
from replay.results import END_TO_END, Results, teacher_name
from replay.run import replay
from replay.summary import read_results, write_summary
from tests.make import refused
from tests.replay.conftest import event

RERANKED = (
    "popularity",
    "BM25",
    "encoder alone",
    "retrieval alone",
    "policy teacher",
    "click teacher",
    "student, relevance",
    "student, engagement",
    "whole system",
)


@pytest.fixture(scope="module")
def results(shown: Workspace) -> Results:
    return replay(shown, resamples=100)


def test_every_system_stands_in_its_tables(results: Results) -> None:
    tables = {table.name: table.systems for table in results.tables}
    assert tables["end_to_end"] == END_TO_END
    assert tables["rerank_engagement"] == tables["rerank_grades"] == RERANKED
    assert tables["told_apart"] == (
        "BM25",
        "encoder alone",
        "policy teacher",
        "click teacher",
        "student",
        "whole system",
    )


def test_the_metrics_are_those_of_the_run_files_by_ir_measures(shown: Workspace, results: Results) -> None:
    for table in (table for table in results.tables if table.reference):
        qrels = list(ir_measures.read_trec_qrels(str(shown.replay / "qrels" / f"{table.name}.qrels")))
        for system in table.systems:
            name = system.lower().replace(", ", "-").replace(" ", "-")
            run = list(ir_measures.read_trec_run(str(shown.replay / "runs" / f"{table.name}.{name}.run")))
            measures = [ir_measures.parse_measure(metric) for metric in table.metrics]
            found = ir_measures.calc_aggregate(measures, qrels, run)
            assert [table.cell(system, str(m)).value for m in measures] == pytest.approx([found[m] for m in measures])


def test_dvc_finds_every_figure_beside_those_of_export(shown: Workspace, results: Results) -> None:
    figures = json.loads(shown.replay_metrics.read_text())
    for table in results.tables:
        for cell in table.cells:
            assert figures[table.name][cell.system][cell.metric] == cell.value


def test_a_request_is_never_answered_with_what_was_applied_to_before(shown: Workspace, results: Results) -> None:
    """m1 applied to j1 before r3."""
    for path in (shown.replay / "runs").glob("end_to_end.*.run"):
        answered = {line.doc_id for line in ir_measures.read_trec_run(str(path)) if line.query_id == "r3"}
        assert answered and "j1" not in answered


def test_the_whole_system_answers_as_the_services_own_code_does(shown: Workspace, results: Results) -> None:

    from ranking.rank import rank
    from ranking.scorer import BundleScorer
    from replay.holdout import held_out, requests_as_of
    from retrieval.encoder import TextEncoder
    from retrieval.index.job_index import JobIndex

    index, scorer, encoder = JobIndex.load(shown.index), BundleScorer(shown.bundle), TextEncoder(shown.encoder)
    (request, _) = requests_as_of(shown, held_out(shown, 10), {})
    vector = encoder.encode([request.request_text], "request")[0]
    served = rank(index, scorer, request, index.search(request, vector, 500), vector, 200)
    run = ir_measures.read_trec_run(str(shown.replay / "runs" / "end_to_end.whole-system.run"))
    assert [line.doc_id for line in run if line.query_id == "r3"] == [index.ids[row] for row in served.rows]


def test_planted_future_signals_change_no_metric(
    make_market: Callable, event: Callable, member: Callable, job: Callable, results: Results, tmp_path: Path
) -> None:
    """Visitors' views and an application after the requests, a later text of each member and of jobs, a later job."""
    market = make_market("shown")
    market.events += [event(f"p{i}", 12 + i, "", "j8", "view") for i in range(9)]
    market.events += [event("px", 12, "", "j7", "apply"), event("py", 9.5, "", "j8", "view")]
    market.members += [member("m1", "developer", known=20), member("m2", "python developer", known=20)]
    market.jobs += [job("j2", "ward nurse", known=20), job("j4", "cook", known=20), job("j9", "truck driver", known=25)]
    planted = replay(market.write(tmp_path), resamples=100)
    assert planted.tables == results.tables
    assert planted.recall == results.recall


def test_a_past_signal_does_change_a_metric(
    make_market: Callable, event: Callable, results: Results, tmp_path: Path
) -> None:
    """So that the test above could fail: views of what is asked for, but before the requests."""
    market = make_market("shown")
    market.events += [event(f"p{i}", 4 + i / 10, "m3", "j2", "view") for i in range(9)]
    assert replay(market.write(tmp_path), resamples=100).tables != results.tables


def test_a_log_of_views_is_replayed_by_its_own_protocol(viewed: Workspace) -> None:
    """No system may answer m1's last view with jobs that m1 had viewed."""
    found = replay(viewed, resamples=100)
    assert not found.impressions
    assert found.requests == 2
    for path in (viewed.replay / "runs").glob("end_to_end.*.run"):
        answered = {line.doc_id for line in ir_measures.read_trec_run(str(path)) if line.query_id == "qe5"}
        assert not answered & {"j1", "j2"}


def test_the_first_table_of_a_log_of_views_holds_no_job_of_the_future(make_market: Callable, tmp_path: Path) -> None:
    """m3 viewed j7 before m1 went on to it; to j4 and j5 members went on as the first ones."""
    market = make_market("viewed")
    market.events.append(event("e8", 4.5, "m3", "j7", "view", "qe8"))
    workspace = market.write(tmp_path)
    found = replay(workspace, resamples=100)
    known, every = found.tables[0], found.table("end_to_end_all")
    assert (known.name, known.requests, every.requests) == ("end_to_end", 1, 3)  # type: ignore[union-attr]
    for path in (workspace.replay / "runs").glob("end_to_end.*.run"):
        lines = list(ir_measures.read_trec_run(str(path)))
        assert {line.query_id for line in lines} <= {"qe5"}
        assert {line.doc_id for line in lines} <= {"j3", "j4", "j7"}, "viewed by then, and not by m1"
    assert known.cell("whole system", "R@100").value == 1
    assert len(found.recall["whole system"]) and "jobs known by then" in workspace.report.read_text()


def test_where_jobs_say_when_they_were_posted_one_table_holds_all(make_market: Callable, tmp_path: Path) -> None:
    market = make_market("viewed")
    market.jobs = [one.model_copy(update={"posted_at": one.updated_at}) for one in market.jobs]
    found = replay(market.write(tmp_path), resamples=100)
    assert found.tables[0].title == "End to end, all jobs" and found.table("end_to_end_all") is None


def test_a_task_that_the_log_does_not_tell_of_is_not_compared(viewed: Workspace) -> None:
    table = replay(viewed, resamples=100).table("told_apart")
    assert table is not None
    assert (table.title, table.metrics) == ("Opened or not", ("AUC view", "AUC view by request"))


def test_the_truth_of_a_simulated_market_adds_its_tables(shown: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(shown.root, root)
    found = replay(
        Workspace(root), resamples=100, truth=lambda members, jobs, queries: np.array([int(j[1:]) % 5 for j in jobs])
    )
    assert found.simulated
    assert {"fit", "rerank_truth"} <= {table.name for table in found.tables}
    fit = found.table("fit")
    assert fit is not None
    assert all(0 <= cell.value <= 1 for cell in fit.cells)


def test_a_replay_repeats_to_the_last_digit(shown: Workspace, results: Results) -> None:
    assert replay(shown, resamples=100) == results


def test_stored_metrics_read_back_as_they_were(shown: Workspace, results: Results) -> None:
    assert read_results(shown) == results


def test_the_summary_holds_every_systems_metrics_and_every_stages_cost(shown: Workspace, results: Results) -> None:
    write_summary(shown, stages=[{"name": "ingest", "seconds": 1.5, "peak_mb": 200.0}], knobs={"seed": 0})
    summary = json.loads((shown.root / "summary.json").read_text())
    rows = {(row["case"], row["system"], row["metric"]): row["value"] for row in summary["rows"]}
    for table in results.tables:
        for cell in table.cells:
            assert rows[table.title, cell.system, cell.metric] == pytest.approx(cell.value)
    assert rows["stage ingest", "rolecall", "wall time"] == 1.5
    assert rows["stage ingest", "rolecall", "peak memory"] == 200.0
    assert len(rows) == len(summary["rows"])


def test_a_pair_that_a_teacher_did_not_score_is_an_error(make_market: Callable, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    workspace = make_market("shown").write(tmp_path)
    path = workspace.scores / "click" / "v1.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with refused(BadInput, "1 of 6", "rolecall train click", where=path):
        replay(workspace)


def test_a_teacher_that_is_off_is_left_out_where_it_lacks_a_pair(
    make_market: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It scored an earlier training set, and the bundle is not made from it."""
    import pyarrow.parquet as pq

    workspace = make_market("shown").write(tmp_path)
    scores = pq.read_table(workspace.scores / "click" / "v1.parquet")
    for name, table in (("whole", scores), ("decoder", scores.slice(1))):
        (workspace.scores / name).mkdir()
        pq.write_table(table, workspace.scores / name / "v1.parquet")
        set_current(workspace.scores / name, "v1.parquet")
    with caplog.at_level("WARNING", logger="rolecall"):
        results = replay(workspace, resamples=100)
    systems = {cell.system for table in results.tables for cell in table.cells}
    assert teacher_name("whole") in systems and teacher_name("decoder") not in systems
    assert "decoder teacher" in caplog.text


def test_an_index_of_another_bundle_is_an_error(make_market: Callable, tmp_path: Path) -> None:
    workspace = make_market("shown").write(tmp_path)
    path = workspace.index / "index.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"bundle_version": "ffffffffffff"}))
    with refused(IndexMismatch, workspace.index.name, "ffffffffffff", workspace.bundle.name):
        replay(workspace)


def test_a_workspace_without_a_bundle_names_the_missing_step(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path, "rolecall export"):
        replay(Workspace(tmp_path))


def test_a_summary_without_a_replay_names_the_missing_step(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path, "rolecall replay"):
        write_summary(Workspace(tmp_path), stages=[])
