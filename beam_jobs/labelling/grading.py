"""Grades of lists by a judge, with their lineage: who may grade, what it says of each job, and what that costs."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import polars as pl

from beam_jobs.labelling.lists import Ask
from contracts.errors import NotReady
from contracts.records import Grade, Member
from contracts.tables import read_table
from contracts.workspace import Workspace
from history.as_of import JobVersions
from history.requests import PastRequest
from policy import Judge, Judgement, Pair, Policy, Ungraded
from policy.golden.golden import Measured, has_golden, load_golden, require_agreement
from policy.judges.base import JudgeConfig, JudgeSetting
from policy.rubric.titles import Similarity
from retrieval.encoder import TextEncoder

log = logging.getLogger("rolecall")


def judge_setting(policy: Policy, workspace: Workspace, threads: int | None = None) -> JudgeSetting:
    """What a judge may use of a workspace: its policy, its stored answers and its encoder of titles.

    Args:
        policy: What to grade by.
        workspace: Where the answers and the encoder lie.
        threads: For the encoder; None for all cores.
    """

    def open_similarity() -> Similarity:
        return TitleVectors(TextEncoder(workspace.encoder, threads=threads)).cosine

    return JudgeSetting(policy, workspace.judge_answers, open_similarity)


def measure_judge(judge: Judge, policy: Policy, workspace: Workspace, least: float, required: bool) -> Measured | None:
    """How far a judge agrees with the workspace's golden set; None where there is none and none is required.

    Raises NotReady for a golden set that is required and not there, and what `load_golden` and `require_agreement`
    raise: a judge that may not label does not come back.
    """
    if not has_golden(workspace.golden):
        if required:
            cure = "add one to the data (`rolecall golden --help`), or do not require it"
            raise NotReady(f"no golden set in {workspace.golden}", cure=cure)
        log.warning("label: no golden set: the judge was not measured")
        return None
    measured = require_agreement(load_golden(workspace.golden, policy.version), judge, least)
    log.info("label: %s: %s", judge.name, measured)
    return measured


class Chosen(NamedTuple):
    """A list and the jobs that were chosen for it."""

    ask: Ask
    job_ids: Sequence[str]


def grade_lists(
    judge: Judge, policy_version: str, jobs: JobVersions, lists: Sequence[Chosen]
) -> list[list[Grade | Ungraded | None]]:
    """A grade of each job of each list, all asked for at once; None where the list is not to be graded, or nothing is
    known of who asks and for what."""
    asked = [_pairs(one, jobs) for one in lists]
    outcomes = iter(judge.grade_many([pair for pairs in asked for pair in pairs]))
    found: list[list[Grade | Ungraded | None]] = []
    for one, pairs in zip(lists, asked, strict=True):
        said: list[Grade | Ungraded | None] = [None] * len(one.job_ids)
        for place, (judged, job_id) in enumerate(zip(islice(outcomes, len(pairs)), one.job_ids, strict=False)):
            said[place] = _row(judge.name, policy_version, one.ask.past, job_id, judged)
        found.append(said)
    return found


def _row(
    grader: str, policy_version: str, past: PastRequest, job_id: str, judged: Judgement | Ungraded
) -> Grade | Ungraded:
    if isinstance(judged, Ungraded):
        return judged
    return Grade(
        member_id=past.member_id,
        query=past.query,
        job_id=job_id,
        grade=judged.grade,
        expected=judged.expected,
        rationale=judged.rationale,
        grader=grader,
        policy_version=policy_version,
        time=past.time,
    )


def _pairs(one: Chosen, jobs: JobVersions) -> list[Pair]:
    ask, past = one.ask, one.ask.past
    if not ask.graded or (ask.request.member is None and not past.query.strip()):
        return []
    member = Member.model_validate(ask.request.member) if ask.request.member else None
    versions = jobs.as_of([(job_id, past.time) for job_id in one.job_ids])
    return [Pair(member, job, past.query) for job in versions]


def write_report(
    workspace: Workspace, judge: str, policy: Policy, measured: Measured | None, cost: dict | None
) -> None:
    """Beside the grades: who gave them and how far it agrees with the golden set, and what a pair cost.

    A pair that the judge left out is one without a grade in a list that has grades. cost None: nothing was graded now.
    """
    rows = pl.DataFrame(read_table(workspace.examples, ["list_id", "grade"]))
    graded = rows.filter(pl.col("grade").is_not_null().any().over("list_id"))
    report = {
        "grader": judge,
        "policy_version": policy.version,
        "golden": measured.as_dict() if measured else None,
        "pairs": len(graded) - graded["grade"].null_count(),
        "ungraded": graded["grade"].null_count(),
    }
    workspace.grades.mkdir(parents=True, exist_ok=True)
    workspace.judge_report.write_text(json.dumps(report, indent=1) + "\n")
    if cost:
        workspace.judge_cost.write_text(json.dumps(cost, indent=1) + "\n")


def grading_cost(config: JudgeConfig, pairs: int, seconds: float, spent: Counter[str]) -> dict[str, Any] | None:
    """What grading so many pairs took, for each of them and in all; None where there were none.

    spent: by the judge, what it took to measure it included.
    """
    if not pairs:
        return None
    money = config.cost(spent)
    each = {"seconds_per_pair": seconds / pairs, "money_per_pair": None if money is None else money / pairs}
    return {"pairs": pairs, **each, **dict(sorted(spent.items()))}


def say_cost(judge: str, cost: Mapping[str, Any]) -> str:
    line = f"{judge} graded {cost['pairs']:,} pairs, {1e3 * cost['seconds_per_pair']:.2f} ms a pair"
    if "prompt_tokens" in cost:
        line += f", {cost['prompt_tokens']:,} tokens of prompts and {cost.get('completion_tokens', 0):,} of answers"
        line += f" in {cost.get('calls', 0):,} calls, {cost.get('cached', 0):,} pairs answered before"
    if cost["money_per_pair"] is not None:
        line += f", {cost['money_per_pair']:.6f} in money a pair"
    return line


class TitleVectors:
    """Cosines of titles. Each is encoded alone: int8 vectors depend a little on what shares a batch."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._vector = lru_cache(maxsize=100_000)(lambda title: encoder.encode([title])[0])

    def cosine(self, a: str, b: str) -> float:
        return float(self._vector(a) @ self._vector(b))
