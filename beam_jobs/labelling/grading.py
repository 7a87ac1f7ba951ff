"""Grades of lists by a judge: whether it may grade, its grades with their lineage, and what they cost."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from beam_jobs.labelling.lists import ListRequest
from contracts.errors import NotReady
from contracts.examples import SERVED
from contracts.records import Grade, Member
from contracts.tables import read_table
from contracts.versions import write_text
from contracts.workspace import JUDGE_COST, JUDGE_REPORT, Workspace
from history.as_of import JobVersions
from history.requests import PastRequest
from policy import Judge, Judgement, Pair, Policy, Ungraded
from policy.golden.golden import JudgeAgreement, has_golden, load_golden, require_agreement
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


def measure_judge(
    judge: Judge, policy: Policy, workspace: Workspace, least: float, required: bool
) -> JudgeAgreement | None:
    """Measure a judge by the workspace's golden set.

    Args:
        judge: Who grades.
        policy: What it grades by.
        workspace: With or without a golden set.
        least: Quadratic kappa that the judge must reach.
        required: Whether a golden set must be there.

    Returns:
        Its agreement; None where there is no golden set.

    Raises:
        NotReady: A required golden set is missing or incomplete.
        NotAgreed: The judge may not label; also as `load_golden` and `require_agreement` raise.
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


def grade_lists(
    judge: Judge,
    policy_version: str,
    jobs: JobVersions,
    requests: Sequence[ListRequest],
    job_ids: Sequence[Sequence[str]],
) -> list[list[Grade | Ungraded | None]]:
    """Grade lists in one call of the judge.

    Args:
        judge: Who grades.
        policy_version: Noted with each grade.
        jobs: Job records by id and time.
        requests: One a list.
        job_ids: The jobs of each list.

    Returns:
        An outcome for each job of each list; None where the list is not to be graded, or neither a member nor a query
        is known.
    """
    pairs = [_pairs(request, ids, jobs) for request, ids in zip(requests, job_ids, strict=True)]
    outcomes = iter(judge.grade_many([pair for of_list in pairs for pair in of_list]))
    graded: list[list[Grade | Ungraded | None]] = []
    for request, ids, of_list in zip(requests, job_ids, pairs, strict=True):
        row: list[Grade | Ungraded | None] = [None] * len(ids)
        for place, outcome in enumerate(islice(outcomes, len(of_list))):
            row[place] = _grade(judge.name, policy_version, request.past, ids[place], outcome)
        graded.append(row)
    return graded


def _grade(
    grader: str, policy_version: str, past: PastRequest, job_id: str, outcome: Judgement | Ungraded
) -> Grade | Ungraded:
    if isinstance(outcome, Ungraded):
        return outcome
    return Grade(
        member_id=past.profile.id if past.profile else past.member_id,
        query=past.query,
        job_id=job_id,
        grade=outcome.grade,
        expected=outcome.expected,
        rationale=outcome.rationale,
        grader=grader,
        policy_version=policy_version,
        time=past.time,
    )


def _pairs(to_label: ListRequest, job_ids: Sequence[str], jobs: JobVersions) -> list[Pair]:
    record, past = to_label.request.member, to_label.past
    if not to_label.graded or (record is None and not past.query.strip()):
        return []
    member = Member.model_validate(record) if record else None
    versions = jobs.as_of([(job_id, past.time) for job_id in job_ids])
    return [Pair(member, job, past.query) for job in versions]


def write_report(
    examples: Path, folder: Path, judge: str, policy: Policy, measured: JudgeAgreement | None, cost: dict | None
) -> None:
    """Write who graded, its agreement with the golden set, and what a pair cost, beside the grades.

    Args:
        examples: The lists; a pair counts as ungraded if it has no grade and its list has some.
        folder: Of the grades.
        judge: The judge's name.
        policy: What it graded by.
        measured: Its agreement with the golden set, if there is one.
        cost: Of this run, from `grading_cost`; None where nothing was graded.
    """
    rows = pl.DataFrame(read_table(examples, ["list_id", "stratum", "grade"]))
    served = pl.col("stratum") == SERVED  # graded whether the list is or not
    graded = rows.filter(pl.col("grade").is_not_null().any().over("list_id", served))
    report = {
        "grader": judge,
        "policy_version": policy.version,
        "golden": measured.as_dict() if measured else None,
        "pairs": len(graded) - graded["grade"].null_count(),
        "ungraded": graded["grade"].null_count(),
    }
    write_text(folder / JUDGE_REPORT, json.dumps(report, indent=1) + "\n")
    if cost:
        write_text(folder / JUDGE_COST, json.dumps(cost, indent=1) + "\n")


def grading_cost(
    config: JudgeConfig, pairs: int, seconds: float, spent: Counter[str], ungraded: Mapping[str, int]
) -> dict[str, Any] | None:
    """What grading took, for each pair and in all.

    Args:
        config: The judge's knobs, which know its prices.
        pairs: Graded pairs.
        seconds: Of all workers together.
        spent: By the judge, the golden pairs included.
        ungraded: Cause -> pairs that were asked for and have no grade.

    Returns:
        A row for JSON, its money None where no price is known; None where there are no pairs.
    """
    if not pairs:
        return None
    money = config.cost(spent)
    return {
        "pairs": pairs,
        "seconds_per_pair": seconds / pairs,
        "pairs_per_second": pairs / seconds if seconds else None,
        "money": money,
        "money_per_pair": None if money is None else money / pairs,
        "ungraded": dict(ungraded),
        **dict(sorted(spent.items())),
    }


def cost_of_pair(workspace: Workspace, judge: str) -> str:
    """What a pair cost a judge when it graded those of the workspace, for a plan; empty where another one did."""
    try:
        report = json.loads(workspace.judge_report.read_text("utf-8"))
        cost = json.loads(workspace.judge_cost.read_text("utf-8"))
    except FileNotFoundError:
        return ""
    if report["grader"] != judge:
        return ""
    money = "no price given" if cost["money_per_pair"] is None else f"{cost['money_per_pair']:.6f} in money"
    return f"{1e3 * cost['seconds_per_pair']:.2f} ms a pair and {money}"


def cost_line(judge: str, cost: Mapping[str, Any]) -> str:
    """A line for the log about a cost from `grading_cost`."""
    line = f"{judge} graded {cost['pairs']:,} pairs, {1e3 * cost['seconds_per_pair']:.2f} ms a pair"
    if cost["pairs_per_second"]:
        line += f" ({cost['pairs_per_second']:,.0f} a second)"
    if "prompt_tokens" in cost:
        line += f", {cost['prompt_tokens']:,} tokens of prompts and {cost.get('completion_tokens', 0):,} of answers"
        line += f" in {cost.get('calls', 0):,} calls, {cost.get('cached', 0):,} answers known before"
    if cost.get("repeats"):
        line += f", {cost['repeats']:,} of them to pairs that were asked again"
    if cost["money"] is None:
        return f"{line}, no price given"
    if not cost["money"]:
        return f"{line}, free"
    return f"{line}, {cost['money']:.2f} in money, {cost['money_per_pair']:.6f} in money a pair"


class TitleVectors:
    """Cosines of titles. Each is encoded alone, since int8 vectors depend a little on the rest of a batch."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._vector = lru_cache(maxsize=100_000)(lambda title: encoder.titles([title])[0])

    def cosine(self, a: str, b: str) -> float:
        """The cosine of two titles' vectors."""
        return float(self._vector(a) @ self._vector(b))
