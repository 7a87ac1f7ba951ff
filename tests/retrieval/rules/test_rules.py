"""Rules are met by the jobs that they say, take nothing else, and say nothing where something is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.activity import Activity
from contracts.errors import BadInput, NotReady
from contracts.records import Member, Preferences, Reason
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.workspace import Workspace
from retrieval.encoder import TextEncoder
from retrieval.facts import Facts
from retrieval.filters.attributes import attribute_table
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.request import Request, build_request
from retrieval.rules.conditions import When
from retrieval.rules.rules import Rule, find_rules, load_rules
from tests.make import refused
from tests.retrieval.conftest import NOW, job, write_workspace

JOBS = (
    job(
        "nurse",
        "Senior Nurse",
        company="Mercy",
        location="Austin, Texas",
        seniority="senior",
        skills=("care",),
        salary_max=90_000,
        workplace="onsite",
    ),
    job(
        "driver",
        "Truck Driver",
        company="Acme",
        posted_at=NOW - timedelta(hours=1),
        location="Dallas, Texas",
        seniority="entry",
        skills=("driving",),
        salary_max=40_000,
        workplace="onsite",
    ),
    job(
        "remote",
        "Remote Nurse",
        company="Acme",
        location="Boston, Massachusetts",
        workplace="remote",
        salary_max=40_000,
        currency="EUR",
    ),
    job("closed", "Nurse", location="Boston, Massachusetts", expires_at=NOW),
    job("old", "Nurse", company="Mercy", location="Boston, Massachusetts", posted_at=NOW - timedelta(days=91)),
    job("bare", "Senior"),
)
PAY = Percentiles.fit({"salary": range(20_000, 120_000, 1_000)})
DAY = 86_400.0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = write_workspace(tmp_path_factory.mktemp("rules"), JOBS, ())
    build_index(found)
    return found


@pytest.fixture(scope="module")
def index(workspace: Workspace) -> JobIndex:
    return JobIndex.load(workspace.index)


@pytest.fixture(scope="module")
def encoder(workspace: Workspace) -> TextEncoder:
    return TextEncoder(workspace.encoder, threads=1)


def rule(when: dict[str, Any], action: str = "remove", **fields: Any) -> Rule:
    about = {"name": "one", "reason": "other", "enabled": True, "surfaces": ["search", "recommendation"]}
    return Rule.model_validate({**about, "action": action, "when": when, "because": "so", **fields})


def ask(text: str = "", query: str = "", **facts: Any) -> Request:
    request = build_request(text, Activity(), query, "", Filter(), NOW, percentiles=PAY)
    return replace(request, facts=replace(request.facts, **facts))


def met(index: JobIndex, when: dict[str, Any], request: Request) -> set[str] | None:
    found = rule(when).met(index, request)
    return None if found is None else {index.ids[row] for row in np.flatnonzero(found)}


TITLE = {"title": {"no_word_shared_but": ["senior"]}}
SKILLS = {"skills": {"none_shared": True}}
LEVEL = {"seniority": {"more_rungs_than": 2}}
REGION, PLACE = {"place": {"beyond": "region"}}, {"place": {"beyond": "place"}}
WAY = {"workplace": {"not_wished": True}}
MONEY = {"pay": {"below_wished": True}}
SEEN = {"seen": {"times": 3, "days": 7}}
OFTEN = tuple(NOW.timestamp() - days * DAY for days in (1, 2, 6.9))
NURSE = "headline: Senior Nurse | seniority: senior | location: Austin, Texas"


@pytest.mark.parametrize(
    ("when", "request_", "expected"),
    [
        (TITLE, ask(NURSE), {"driver"}),
        (TITLE, ask(NURSE, query="truck"), {"nurse", "remote", "closed", "old"}),
        (TITLE, ask(query="senior plumber"), None),
        (TITLE, ask(), None),
        (SKILLS, ask("skills: Care, triage"), {"driver"}),
        (SKILLS, ask("skills: care", query="driver"), None),
        (SKILLS, ask("headline: Nurse"), None),
        (LEVEL, ask("seniority: senior"), set()),
        (LEVEL, ask("seniority: lead"), {"driver"}),
        (LEVEL, ask("seniority: wizard"), None),
        (LEVEL, ask(), None),
        (REGION, ask(NURSE), {"closed", "old"}),
        (PLACE, ask(NURSE), {"driver", "closed", "old"}),
        (PLACE, ask(f"{NURSE} | wants: Nurse, in Dallas, Texas"), {"closed", "old"}),
        (REGION, ask(f"{NURSE} | wants: in Massachusetts"), set()),
        (REGION, ask("location: Nowhere, Nowhere"), None),
        (REGION, ask("headline: Nurse"), None),
        (WAY, ask("workplace: remote, hybrid"), {"nurse", "driver"}),
        (WAY, ask(), None),
        (MONEY, ask("pay: at least p65"), {"driver"}),
        (MONEY, ask("pay: at least p15"), set()),
        (MONEY, ask(), None),
        (SEEN, ask(unclicked={"nurse": OFTEN, "driver": OFTEN[1:], "gone": OFTEN}), {"nurse"}),
        (SEEN, ask(unclicked={"nurse": (*OFTEN[:2], NOW.timestamp() - 8 * DAY)}), None),
        (SEEN, ask(unclicked={"nurse": (*OFTEN[:2], NOW.timestamp())}), None),
        ({"closed": {}}, ask(), {"closed"}),
        ({"closed": {"after_days": 90}}, ask(), {"closed", "old"}),
        ({"closed": {"after_days": 90}}, replace(ask(), time=NOW + timedelta(days=400)), {"closed", "old"}),
        ({"closed": {"after_days": 90}}, replace(ask(), time=NOW - timedelta(hours=2)), set()),
        ({"closed": {"after_days": 91}}, ask(), {"closed"}),
        ({"company": {"dismissed_for": ["bad_company"]}}, ask(dismissed=(("nurse", "bad_company"),)), {"nurse", "old"}),
        ({"company": {"dismissed_for": ["bad_company"]}}, ask(dismissed=(("nurse", "too_far"),)), None),
        ({"company": {"dismissed_for": []}}, ask(dismissed=(("driver", ""),)), {"driver", "remote"}),
        ({"company": {"dismissed_for": [], "times": 2}}, ask(dismissed=(("driver", ""),)), None),
        ({"company": {"dismissed_for": []}}, ask(dismissed=(("bare", ""), ("gone", ""))), None),
        (LEVEL | REGION, ask("seniority: lead | location: Boston, Massachusetts"), {"driver"}),
        (LEVEL | REGION, ask("seniority: lead"), None),
    ],
)
def test_a_condition_is_met_by_these_jobs(
    index: JobIndex, when: dict[str, Any], request_: Request, expected: set[str] | None
) -> None:
    assert met(index, when, request_) == expected


def test_the_company_of_a_dismissed_job_that_was_deleted_is_still_known(workspace: Workspace) -> None:
    index = JobIndex.load(workspace.index).changed([], {"nurse": NOW}, "1")
    found = met(index, {"company": {"dismissed_for": ["bad_company"]}}, ask(dismissed=(("nurse", "bad_company"),)))
    assert found == {"nurse", "old"}


def test_the_member_text_of_the_verbaliser_is_what_facts_are_read_from() -> None:
    wish = Preferences(titles=("Nurse",), locations=("Dallas, Texas",), workplace=("remote",), salary_min=66_500)
    someone = Member(
        id="m",
        headline="Nurse",
        seniority="lead",
        skills=("care",),
        location="Austin",
        preferences=wish,
        updated_at=NOW,
    )
    facts = build_request(Verbalizer(PAY).member(someone), Activity(), "", "", Filter(), NOW, percentiles=PAY).facts
    assert (facts.seniority, facts.skills, facts.places, facts.workplace) == (
        "lead",
        ("care",),
        "Dallas, Texas",
        ("remote",),
    )
    assert facts.salary_min is not None and facts.salary_min < 66_500


TEXTS = st.sampled_from(["", NURSE, f"{NURSE} | skills: care", "seniority: lead | workplace: hybrid"])
WHENS = st.sampled_from([TITLE, SKILLS, LEVEL, REGION, PLACE, WAY, MONEY, {"closed": {"after_days": 90}}, LEVEL | WAY])


@given(st.lists(WHENS, max_size=4), st.lists(WHENS, max_size=3), TEXTS, st.sampled_from(["", "nurse", "truck driver"]))
def test_what_is_removed_is_never_found_and_what_is_demoted_comes_last(
    encoder: TextEncoder, index: JobIndex, gone: list[dict], down: list[dict], text: str, query: str
) -> None:
    removing = [rule(when, name=f"r{i}") for i, when in enumerate(gone)]
    demoting = [rule(when, "demote", name=f"d{i}") for i, when in enumerate(down)]
    plain = ask(text, query)
    rules = (*removing, *demoting)
    vector = encoder.encode([query or text], "request")[0]
    found = index.search(plain, vector, k=100, rules=rules)
    removed = set().union(*(met(index, one.when.model_dump(), plain) or set() for one in removing))
    demoted = set().union(*(met(index, one.when.model_dump(), plain) or set() for one in demoting))
    assert set(found.ids) == set(index.search(plain, vector, k=100).ids) - removed
    order = [job_id in demoted for job_id in found.ids]
    assert order == sorted(order)
    assert order == [int(row) in found.demoted for row in found.rows]
    assert (np.diff(found.fused) <= 0).all()
    before = index.search(plain, vector, k=100, rules=removing).ids
    assert found.ids == sorted(before, key=lambda job_id: job_id in demoted)
    assert sum(found.removed.values()) == len(index) - int(index.mask(plain, rules).sum()) - int(
        (~index.mask(plain)).sum()
    )


def test_a_removal_is_counted_once_by_the_first_rule_that_takes_the_job(index: JobIndex) -> None:
    rules = (rule(TITLE, name="first"), rule(LEVEL, name="second"), rule({"closed": {}}, name="expired_anyway"))
    assert index.search(ask(f"{NURSE}", seniority="lead"), rules=rules).removed == {"first": 1}


def test_a_rule_of_another_surface_does_not_apply(index: JobIndex) -> None:
    only = rule({"closed": {}}, surfaces=["search"])
    assert only.met(index, ask(NURSE)) is None and only.met(index, ask(query="nurse")) is not None


def test_the_built_in_rules_enabled_take_nothing_from_a_member_who_said_nothing(index: JobIndex) -> None:
    enabled = load_rules().enabled
    assert [one.name for one in enabled] == ["closed", "bad_company", "seen_before"]
    plain = ask(NURSE)
    assert index.search(plain, rules=enabled).ids == index.search(plain).ids


def test_every_reason_but_other_has_a_built_in_rule() -> None:
    assert {one.reason for one in load_rules().rules} == set(Reason.__args__) - {"other"}  # type: ignore[attr-defined]


ONE = """\
rules:
  - name: far
    reason: too_far
    action: demote
    enabled: true
    surfaces: [recommendation]
    when: {place: {beyond: region}}
    because: It is far.
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return path


def test_the_version_is_that_of_what_the_rules_say(tmp_path: Path) -> None:
    first = load_rules(write(tmp_path, ONE)).version
    assert load_rules(write(tmp_path, f"# a comment\n{ONE}")).version == first
    assert load_rules(write(tmp_path, ONE.replace("enabled: true", "enabled: false"))).version != first


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("reason: too_far", "reason: far", ("line 3", "rules.0.reason", "'too_far'", "'far'")),
        ("action: demote", "action: hide", ("line 4", "rules.0.action", "'remove'", "'demote'", "'hide'")),
        ("enabled: true", "enabled: 1", ("line 5", "rules.0.enabled", 1)),
        ("[recommendation]", "[]", ("line 6", "rules.0.surfaces")),
        ("{place: {beyond: region}}", "{}", ("line 7", "rules.0.when", "title", "skills")),
        ("{place: {beyond: region}}", "{distance: 3}", ("line 7", "rules.0.when.distance", 3)),
        ("beyond: region", "beyond: country", ("line 7", "'place'", "'region'", "'country'")),
        ("{place: {beyond: region}}", "{seniority: {more_rungs_than: 9}}", ("line 7", "more_rungs_than", 6, 9)),
        ("{place: {beyond: region}}", "{title: {no_word_shared_but: [on]}}", ("line 7", "no_word_shared_but", True)),
        ("{place: {beyond: region}}", "{pay: {below_wished: false}}", ("line 7", "below_wished", False)),
        ("name: far", "name: Too far", ("line 2", "rules.0.name", "'Too far'")),
        ("    because: It is far.\n", "", ("line 2", "rules.0.because")),
        (ONE, ONE + ONE.removeprefix("rules:\n"), ("line 1", "rules", "'far'")),
        (ONE, ONE + "rulez: []\n", ("line 9", "rulez")),
    ],
)
def test_rules_that_do_not_fit_name_line_value_and_cure(tmp_path: Path, old: str, new: str, named: tuple) -> None:
    assert old in ONE
    with refused(BadInput, *named, where=tmp_path / "rules.yaml"):
        load_rules(write(tmp_path, ONE.replace(old, new)))


def test_a_file_that_is_given_goes_before_the_workspaces_own_and_that_before_the_built_in(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert find_rules(workspace).version == load_rules().version
    own = write(tmp_path, ONE)
    assert find_rules(workspace).version == load_rules(own).version != load_rules().version
    given = tmp_path / "given.yaml"
    given.write_text("rules: []\n")
    assert find_rules(workspace, given).rules == ()
    with refused(NotReady, tmp_path / "absent.yaml"):
        find_rules(workspace, tmp_path / "absent.yaml")


def test_a_rule_is_found_by_its_name() -> None:
    assert load_rules().named("too_far").reason == "too_far"
    with refused(BadInput, "'near'", "too_far"):
        load_rules().named("near")


def test_a_condition_that_nothing_is_known_for_costs_no_other(index: JobIndex) -> None:
    when = When.model_validate(SEEN | {"closed": {}})
    assert when.met(index, replace(ask(), facts=Facts())) is None


@given(
    built=st.lists(st.floats(-5, 5) | st.just(float("nan")), max_size=8),
    later=st.lists(st.floats(-5, 5) | st.just(float("nan")), max_size=4),
    most=st.floats(-6, 6),
)
def test_the_newest_job_is_the_greatest_time_of_all_rows(built: list[float], later: list[float], most: float) -> None:
    table = attribute_table(numbers={"posted_at": built})
    for _ in range(2):  # as computed, and as kept
        expected = np.max(built, initial=-np.inf, where=np.array(built) <= most) if built else -np.inf
        assert table.greatest("posted_at", most) == expected
    longer = table.appended([{"posted_at": number} for number in later])
    every = np.array([*built, *later])
    assert longer.greatest("posted_at", most) == np.max(every, initial=-np.inf, where=every <= most)
    assert table.greatest("posted_at", most) == expected
