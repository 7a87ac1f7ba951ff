"""A rule is tried on what the log shows, against what people did with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import NotReady
from contracts.records import Event, Job, Member
from contracts.text.verbalizer import Percentiles
from contracts.workspace import Workspace
from replay.feedback import feedback
from replay.rule_trial import Example, try_rules
from retrieval.rules.rules import Rule
from tests.make import refused


def rule(when: dict[str, Any], **fields: Any) -> Rule:
    about = {"name": "one", "reason": "wrong_level", "action": "demote", "enabled": False, "because": "so"}
    return Rule.model_validate({**about, "surfaces": ["recommendation"], "when": when, **fields})


LEVEL = rule({"seniority": {"more_rungs_than": 2}})


@pytest.fixture(scope="module")
def logged(
    tmp_path_factory: pytest.TempPathFactory,
    member: Callable[..., Member],
    job: Callable[..., Job],
    event: Callable[..., Event],
) -> Workspace:
    """ann, a senior, applied to j1 (senior) and j3 (intern) and said no to j2 (intern). bob has no level."""
    from tests.replay.conftest import shown_market

    market = shown_market()
    market.members = [member("ann", "ward nurse").model_copy(update={"seniority": "senior"}), member("bob", "driver")]
    levels = {"j1": "senior", "j2": "intern", "j3": "intern"}
    market.jobs = [job(name, "nurse").model_copy(update={"seniority": rung}) for name, rung in levels.items()]
    market.tests = [("r1", "ann", 2.0, ["j1", "j2"])]

    def shown(request: str, at: float, who: str, *jobs: str) -> list[Event]:
        found = [event(f"{request}-{name}", at, who, name, "impression", request) for name in jobs]
        return [one.model_copy(update={"found_by": "dense,terms"}) for one in found]

    no = event("no", 2.1, "ann", "j2", "dismiss", "r1").model_copy(update={"reason": "wrong_level"})
    market.events = [
        *shown("r1", 2, "ann", "j1", "j2", "gone"),
        event("v", 2.1, "ann", "j1", "view", "r1"),
        event("a", 2.2, "ann", "j1", "apply", "r1"),
        no,
        *shown("r2", 3, "ann", "j3", "j2"),
        event("b", 3.2, "ann", "j3", "apply", "r2"),
        event("h", 9, "ann", "j3", "hire", "r2"),
        *shown("r3", 4, "bob", "j2"),
        event("nb", 4.1, "bob", "j2", "dismiss", "r3"),
        *shown("r4", 5, "ann", "j2"),
        event("s", 5.1, "ann", "j2", "save", "r4"),
        event("w", 5.2, "ann", "j2", "view", "r4"),
        event("unnamed", 6, "ann", "j1", "impression"),
    ]
    workspace = market.write(tmp_path_factory.mktemp("logged"))
    workspace.percentiles.write_text(Percentiles().model_dump_json())
    return workspace


def test_what_a_rule_would_remove_is_counted_by_outcome(logged: Workspace) -> None:
    [trial] = try_rules(logged, [LEVEL])
    assert (trial.requests, trial.applied) == (4, 3), "nobody knows bob's level"
    assert trial.shown == {"shown": 6, "viewed": 3, "applied": 2, "hired": 1, "dismissed": 2, "answered": 1}
    assert trial.removed == {"shown": 4, "viewed": 2, "applied": 1, "hired": 1, "dismissed": 1, "answered": 1}


def test_examples_begin_with_what_speaks_against_the_rule(logged: Workspace) -> None:
    [trial] = try_rules(logged, [LEVEL], examples=3)
    assert trial.examples == [Example("r2", "j3", "hired"), Example("r4", "j2", "viewed"), Example("r2", "j2", "")]


def test_a_rule_on_jobs_seen_before_goes_by_the_log_before_each_request(logged: Workspace) -> None:
    seen = rule({"seen": {"times": 2, "days": 30}})
    [trial] = try_rules(logged, [seen])
    assert [example[:2] for example in trial.examples] == [("r4", "j2")]
    [trial] = try_rules(logged, [rule({"seen": {"times": 2, "days": 2}})])
    assert trial.examples == [], "of the two times before r4 one is three days old"


def test_of_more_requests_an_even_sample_is_tried_and_the_same_one_again(logged: Workspace) -> None:
    [trial] = try_rules(logged, [LEVEL], requests=2, seed=3)
    assert trial.requests == 2 and try_rules(logged, [LEVEL], requests=2, seed=3) == [trial]


def test_a_log_without_impressions_cannot_be_tried(viewed: Workspace, tmp_path: Path) -> None:
    with refused(NotReady, viewed.records / "events", "rolecall ingest"):
        try_rules(viewed, [LEVEL])


def test_feedback_counts_reasons_by_surface_and_by_source(logged: Workspace) -> None:
    found = feedback(logged)
    assert found.dismissed == {"not said": 1, "wrong_level": 1}
    assert found.by_surface == {"not said": {"recommendation": 1}, "wrong_level": {"recommendation": 1}}
    assert found.by_source == {"not said": {"dense": 1, "terms": 1}, "wrong_level": {"dense": 1, "terms": 1}}
    assert found.shown == {"recommendation": 8, "dense": 7, "not said": 1, "terms": 7}


def test_replay_answers_by_the_rules_that_it_is_given(logged: Workspace, day: Callable[[float], datetime]) -> None:

    from replay.holdout import HeldOut, requests_as_of
    from retrieval.index.job_index import JobIndex

    index = JobIndex.load(logged.index)
    held = [HeldOut("q", "ann", "", day(1), {"j1": 1}, frozenset())]
    [request] = requests_as_of(logged, held, {})
    rules = (rule({"seniority": {"more_rungs_than": 2}}, action="remove"),)
    assert index.allowed(request, rules)[1] == {"one": 2}
    assert index.mask(request).sum() == index.mask(request, rules).sum() + 2
