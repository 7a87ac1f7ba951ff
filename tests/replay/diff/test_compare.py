"""Which of two runs is better, for whom it is worse, how sure that is, and what a gate makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BadInput, MissingColumn, NotReady, UnreadableFile
from contracts.workspace import Workspace
from replay.diff.compare import Wanted, compare, gate_sentence
from replay.diff.gate import EXIT_CODES, judge
from replay.diff.parity import parity, read_groups
from replay.diff.results import Diff
from replay.report.diff_page import render
from replay.runs.folder import RunFolder
from tests.make import refused

MakeRun = Callable[..., RunFolder]
N = 200


@pytest.fixture
def say(shown: Workspace) -> Callable[..., Diff]:
    """The comparison of two runs whose examples name jobs of the small market."""
    return lambda first, second, **wanted: compare(shown, first, second, Wanted(**wanted))


def rising(by: float, seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.uniform(0.3, 0.6, n)
    return first, first + by + rng.normal(0, 0.05, n)


def test_a_run_against_itself_is_not_told_apart_and_passes(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, _ = rising(0)
    found = say(make_run("a", first), make_run("b", first), worst_slice=-0.01)
    assert found.said == "not told apart" and found.lines[0].difference.value == 0
    assert found.gate is not None and found.gate.says == "pass" and not found.examples


@pytest.mark.parametrize(("by", "said"), [(0.1, "better"), (-0.1, "worse"), (0.0, "not told apart")])
def test_the_sentence_says_which_is_better(make_run: MakeRun, say: Callable[..., Diff], by: float, said: str) -> None:
    first, second = rising(by)
    found = say(make_run("a", first), make_run("b", second))
    assert found.said == said and f"{N} requests of {N} members" in found.sentence
    line = found.lines[0]
    assert line.ceiling is not None and line.ceiling.value == 1 and line.baseline is not None
    assert found.needed is not None and found.needed > 0


def test_fewer_poor_fits_are_better(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, second = rising(-0.1)
    runs = (make_run(name, values, measure="poor_fits@10") for name, values in (("a", first), ("b", second)))
    found = say(*runs, measure="POOR_FITS@10", worst_slice=-0.01)
    assert found.said == "better" and found.gate is not None and found.gate.says == "pass"


def test_a_slice_that_loses_is_named_and_fails_the_gate_though_all_together_win(
    make_run: MakeRun, say: Callable[..., Diff]
) -> None:
    first, second = rising(0.1)
    nurses = np.arange(N) < 40
    second = np.where(nurses, second - 0.25, second)
    slices = {"occupation": np.where(nurses, "nursing", "other").tolist()}
    found = say(make_run("a", first, slices=slices), make_run("b", second, slices=slices), worst_slice=-0.01)
    assert found.said == "better" and "worse for occupation nursing" in found.sentence
    assert found.gate is not None and (found.gate.says, found.gate.worse) == ("worse", ("occupation nursing",))
    assert EXIT_CODES[found.gate.says] == 20 and "occupation nursing" in gate_sentence(found.gate)


def test_of_many_slices_that_lose_the_sentence_counts_all_and_names_the_worst(
    make_run: MakeRun, say: Callable[..., Diff]
) -> None:
    first, second = rising(-0.1)
    kind = np.arange(N) % 5
    second = second - 0.02 * kind
    slices = {"occupation": [f"work{one}" for one in kind.tolist()]}
    found = say(make_run("a", first, slices=slices), make_run("b", second, slices=slices), worst_slice=-0.01)
    tail = found.sentence.partition("It is worse for ")[2]
    assert tail.startswith("5 of 5 slices, most for occupation work4") and tail.count("occupation") == 3
    assert found.gate is not None and "and 2 more slices lose" in gate_sentence(found.gate)


def test_a_gate_that_too_few_requests_can_answer_says_that_it_does_not_know(
    make_run: MakeRun, say: Callable[..., Diff]
) -> None:
    first, second = rising(0.0, n=30)
    found = say(make_run("a", first), make_run("b", second), worst_slice=-0.001)
    assert found.gate is not None and found.gate.says == "not known" and EXIT_CODES[found.gate.says] == 21


def test_small_slices_are_counted_and_not_shown(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, second = rising(0.1)
    slices = {"region": ["texas"] * (N - 12) + ["maine"] * 7 + ["ohio"] * 5}
    found = say(make_run("a", first, slices=slices), make_run("b", second, slices=slices), worst_slice=-0.01)
    assert [one.name for one in found.slices] == ["texas"]
    [hidden] = found.suppressed
    assert (hidden.kind, hidden.slices, hidden.requests) == ("region", 2, 12)
    assert found.gate is not None and found.gate.slices == 2
    assert gate_sentence(found.gate).endswith("Not judged: 2 slices of fewer than 20 members.")


def test_many_requests_of_few_members_are_a_small_slice(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, second = rising(0.1)
    members = [f"m{i}" for i in range(N - 50)] + ["one"] * 50
    slices = {"surface": ["recommendation"] * (N - 50) + ["search"] * 50}
    runs = (make_run(name, values, members=members, slices=slices) for name, values in (("a", first), ("b", second)))
    assert [one.name for one in say(*runs).slices] == ["recommendation"]


def test_of_one_members_log_nothing_is_told(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, second = rising(0.3)
    runs = (make_run(name, values, members=["m"] * N) for name, values in (("a", first), ("b", second)))
    found = say(*runs, worst_slice=-0.5)
    assert found.said == "not told apart" and "too few members" in found.sentence and found.needed is None
    assert found.gate is not None and found.gate.says == "not known"


def test_of_many_slices_of_chance_few_are_called_better_or_worse(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    called = 0
    for seed in range(40):
        first, second = rising(0.0, seed)
        slices = {"region": [f"region {i % 10}" for i in range(N)]}
        runs = (make_run(f"{n}{seed}", values, slices=slices) for n, values in (("a", first), ("b", second)))
        called += any(one.said != "not told apart" for one in say(*runs).slices)
    assert called <= 6, "of 40 comparisons of ten slices of chance"


def test_the_gate_lets_a_loss_through_in_at_most_one_log_of_twenty() -> None:
    """A slice that loses exactly the bound passes at most as often as the confidence says."""
    passed = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        first = rng.uniform(0.4, 0.6, 60)
        second = 0.9 * first + rng.normal(0, 0.1, 60)
        gate = judge({"all": (first, second, [str(i) for i in range(60)])}, "m", -0.1, 0.95, False)
        passed += gate.says == "pass"
    assert passed / 400 <= 0.08


def test_runs_of_other_requests_or_another_way_of_asking_are_refused(
    make_run: MakeRun, say: Callable[..., Diff]
) -> None:
    first, second = rising(0.1)
    run = make_run("a", first)
    with refused(BadInput, "share no request", where="a, b"):
        say(run, make_run("b", second, first_id=1_000))
    with refused(BadInput, "rank-only"):
        say(run, make_run("c", second, rank_only=True))
    half = make_run("d", second, first_id=N // 2)
    found = say(run, half)
    assert (found.requests, found.left_out) == (N // 2, N)


def test_runs_that_know_of_other_outcomes_are_refused(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, second = rising(0.1)
    row = {"request": 3, "job": "j1", "position": 1, "propensity": None, "rank": 1}
    chosen, not_chosen = {**row, "gain": 2}, {**row, "gain": 0}
    run = make_run("a", first, shown=[chosen])
    with refused(BadInput, "1 requests have other outcomes", where="a, b"):
        say(run, make_run("b", second, shown=[not_chosen], arguments={"window_days": 1}))
    with refused(BadInput, "other outcomes"):
        say(run, make_run("c", second, shown=[not_chosen], records="of the next day"))
    assert say(run, make_run("d", second, shown=[chosen], records="of the next day")).requests == N


def test_fits_of_two_graders_are_not_held_against_each_other(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    runs = [
        make_run(name, values, measure="good_fits@10", graded_by="judge rules", versions={"judge": name})
        for name, values in zip("ab", rising(0.1), strict=True)
    ]
    with refused(BadInput, "good_fits@10", where="--measure"):
        say(*runs, measure="good_fits@10")
    assert say(runs[0], runs[0], measure="good_fits@10").graded_by == "judge rules"


def test_the_confidence_is_that_of_the_page_and_of_the_needed_requests(
    make_run: MakeRun, say: Callable[..., Diff]
) -> None:
    runs = [make_run(name, values) for name, values in zip("ab", rising(0.1), strict=True)]
    usual, looser = say(*runs), say(*runs, level=0.8)
    assert usual.needed is not None and looser.needed is not None and looser.needed < usual.needed
    assert "Intervals are 80% over members" in render(looser) and "Intervals are 95%" in render(usual)


def test_a_measure_that_is_not_there_names_those_that_are(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    runs = [make_run(name, values) for name, values in zip("ab", rising(0.1), strict=True)]
    with refused(BadInput, "mood", "nDCG@10", where="--measure"):
        say(*runs, measure="mood")
    with refused(BadInput, "novelty@10", where="--measure"):
        say(*runs, measure="novelty@10")
    with refused(BadInput, "AUC apply", "nDCG@10", where="--measure"):
        say(*runs, measure="auc apply")
    with refused(BadInput, "0.01", where="--worst-slice"):
        say(*runs, worst_slice=0.01)
    with refused(BadInput, "95", where="--confidence"):
        say(*runs, level=95)


def test_requests_that_were_learned_from_are_counted(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    import pyarrow.parquet as pq

    runs = [make_run(name, values) for name, values in zip("ab", rising(0.1), strict=True)]
    path = runs[0].folder / "requests.parquet"
    table = pq.read_table(path)
    column = table.schema.get_field_index("split")
    pq.write_table(table.set_column(column, "split", [["train"] * 3 + ["test"] * (N - 3)]), path)
    assert say(RunFolder(runs[0].folder), runs[1]).learned_from == 3


def test_the_worst_requests_are_shown_one_a_member_with_both_orders(
    make_run: MakeRun, say: Callable[..., Diff]
) -> None:
    first, second = np.full(30, 0.5), np.full(30, 0.5)
    second[3], second[4], second[5] = 0.1, 0.0, 0.3
    members = ["m"] * 5 + [f"m{i}" for i in range(25)]
    left = make_run("a", first, members=members, answers=[(4, 1, "j3"), (4, 2, "j1")])
    right = make_run("b", second, members=members, answers=[(4, 1, "j1"), (4, 2, "gone")])
    found = say(left, right).examples
    assert [one.request_id for one in found] == ["r4", "r5"]
    assert [job.title for job in found[0].first_jobs] == ["ward nurse", "truck driver"]
    assert [job.title for job in found[0].second_jobs] == ["truck driver", "gone"]


def test_groups_are_held_against_the_best_of_them(make_run: MakeRun, say: Callable[..., Diff], tmp_path: Path) -> None:
    first = np.where(np.arange(N) % 4 == 0, 0.9, 0.1)
    second = np.where(np.arange(N) % 2 == 0, 0.9, 0.1)
    path = tmp_path / "groups.csv"
    names = ["x" if i % 4 == 0 else "y" if i % 2 == 0 else "z" if i < N - 3 else "tiny" for i in range(N)]
    path.write_text("member_id,group\n" + "".join(f"m{i},{name}\n" for i, name in enumerate(names)))
    found = say(make_run("a", first), make_run("b", second), groups=path).parity
    assert found is not None and [one.name for one in found.groups] == ["x", "y", "z"] and found.suppressed == 1
    by_name = {one.name: one for one in found.groups}
    assert by_name["x"].first_ratio[0] == 1 and by_name["y"].first == 0 and by_name["y"].second_ratio[0] == 1
    path.write_text("who,group\n")
    with refused(MissingColumn, "who", where=path):
        say(make_run("c", first), make_run("d", second), groups=path)
    path.write_text("job_id,group\nj1,x\nj1,y\n")
    with refused(BadInput, "j1", where=f"{path}, line 3"):
        say(make_run("e", first), make_run("f", second), groups=path)
    with refused(NotReady, where="--groups"):
        say(make_run("g", first), make_run("h", second), groups=tmp_path / "none")
    path.write_text("member_id,group\n")
    with refused(BadInput, "no id", where=path):
        read_groups(path)
    path.write_bytes("member_id,group\nm1,\xfcber\n".encode("latin-1"))
    with refused(UnreadableFile, where=path):
        read_groups(path)


def test_groups_of_jobs_are_held_by_the_attention_that_they_get(
    make_run: MakeRun, say: Callable[..., Diff], tmp_path: Path
) -> None:
    values = np.full(30, 0.5)
    left = make_run("a", values, answers=[(r, rank, f"j{rank}") for r in range(30) for rank in (1, 2)])
    right = make_run("b", values, answers=[(r, rank, f"j{3 - rank}") for r in range(30) for rank in (1, 2)])
    path = tmp_path / "groups.csv"
    path.write_text("job_id,group\nj1,x\nj2,y\n")
    found = say(left, right, groups=path).parity
    assert found is not None
    one, other = found.groups
    assert one.first > 1 > one.second and one.first == pytest.approx(other.second)
    assert other.first_ratio[0] == pytest.approx(1 / np.log2(3))


def test_the_interval_of_a_ratio_of_job_groups_covers_it_though_they_share_a_list(
    make_run: MakeRun, say: Callable[..., Diff], tmp_path: Path
) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("job_id,group\nj1,x\nj2,y\n")
    rng, n, share = np.random.default_rng(0), 60, 0.7
    gains = 1 / np.log2([2, 3])
    truth = (share * gains[1] + (1 - share) * gains[0]) / (share * gains[0] + (1 - share) * gains[1])
    covered = 0
    for i in range(60):
        tops = rng.random(n) < share
        answers = [
            (r, rank, job) for r in range(n) for rank, job in enumerate(("j1", "j2") if tops[r] else ("j2", "j1"), 1)
        ]
        run = make_run(f"a{i}", np.full(n, 0.5), answers=answers)
        rates = parity(run, run, [f"r{r}" for r in range(n)], *read_groups(path), 2)
        by_name = {one.name: one.first_ratio for one in rates.groups}
        low, high = by_name["y"][1:]
        covered += low is not None and high is not None and low <= truth <= high
    assert covered / 60 >= 0.88, "two draws of their own cover it in four of five"


def test_a_group_that_the_second_run_hardly_shows_and_anonymous_requests_are_counted_as_they_are(
    make_run: MakeRun, tmp_path: Path
) -> None:
    n, groups = 30, {"j1": "x", "j2": "y"}
    whole = [(r, rank, f"j{rank}") for r in range(n) for rank in (1, 2)]
    left = make_run("a", np.full(n, 0.5), [""] * n, answers=whole)
    right = make_run("b", np.full(n, 0.5), [""] * n, answers=[row for row in whole if row[2] == "j1" or row[0] == 0])
    ids = [f"r{r}" for r in range(n)]
    assert [one.members for one in parity(left, left, ids, "job_id", groups, 20).groups] == [n, n]
    found = parity(left, right, ids, "job_id", groups, 20)
    assert ([one.name for one in found.groups], found.suppressed) == (["x"], 1)


def test_a_slice_in_which_neither_run_reached_anything_is_not_known():
    nothing, some = np.zeros(60), np.linspace(0.1, 1, 60)
    members = [f"m{i}" for i in range(60)]
    found = judge({"a": (nothing, nothing, members), "b": (some, some, members)}, "nDCG@10", -0.01, 0.95, False)
    assert (found.says, found.unknown) == ("not known", ("a",))
    found = judge({"a": (nothing, nothing, members)}, "poor fits@10", -0.01, 0.95, True)
    assert found.says == "pass", "no poor fits are what is wanted"


def test_runs_that_read_other_features_say_which(make_run: MakeRun, say: Callable[..., Diff]) -> None:
    first, second = rising(0.1)
    read = {"text": "t1", "encoder": "e1", "activity": "2026-03-01"}
    one, other = make_run("a", first, versions=read), make_run("b", second, versions=read | {"activity": "2026-03-02"})
    found = say(one, other)
    [said] = found.other_features
    assert "activity" in said and "2026-03-01" in said and "2026-03-02" in said and said in render(found)
    assert not say(one, make_run("c", second, versions=read)).other_features
    assert not say(one, make_run("d", second)).other_features, "a run of before it was noted says nothing of it"
