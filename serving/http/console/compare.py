"""The room where answers to one request stand side by side: other bundles, other rules, other policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response

from contracts.errors import BadInput, RolecallError
from contracts.records import Job, Member
from policy.document.load import load_policy
from policy.judges.base import Judgement, Pair
from policy.judges.rubric import RubricJudge
from policy.types import Policy
from retrieval.rules.rules import RuleBook, load_rules
from serving.comparison import Difference, difference
from serving.engine import Engine
from serving.http.console.asked import Asked
from serving.http.console.forms import lists_of
from serving.http.console.page import render, shown
from serving.http.state import Service
from serving.schemas import Result

router = APIRouter(include_in_schema=False)
MOST_SIDES = 3
SERVED = "served"


class Choice(NamedTuple):
    """Something that an answer can be compared with. value: in the form; about: in small print."""

    value: str
    name: str
    about: str


class Side(NamedTuple):
    """One answer of a comparison.

    Attributes:
        name: What it is the answer of.
        about: In small print.
        order: Ids of jobs, best first.
        to_served: How that differs from what is served; None for what is served.
        grades: Job -> the policy's grade; empty where it is no policy's.
        problem: Why there is no answer; empty where there is one.
    """

    name: str
    about: str
    order: tuple[str, ...]
    to_served: Difference | None
    grades: Mapping[str, int] = {}
    problem: str = ""


@router.api_route("/console/compare", methods=["GET", "POST"])
async def compare(service: Service, request: Request) -> Response:
    fields = await lists_of(request)
    asked = Asked.of({name: values[-1] for name, values in fields.items()})
    return await shown(service, lambda engine: _page(engine, asked, fields.get("side", [])[:MOST_SIDES]))


def choices(engine: Engine) -> dict[str, list[Choice]]:
    """Heading -> what can be compared with, now."""
    served = engine.servable
    builds = [
        Choice(
            f"index:{one.index_version}",
            f"Bundle {one.bundle_version[:8]}, index {one.index_version[:8]}",
            f"built {one.time:%-d %B %Y, %H:%M}",
        )
        for one in engine.beside.built()
        if one.index_version != served.index.manifest.version
    ]
    rules = [
        Choice("rules:none", "No rules", "what would be found without any"),
        Choice("rules:built-in", "Built-in rules", f"version {load_rules().version[:8]}"),
    ]
    policies = [Choice("policy:0", "Policy in force", str(engine.config.console.policy or "built in"))]
    policies += [
        Choice(f"policy:{i}", path.name, str(path)) for i, path in enumerate(engine.config.console.policies, 1)
    ]
    return {"Bundles": builds, "Rules": rules, "Policies": policies}


def policy_of(engine: Engine, number: int = 0) -> Policy:
    """The policy in force, or a further one. Raises BadInput for a number that none has."""
    console = engine.config.console
    paths = (console.policy, *console.policies)
    if not 0 <= number < len(paths):
        raise BadInput(f"no policy {number}", cure="take one that the page lists")
    return load_policy(paths[number])


def graded_by(policy: Policy, asker: tuple[Member | None, str], jobs: Mapping[str, Job]) -> dict[str, int]:
    """Job -> the grade that the rubric judge gives it by a policy; jobs that it cannot grade are left out."""
    member, query = asker
    outcomes = RubricJudge(policy).grade_many([Pair(member, job, query) for job in jobs.values()])
    graded = zip(jobs, outcomes, strict=True)
    return {job_id: outcome.grade for job_id, outcome in graded if isinstance(outcome, Judgement)}


def _page(engine: Engine, asked: Asked, chosen: Sequence[str]) -> str:
    sides: list[Side] = []
    found: dict[str, Result] = {}
    problem = ""
    try:
        if not asked.empty:
            sides = _sides(engine, asked, chosen, found)
    except RolecallError as error:
        problem = str(error)
    return render(
        "compare.html",
        engine,
        "compare",
        asked=asked,
        choices=choices(engine),
        chosen=chosen,
        sides=sides,
        found=found,
        problem=problem,
        most=MOST_SIDES,
    )


def _sides(engine: Engine, asked: Asked, chosen: Sequence[str], found: dict[str, Result]) -> list[Side]:
    """What is served, and each that is chosen; `found` is filled with the jobs of all of them."""
    message = asked.message()
    answer = engine.tried(message)
    found |= {result.job_id: result for result in answer.results}
    served = tuple(result.job_id for result in answer.results)
    sides = [Side("Served now", f"bundle {answer.bundle_version[:8]}, rules {answer.rules_version[:8]}", served, None)]
    names = {choice.value: choice for of_kind in choices(engine).values() for choice in of_kind}
    for value in chosen:
        choice = names.get(value, Choice(value, value[:40], ""))
        kind, _, version = value.partition(":")
        try:
            grades: dict[str, int] = {}
            if kind == "policy":
                grades = graded_by(policy_of(engine, int(version)), asked.asker(engine), engine.adverts(served))
                order = tuple(sorted(served, key=lambda job_id: -grades.get(job_id, -1)))
            else:
                results = _answered(engine, message, kind, version)
                found |= {result.job_id: found.get(result.job_id, result) for result in results}
                order = tuple(result.job_id for result in results)
            sides.append(Side(choice.name, choice.about, order, difference(served, order), grades))
        except (RolecallError, ValueError) as error:
            sides.append(Side(choice.name, choice.about, (), None, {}, str(error)))
    return sides


def _answered(engine: Engine, message: Any, kind: str, version: str) -> tuple[Result, ...]:
    if kind == "index":
        with engine.beside.use(version) as servable:
            return engine.tried(message, servable=servable).results
    rules = {"none": RuleBook(rules=()), "built-in": load_rules()}
    if kind != "rules" or version not in rules:
        raise ValueError("nothing of this name can be compared with")
    return engine.tried(message, rules=rules[version]).results
