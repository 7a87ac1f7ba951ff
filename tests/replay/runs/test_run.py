"""Past requests asked again, from a workspace on disk to a run folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from polars.testing import assert_frame_equal

import history.dealt
import replay.runs.answers
import replay.runs.run as running
from contracts.errors import BadInput, NotReady, OtherWriter, UnreadableFile
from contracts.lock import locked
from contracts.workspace import Workspace
from history.dealt import NO_LIST
from replay.runs.answers import answer_part
from replay.runs.contender import bundles, find_contender
from replay.runs.folder import RunFolder, find_run
from replay.runs.measured import MEASURES
from replay.runs.task import OWN, Task
from replay.trec import read_run
from tests.make import refused

Ask = Callable[..., RunFolder]


def content(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(run.folder.iterdir()) if path.is_file()}


def order(run: RunFolder, request: str) -> list[str]:
    answers = run.table("answers").filter(request_id=request)
    assert answers["rank"].to_list() == list(range(1, len(answers) + 1))
    return answers["job_id"].to_list()


def test_the_contender_answers_as_the_services_own_code_does(two: Workspace, ask: Ask) -> None:
    from ranking.rank import rank
    from ranking.scorer import BundleScorer
    from replay.holdout import held_out, requests_as_of
    from retrieval.encoder import TextEncoder
    from retrieval.index.job_index import JobIndex

    index, scorer, encoder = JobIndex.load(two.index), BundleScorer(two.bundle), TextEncoder(two.encoder)
    (request, _) = requests_as_of(two, held_out(two, 10), {})
    vector = encoder.encode([request.request_text], "request")[0]
    served = rank(index, scorer, request, index.search(request, vector, 500), vector, 200)
    assert order(ask(two), "r3") == [index.ids[row] for row in served.rows]


def test_the_same_arguments_give_the_same_bytes_elsewhere(two: Workspace, copied: Workspace, ask: Ask) -> None:
    assert content(ask(two)) == content(ask(copied))


def test_a_run_that_was_killed_goes_on_and_ends_as_one_that_was_not(
    two: Workspace, copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PART_REQUESTS", 2)
    whole = content(ask(two, seed=3))
    done: list[int] = []

    def dies_at_the_third(task: Task, number: int) -> None:
        if len(done) == 2:
            raise BadInput("killed", cure="go on")
        done.append(number)
        answer_part(task, number)

    with monkeypatch.context() as patch:
        patch.setattr(running, "answer_part", dies_at_the_third)
        with pytest.raises(BadInput):
            ask(copied, seed=3)
    kept = list(copied.replay_runs.glob("*/parts/*"))
    assert len(kept) == 2
    before = {path: (path / "answers.parquet").stat().st_ino for path in kept}
    asked: list[list[int]] = []
    build = running._build

    def notes(pipeline: object, mark: object, task: Task, todo: list[int]) -> object:
        asked.append(todo)
        assert before == {path: (path / "answers.parquet").stat().st_ino for path in kept}
        return build(pipeline, mark, task, todo)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "_build", notes)
    assert content(ask(copied, seed=3)) == whole
    [again] = asked
    assert again and not {int(path.name) for path in kept} & set(again)
    assert content(ask(copied, seed=3)) == whole and len(asked) == 1, "what is done is not done again"


def test_an_unfinished_run_is_not_read(copied: Workspace, ask: Ask) -> None:
    run = ask(copied)
    (run.folder / "summary.json").unlink()
    with refused(NotReady, run.folder, "same arguments"):
        find_run(copied, run.manifest.name)


def test_two_bundles_answer_the_same_requests_each_in_its_order(two: Workspace, ask: Ask) -> None:
    first, second = (ask(two, bundle=version, rank_only=True) for version in bundles(two))
    assert first.requests["request_id"].to_list() == second.requests["request_id"].to_list()
    assert first.manifest.requests_hash == second.manifest.requests_hash
    assert order(first, "r3") == order(second, "r3")[::-1] != order(second, "r3")


def test_re_ranking_keeps_to_the_jobs_that_were_shown(two: Workspace, ask: Ask) -> None:
    run = ask(two, rank_only=True)
    assert set(order(run, "r4")) == {"j4", "j1", "j8", "j2"}
    judged = run.measures.filter(system=OWN)["judged@10"]
    assert (judged == 1).all()


@pytest.mark.parametrize("system", ["retrieval", "encoder", "bm25", "popularity"])
def test_a_baseline_is_asked_like_a_bundle(two: Workspace, ask: Ask, system: str) -> None:
    assert ask(two, system=system).manifest.contender.system == system


def test_no_bundle_index_or_system_of_that_name_names_those_there(two: Workspace) -> None:
    with refused(BadInput, "nothing", *bundles(two), where=two.bundles):
        find_contender(two, "nothing")
    with refused(BadInput, "nothing", two.index.name, where=two.indexes):
        find_contender(two, index="nothing")
    with refused(BadInput, "nothing", "popularity", where="--system"):
        find_contender(two, system="nothing")
    with refused(BadInput, "nothing", where=two.replay_runs):
        find_run(two, "nothing")


def test_an_order_that_the_bundle_cannot_give_is_refused(viewed: Workspace, ask: Ask, tmp_path: Path) -> None:
    two = viewed
    with refused(BadInput, "relevance", where="--order"):
        contender = find_contender(two, order="relevance")
        from contracts.bundle import read_manifest

        contender.objective(read_manifest(two.bundle).model_copy(update={"tasks": ("view",)}), "search")


def test_requests_are_of_the_days_that_are_asked_for(two: Workspace, ask: Ask, day: Callable) -> None:
    run = ask(two, start=day(1), end=day(3))
    assert run.requests["request_id"].to_list() == ["r1", "r2"]
    assert run.manifest.as_of == day(1).isoformat()
    with refused(NotReady, "--from"):
        ask(two, start=day(100))


def test_the_hold_out_alone_was_not_learned_from_and_the_manifest_says_which(two: Workspace, ask: Ask) -> None:
    assert ask(two, splits=("test",)).manifest.splits == {"test": 2}
    assert ask(two).manifest.splits == {"train": 7, "valid": 1, "test": 2}


def test_an_outcome_after_the_window_is_counted_and_does_not_count(two: Workspace, ask: Ask) -> None:
    whole, short = ask(two), ask(two, within=timedelta(hours=1))
    assert "later than the window" not in whole.manifest.set_apart
    assert short.manifest.set_apart["later than the window"] == 3
    gains = {run: run.table("shown").filter(request_id="r4", job_id="j4")["gain"].item() for run in (whole, short)}
    assert list(gains.values()) == [2, 1], "the application came 2.4 hours later, the view at once"


def test_requests_that_cannot_be_asked_are_counted(two: Workspace, ask: Ask) -> None:
    apart = ask(two, ids={"r3", "not-there", "nor-this"}).manifest.set_apart
    assert apart == {"requests that the log does not hold": 2}
    whole, shown = ask(two).manifest.requests, ask(two, rank_only=True).manifest
    assert shown.requests + shown.set_apart.get(NO_LIST, 0) == whole


def test_a_trec_file_of_another_engine_is_a_contender(two: Workspace, ask: Ask, tmp_path: Path) -> None:
    run = ask(two)
    path = run.folder / "answers.run"
    again = ask(two, trec=path, ids=set(read_run(path)))
    assert order(again, "r3") == order(run, "r3")
    same = [run.measures.filter(system=OWN)[name] for name in MEASURES[:6]]
    assert all(
        a.equals(b) for a, b in zip(same, (again.measures.filter(system=OWN)[n] for n in MEASURES[:6]), strict=True)
    )
    for line, words in (("r3 Q0 j1 1 x t", "'x'"), ("r3 Q0 j1", "3 fields"), ("r3 Q0 j1 1 nan t", "NaN")):
        broken = tmp_path / "broken.run"
        broken.write_text(line + "\n")
        with refused(BadInput, words, where=f"{broken}, line 1"):
            read_run(broken)


@pytest.mark.parametrize(
    "asked",
    [{}, {"rank_only": True}, *({"system": name} for name in ("retrieval", "encoder", "bm25", "popularity"))],
    ids=str,
)
def test_what_happens_later_changes_no_number(
    make_market: Callable, event: Callable, member: Callable, job: Callable, ask: Ask, tmp_path: Path, asked: dict
) -> None:
    plain = make_market("shown").write(tmp_path / "plain")
    market = make_market("shown")
    market.events += [event(f"p{i}", 12 + i, "", "j8", "view") for i in range(9)]
    market.members += [member("m1", "developer", known=20), member("m2", "python developer", known=20)]
    market.jobs += [job("j2", "ward nurse", known=20), job("j9", "truck driver", known=25)]
    planted = market.write(tmp_path / "planted")
    left, right = (ask(one, splits=("test",), **asked).measures for one in (plain, planted))
    assert_frame_equal(left, right, check_exact=True)


def test_what_happened_before_does_change_one(make_market: Callable, event: Callable, ask: Ask, tmp_path: Path) -> None:
    """So that the test above could fail."""
    plain = make_market("shown").write(tmp_path / "plain")
    market = make_market("shown")
    market.events += [event(f"p{i}", 4 + i / 10, "m3", "j2", "view") for i in range(9)]
    runs = [ask(one, splits=("test",)).measures for one in (plain, market.write(tmp_path / "planted"))]
    assert not runs[0].equals(runs[1])


def test_the_request_that_leads_to_nothing_is_asked_and_says_nothing_of_choices(
    make_market: Callable, event: Callable, ask: Ask, tmp_path: Path
) -> None:
    market = make_market("shown")
    market.events += [event(f"n{i}", 9.5, "m3", f"j{i}", "impression", "q0") for i in (1, 2)]
    run = ask(market.write(tmp_path))
    row = run.measures.filter(request_id="q0", system=OWN)
    assert row["nDCG@10"].is_nan().item() and row["answered"].item() == 1


def test_a_log_of_applications_alone_and_without_request_ids_is_asked(
    make_market: Callable, event: Callable, ask: Ask, tmp_path: Path
) -> None:
    market = make_market("viewed")
    market.events = [event(f"a{i}", i, f"m{1 + i % 2}", f"j{1 + i}", "apply") for i in range(6)]
    run = ask(market.write(tmp_path))
    assert run.manifest.requests == 6
    with refused(NotReady, "shows its list"):
        ask(Workspace(tmp_path), rank_only=True)


def test_a_part_of_the_log_that_is_missing_makes_another_run(copied: Workspace, ask: Ask) -> None:
    """Of a table that lost a part no run goes on that was begun on the whole."""
    from contracts.tables import parts, read_table, write_part

    table = read_table(copied.records / "events")
    [path] = parts(copied.records / "events")
    path.unlink()
    write_part(copied.records / "events", table.slice(0, 20), "one")
    write_part(copied.records / "events", table.slice(20), "two")
    whole = ask(copied)
    (copied.records / "events" / "part-two.parquet").unlink()
    less = ask(copied)
    assert less.manifest.requests < whole.manifest.requests and less.manifest.name != whole.manifest.name


def test_a_log_of_nothing_is_refused(copied: Workspace, ask: Ask) -> None:
    for path in (copied.records / "events").iterdir():
        path.unlink()
    with refused(NotReady, copied.records, "rolecall ingest"):
        ask(copied)


def test_runs_are_there_by_name_and_by_the_beginning_of_one(two: Workspace, ask: Ask) -> None:
    run = ask(two, name="a b")
    assert run.manifest.name == "a-b" and find_run(two, "a-").folder == run.folder
    assert find_run(two, str(run.folder)).requests.equals(run.requests)


def test_tables_name_members_so_that_an_erasure_finds_them(copied: Workspace, ask: Ask) -> None:
    from rolecall.erase import erase_rows

    run = ask(copied)
    erase_rows(copied.root, ["m2"])
    for name in ("requests", "answers", "shown", "measures"):
        assert "m2" not in run.table(name)["member_id"].to_list()
    assert "r4" not in read_run(run.folder / "answers.run")


def test_an_erasure_takes_what_a_killed_run_dealt_half_files_too_and_waits_for_one_at_work(
    copied: Workspace, event: Callable
) -> None:
    from contracts.arrow import to_table
    from contracts.records import Event
    from rolecall.erase import erase_rows

    left = copied.dealt_log("killed")
    (left / "rows" / "lists").mkdir(parents=True)
    whole, half = (left / "rows" / "lists" / f"0000000{i}-000000.parquet" for i in (0, 1))
    pq.write_table(to_table([event("e", 1, "m2", "j1", "view")], Event), whole)
    half.write_bytes(whole.read_bytes()[:-9])
    with locked(left / "lock", "a replay"), refused(OtherWriter, "a replay"):
        erase_rows(copied.root, ["m2"])
    assert erase_rows(copied.root, ["m2"]).removed == ["replay_runs/.dealt-killed"]
    assert not left.exists()


def test_an_erasure_takes_a_half_written_part_of_a_killed_run_once_it_is_old(copied: Workspace) -> None:
    from rolecall.erase import erase_rows

    half = copied.replay_runs / "mine" / "parts" / "00000.staged" / "answers.parquet"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"PAR1 m2")
    with refused(UnreadableFile, where=half):
        erase_rows(copied.root, ["m2"])
    for path in (half, half.parent):
        os.utime(path, (0, 0))
    assert erase_rows(copied.root, ["m2"]).removed == ["replay_runs/mine/parts/00000.staged"]


def test_parts_without_a_manifest_are_of_no_run_that_goes_on(
    copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call leaves them that was killed while it removed a run of other arguments."""
    whole = content(ask(copied, name="mine"))
    shutil.rmtree(copied.replay_runs)
    with monkeypatch.context() as patch:
        patch.setattr(running, "_clear", lambda folder: None)
        run = ask(copied, name="mine", system="bm25")
    for path in run.folder.iterdir():
        if path.is_file():
            path.unlink()
    assert (run.folder / "parts").is_dir() and content(ask(copied, name="mine")) == whole


def test_a_run_that_was_killed_as_it_ended_leaves_no_parts(
    copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(running, "_clear", lambda folder: None)
        run = ask(copied)
    assert (run.folder / "parts").is_dir() and not (ask(copied).folder / "parts").exists()


def test_the_same_run_twice_at_once_is_refused_and_the_first_keeps_its_rows(
    copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = content(ask(copied))
    shutil.rmtree(copied.replay_runs)
    build = running._build

    def meanwhile(*given: object, **named: object) -> object:
        with refused(OtherWriter, "a replay"):
            ask(copied)
        return build(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "_build", meanwhile)
    assert content(ask(copied)) == whole


def test_a_part_that_lost_requests_makes_no_summary(
    copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PART_REQUESTS", 2)
    read = history.dealt.read_part
    monkeypatch.setattr(replay.runs.answers, "read_part", lambda *of: read(*of)[1:] or read(*of))
    with pytest.raises(UnreadableFile, match="of 10"):
        ask(copied)
    assert not list(copied.replay_runs.glob("*/summary.json"))


def test_two_processes_give_the_bytes_of_one(
    two: Workspace, copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PART_REQUESTS", 2)
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    asked = {"rank_only": True, "seed": 7}
    assert content(ask(copied, options=PipelineOptions(flags), **asked)) == content(ask(two, **asked))


def test_a_name_given_again_for_other_arguments_is_another_run(two: Workspace, ask: Ask) -> None:
    first = ask(two, name="mine", splits=("test",)).requests
    second = ask(two, name="mine").requests
    assert len(first) < len(second)
    assert isinstance(second, pl.DataFrame)


@pytest.mark.parametrize("name", ["...", "прогон", "/"])
def test_a_name_that_is_no_folders_is_refused_and_no_run_is_touched(two: Workspace, ask: Ask, name: str) -> None:
    kept = ask(two)
    with refused(BadInput, repr(name), where="--name"):
        ask(two, name=name)
    assert kept.folder.is_dir() and not (two.replay_runs / "manifest.json").exists()


def test_a_finished_run_with_an_altered_manifest_is_made_anew(copied: Workspace, ask: Ask) -> None:
    run = ask(copied, name="mine")
    whole = (run.folder / "manifest.json").read_bytes()
    (run.folder / "manifest.json").write_bytes(whole[: len(whole) // 2])
    assert ask(copied, name="mine").manifest == run.manifest
    assert (run.folder / "manifest.json").read_bytes() == whole


def test_clocks_that_differ_are_counted_and_their_outcomes_do_not_count(
    make_market: Callable, event: Callable, ask: Ask, tmp_path: Path
) -> None:
    market = make_market("shown")
    market.events.append(event("early", 7.9, "m1", "j6", "apply", "r3"))
    run = ask(market.write(tmp_path))
    assert run.manifest.set_apart == {"before its impression": 1}
    assert run.table("shown").filter(request_id="r3", job_id="j6")["gain"].item() == 0


def test_parts_of_before_a_field_was_there_are_read(copied: Workspace, ask: Ask) -> None:
    from contracts.tables import parts, read_table, write_part

    whole = ask(copied).measures
    table = read_table(copied.records / "events")
    [path] = parts(copied.records / "events")
    path.unlink()
    write_part(copied.records / "events", table.slice(0, 20).drop_columns(["found_by", "logged_by", "surface"]), "old")
    write_part(copied.records / "events", table.slice(20), "new")
    assert_frame_equal(ask(copied).measures, whole)


def test_scores_that_are_no_numbers_are_refused(copied: Workspace, ask: Ask) -> None:
    import onnx
    from onnx import numpy_helper

    from contracts.bundle import read_manifest
    from ranking.rank import NotFinite
    from tests.make import write_manifest

    folder = copied.bundles / "broken"
    shutil.copytree(copied.bundle, folder)
    graph = onnx.load(folder / "score.onnx")
    for array in graph.graph.initializer:
        if array.name == "head":
            array.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(array) * np.float32("nan"), "head"))
    (folder / "score.onnx").unlink()
    onnx.save(graph, folder / "score.onnx")
    (folder / "bundle.json").unlink()
    kept = read_manifest(copied.bundle)
    fields = {name: getattr(kept, name) for name in type(kept).model_fields if name not in ("version", "files")}
    version = write_manifest(folder, **fields).version
    folder.rename(copied.bundles / version)
    with pytest.raises(NotFinite, match=version):
        ask(copied, bundle=version)


def test_jobs_that_tie_are_put_in_order_against_the_system(viewed: Workspace, ask: Ask) -> None:
    """Of jobs that nobody viewed, popularity knows no order: those that were chosen come last."""
    run = ask(viewed, system="encoder")
    scores = run.table("answers").group_by("request_id").agg(pl.col("score"))
    assert all((np.diff(row) < 0).all() for row in scores["score"].to_list()), "strictly falling in every file"


def test_re_ranking_retrieves_nothing_and_scores_each_pair_once(
    copied: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ranking.scorer import BundleScorer
    from retrieval.index.job_index import JobIndex

    scored: list[tuple[str, int]] = []
    scores = BundleScorer.scores

    def noted(self: BundleScorer, text: str, index: JobIndex, rows: np.ndarray, *rest: object) -> np.ndarray:
        scored.extend((text, int(row)) for row in rows)
        return scores(self, text, index, rows, *rest)  # type: ignore[arg-type]

    def refuses(*given: object) -> None:
        raise AssertionError("retrieval was asked")

    monkeypatch.setattr(BundleScorer, "scores", noted)
    monkeypatch.setattr(JobIndex, "search", refuses)
    run = ask(copied, rank_only=True)
    assert len(scored) == len(run.table("shown"))


def test_the_dealt_log_is_gone_when_a_run_ends(copied: Workspace, ask: Ask) -> None:
    run = ask(copied)
    assert [path.name for path in copied.replay_runs.iterdir()] == [run.manifest.name]
