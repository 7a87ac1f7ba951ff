"""Who grades the labelled lists: other judges than the rubric, what they cost, and the gate of the golden set."""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from beam_jobs import label
from contracts.arrow import to_records
from contracts.errors import BadInput, JudgeFailed, NotAgreed, NotReady, RolecallError
from contracts.plugins import load_plugin
from contracts.records import Grade, Job, Member
from contracts.tables import latest, read_table
from contracts.workspace import Workspace
from policy import Judgement, Pair, RubricJudge, Ungraded, load_policy
from policy.golden.golden import adjudicate
from policy.golden.pairs import GoldenPair, write_pairs
from policy.golden.sheets import write_sheet
from policy.judges.prompt import build_prompt
from tests.make import refused

FEW = ("--train-lists", "4", "--graded-lists", "2", "--valid-lists", "1", "--test-lists", "2")


def asks(chat_server: Any, **knobs: Any) -> tuple[str, ...]:
    """Flags that let a language model grade few lists."""
    quick = {"first_wait_s": 0.001, "max_wait_s": 0.01, "tries": 2, "api_key_env": ""}
    judge = {"kind": "llm", "model": "gpt-x", "base_url": chat_server.url, **quick, **knobs}
    return (*FEW, "--judge", json.dumps(judge))


def prices() -> dict[str, float]:
    return {"prompt_price": 2.0, "completion_price": 10.0}


def test_a_language_model_grades_with_its_name_and_its_cost(
    market: Workspace,
    copy: Callable[[Workspace], Workspace],
    chat_server: Any,
    caplog: pytest.LogCaptureFixture,
    labelled: Callable,
) -> None:
    digit = {"token": "3", "logprob": -0.3, "top_logprobs": [{"token": "3", "logprob": -0.3}]}
    told = {"content": [{"token": '{"grade":', "logprob": 0.0, "top_logprobs": []}, digit]}
    chat_server.reply = lambda body: chat_server.completion('{"grade":3, "rationale": "so"}', logprobs=told)
    workspace = copy(market)
    with caplog.at_level(logging.INFO, logger="rolecall"):
        found = labelled(workspace, *asks(chat_server, **prices()))
    graded = found.filter(pl.col("grade").is_not_null())
    assert set(graded["grade"]) == set(graded["expected"]) == {3} and graded["list_id"].n_unique() == 5
    grades = list(to_records(read_table(workspace.grades), Grade))
    name = json.loads(workspace.judge_report.read_text())["grader"]
    assert name.startswith("llm/gpt-x") and name.endswith(build_prompt(load_policy()).version)
    assert {(grade.grader, grade.expected, grade.rationale) for grade in grades} == {(name, 3.0, "so")}
    cost = json.loads(workspace.judge_cost.read_text())
    assert (cost["pairs"], cost["calls"]) == (len(graded), len(chat_server.bodies))
    assert cost["calls"] + cost.get("cached", 0) == len(graded)  # two lists may hold the same pair
    money = cost["calls"] * (1_000 * 2 + 20 * 10) / 1e6 / len(graded)
    assert cost["money_per_pair"] == pytest.approx(money) == pytest.approx(cost["money"] / len(graded))
    assert cost["pairs_per_second"] == pytest.approx(1 / cost["seconds_per_pair"]) and cost["ungraded"] == {}
    assert f"graded {len(graded)} pairs" in caplog.text and f"{money:.6f} in money a pair" in caplog.text
    report = json.loads(workspace.judge_report.read_text())
    assert report == {
        "grader": name,
        "policy_version": load_policy().version,
        "golden": None,
        "pairs": len(graded),
        "ungraded": 0,
    }


def test_a_judge_that_is_free_says_what_it_took_and_no_money(
    market: Workspace, copy: Callable[[Workspace], Workspace], caplog: pytest.LogCaptureFixture, labelled: Callable
) -> None:
    shutil.rmtree((workspace := copy(market)).examples)
    with caplog.at_level(logging.INFO, logger="rolecall"):
        found = labelled(workspace, *FEW)
    cost = json.loads(workspace.judge_cost.read_text())
    assert (cost["pairs"], cost["money"]) == (len(found) - found["grade"].null_count(), 0)
    assert f"rubric graded {cost['pairs']:,} pairs" in caplog.text and "free" in caplog.text


def test_pairs_on_which_a_judge_stays_divided_are_counted_and_stop_nothing(
    market: Workspace,
    copy: Callable[[Workspace], Workspace],
    chat_server: Any,
    caplog: pytest.LogCaptureFixture,
    labelled: Callable,
) -> None:
    """Each second answer of a pair differs from the first, and for one pair in three so does the third."""
    asked: dict[str, int] = {}

    def reply(body: dict) -> str:
        prompt = body["messages"][-1]["content"]
        asked[prompt] = asked.get(prompt, 0) + 1
        divided = zlib.crc32(prompt.encode()) % 3 == 0
        return json.dumps({"grade": asked[prompt] if divided else max(2, asked[prompt]), "rationale": ""})

    chat_server.reply = reply
    workspace = copy(market)
    with caplog.at_level(logging.INFO, logger="rolecall"):
        found = labelled(workspace, *asks(chat_server, answers=3, concurrency=1), "--most-ungraded", "0")
    cost = json.loads(workspace.judge_cost.read_text())
    unsure = cost["ungraded"]["unsure"]
    assert unsure > 0 and set(found["grade"].drop_nulls()) == {2}
    assert cost["pairs"] == len(found) - found["grade"].null_count()
    assert f"{unsure} pairs left without a grade: unsure {unsure}" in caplog.text
    assert 0 < cost["repeats"] <= cost["calls"] and "asked again" in caplog.text


PLUG = """
from collections import Counter
from typing import Literal

from policy.judges.base import JudgeConfig, Judgement
from policy.judges.registry import JUDGES


class ConstantConfig(JudgeConfig):
    kind: Literal["constant"] = "constant"
    grade: int


@JUDGES.register("constant")
class ConstantJudge:
    Config = ConstantConfig

    def __init__(self, grade):
        self.name, self.spent, self._grade = f"constant/{grade}", Counter(), grade

    @classmethod
    def open(cls, config, setting):
        return cls(config.grade)

    def grade_many(self, pairs):
        return [Judgement(self._grade, "as always") for _ in pairs]
"""


def test_a_judge_from_another_file_grades(
    market: Workspace, copy: Callable[[Workspace], Workspace], tmp_path: Path, labelled: Callable
) -> None:
    plug = tmp_path / "constant_judge.py"
    plug.write_text(PLUG)
    load_plugin(str(plug))
    workspace = copy(market)
    rows = labelled(workspace, *FEW, "--judge", "{kind: constant, grade: 2}")
    assert set(rows["grade"].drop_nulls()) == {2}
    assert {grade.grader for grade in to_records(read_table(workspace.grades), Grade)} == {"constant/2"}


def test_another_judge_grades_all_lists_anew(
    market: Workspace, copy: Callable[[Workspace], Workspace], chat_server: Any, labelled: Callable
) -> None:
    chat_server.reply = lambda body: '{"grade": 1, "rationale": ""}'
    workspace = copy(market)
    labelled(workspace, *asks(chat_server))
    chat_server.reply = lambda body: '{"grade": 2, "rationale": ""}'
    found = labelled(workspace, *asks(chat_server, model="gpt-y"))
    graders = set(read_table(workspace.grades, ["grader"])["grader"].to_pylist())
    assert len(graders) == 1 and graders.pop().startswith("llm/gpt-y")
    assert set(found["grade"].drop_nulls()) == {2}


def test_a_pair_without_a_grade_stays_without_and_is_counted(
    market: Workspace,
    copy: Callable[[Workspace], Workspace],
    chat_server: Any,
    caplog: pytest.LogCaptureFixture,
    labelled: Callable,
) -> None:
    chat_server.reply = lambda body: 400 if len(chat_server.bodies) <= 4 else '{"grade": 1, "rationale": ""}'
    workspace = copy(market)
    found = labelled(workspace, *asks(chat_server, concurrency=1))
    assert "1 pairs left without a grade: rejected 1" in caplog.text
    report = json.loads(workspace.judge_report.read_text())
    assert report["ungraded"] == 1
    assert report["pairs"] == len(found) - found["grade"].null_count() == read_table(workspace.grades).num_rows


def test_too_many_pairs_without_a_grade_stop_the_job_which_then_goes_on(
    market: Workspace, copy: Callable[[Workspace], Workspace], chat_server: Any, labelled: Callable, examples: Callable
) -> None:
    good = '{"grade": 1, "rationale": ""}'
    chat_server.reply = lambda body: '{"grade": 7, "rationale": ""}' if len(chat_server.bodies) % 4 else good
    workspace = copy(market)
    before = examples(workspace)
    with pytest.raises(JudgeFailed) as raised:
        labelled(workspace, *asks(chat_server))
    assert "off the scale" in str(raised.value) and "--most-ungraded" in str(raised.value)
    assert examples(workspace).equals(before)
    chat_server.reply, chat_server.bodies = (lambda body: good), []
    found = labelled(workspace, *asks(chat_server))
    graded = len(found) - found["grade"].null_count()
    assert 0 < len(chat_server.bodies) < graded


def test_pairs_of_which_nothing_is_known_stop_nothing(
    market: Workspace, copy: Callable[[Workspace], Workspace], labelled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge is not to blame for them."""

    def every_other(judge: RubricJudge, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        return [Judgement(2, "known", {}) if i % 2 else Ungraded("nothing known") for i in range(len(pairs))]

    monkeypatch.setattr(RubricJudge, "grade_many", every_other)
    shutil.rmtree((workspace := copy(market)).examples)
    found = labelled(workspace, *FEW, "--most-ungraded", "0")
    grades = found["grade"].drop_nulls().to_list()
    assert set(grades) == {2} and len(grades) < len(found)


def test_a_judge_that_never_answers_for_a_stratum_is_found(
    market: Workspace,
    copy: Callable[[Workspace], Workspace],
    labelled: Callable,
    examples: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = copy(market)
    pairs = {
        stratum: set(rows.select("member_id", "query", "job_id").iter_rows())
        for (stratum,), rows in examples(workspace).group_by("stratum")
    }
    keys = pairs["logged"] - pairs["retrieved"]  # a job may be retrieved for one request and shown for another

    def of_shown(judge: RubricJudge, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        asked = ((pair.member.id if pair.member else "", pair.query, pair.job.id) for pair in pairs)
        return [Judgement(2, "known", {}) if key in keys else Ungraded("off the scale") for key in asked]

    monkeypatch.setattr(RubricJudge, "grade_many", of_shown)
    shutil.rmtree(workspace.examples)
    with refused(JudgeFailed, "'retrieved'", "examples", where="rubric"):
        labelled(workspace, "--most-ungraded", "1")


def test_a_judge_that_cannot_be_asked_stops_the_job_from_a_worker_of_its_own(
    market: Workspace, copy: Callable[[Workspace], Workspace], chat_server: Any, labelled: Callable
) -> None:
    chat_server.reply = lambda body: 401
    with pytest.raises(JudgeFailed) as raised:
        labelled(copy(market), *asks(chat_server), "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    assert "HTTP 401" in str(raised.value) and "api_key_env" in str(raised.value)


@pytest.mark.parametrize(
    ("judge", "error", "named"),
    [
        ("oracle", BadInput, "'llm'"),
        ("llm", BadInput, "model"),
        ("{kind: local, folder: /nowhere}", BadInput, "config.json"),
        ("{kind: llm, model: m, api_key_env: NO_SUCH_KEY}", NotReady, "NO_SUCH_KEY"),
    ],
)
def test_a_judge_that_is_not_there_stops_before_any_work(
    market: Workspace, judge: str, error: type[RolecallError], named: str
) -> None:
    with refused(error, named):
        label.run(["--workspace", str(market.root), "--judge", judge])


def golden_set(workspace: Workspace, truth: Callable[[int], int]) -> None:
    """Forty pairs that two graders grade alike: by what they make of the rubric's own grade."""
    policy = load_policy()
    members = list(to_records(latest(read_table(workspace.records / "members"), "id", "updated_at"), Member))
    jobs = list(to_records(latest(read_table(workspace.records / "jobs"), "id", "updated_at"), Job))
    pairs = [
        GoldenPair(
            pair_id=f"p{i}", stratum="title", kind="existing", source="random", member=members[i % 20], job=jobs[i]
        )
        for i in range(40)
    ]
    said = RubricJudge(policy).grade_many([pair.pair for pair in pairs])
    answers = [{"grade": truth(one.grade)} for one in said if isinstance(one, Judgement)]
    write_pairs(workspace.golden, pairs)
    for grader in ("ann", "bob"):
        write_sheet(workspace.golden, grader, pairs, policy.version, answers)
    adjudicate(workspace.golden)


def test_a_judge_that_agrees_with_the_golden_set_labels_and_says_how_far(
    market: Workspace, copy: Callable[[Workspace], Workspace], labelled: Callable
) -> None:
    workspace = copy(market)
    golden_set(workspace, lambda grade: grade)
    labelled(workspace)
    measured = json.loads(workspace.judge_report.read_text())["golden"]
    assert measured["pairs"] == 40 and measured["judge"]["quadratic"]["value"] > 0.8


def test_a_judge_that_the_golden_set_speaks_against_labels_nothing(
    market: Workspace, copy: Callable[[Workspace], Workspace], labelled: Callable, examples: Callable
) -> None:
    workspace = copy(market)
    golden_set(workspace, lambda grade: 4 - grade)
    with pytest.raises(NotAgreed):
        labelled(workspace, "--seed", "5")
    assert examples(workspace).equals(examples(market))


def test_without_a_golden_set_it_is_said_or_refused(
    market: Workspace, copy: Callable[[Workspace], Workspace], caplog: pytest.LogCaptureFixture, labelled: Callable
) -> None:
    with refused(NotReady, market.root):
        label.run(["--workspace", str(market.root), "--require-golden"])
    labelled(copy(market))
    assert "no golden set: the judge was not measured" in caplog.text
