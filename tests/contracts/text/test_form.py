"""The form of a text: what a form may say, and that another form is another text version."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.text.fitted import open_verbalizer
from contracts.text.form import FACTS, JOB_BUDGET, MEMBER_BUDGET, TextForm, read_form
from contracts.text.verbalizer import Percentiles, Verbalizer, most_telling_first
from contracts.workspace import Workspace
from retrieval.facts import read_facts, text_fields
from tests.contracts.text.test_verbalizer import JOB, NURSE, PAY
from tests.make import refused


def member_forms() -> st.SearchStrategy[TextForm]:
    """Any order of a member's fields, with any of those dropped that may be."""
    others = [name for name in MEMBER_BUDGET if name not in (*FACTS, "summary")]

    def form(kept: list[str], order: list[str], with_summary: bool) -> TextForm:
        names = [name for name in order if name in FACTS or name in kept] + ["summary"] * with_summary
        return TextForm(member={name: MEMBER_BUDGET[name] for name in names})

    return st.builds(
        form, st.lists(st.sampled_from(others), unique=True), st.permutations([*FACTS, *others]), st.booleans()
    )


def test_the_built_in_form_changes_no_version() -> None:
    assert TextForm().digest == ""
    assert Verbalizer(PAY, TextForm()).version == Verbalizer(PAY).version


@given(member_forms())
def test_facts_are_the_same_in_every_form(form: TextForm) -> None:
    facts = [read_facts(text_fields(Verbalizer(PAY, one).member(NURSE)), PAY, (), {}) for one in (TextForm(), form)]
    assert facts[0] == facts[1]


@given(member_forms())
def test_fields_stand_in_the_order_of_the_form(form: TextForm) -> None:
    fields = list(text_fields(Verbalizer(PAY, form).member(NURSE)))
    assert fields == [name for name in form.member if name in fields]
    assert set(fields) == set(form.member) & {
        "headline", "seniority", "location", "wants", "workplace", "pay", "skills", "worked", "education", "summary"
    }  # fmt: skip


@given(member_forms(), member_forms())
def test_another_order_is_another_version(one: TextForm, other: TextForm) -> None:
    same = list(one.member.items()) == list(other.member.items())
    assert (Verbalizer(PAY, one).version == Verbalizer(PAY, other).version) == same


def test_a_dropped_field_of_a_job_leaves_no_trace() -> None:
    form = TextForm(job={name: budget for name, budget in JOB_BUDGET.items() if name != "company"})
    assert "City Hospital" not in Verbalizer(Percentiles(), form).job(JOB)
    assert "City Hospital" in Verbalizer().job(JOB)


def test_the_most_telling_sentence_comes_first() -> None:
    told = "We have a dog. Triage is your trade. Free coffee."
    assert most_telling_first(told, {"triage": 1.0, "coffee": -1.0}) == (
        "Triage is your trade. We have a dog. Free coffee."
    )


def test_a_description_of_equal_weight_stays_in_order() -> None:
    assert most_telling_first("One. Two. Three.", {"other": 1.0}) == "One. Two. Three."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("member: {headline: 16}", "rules and the match"),
        ("job: {company: 8, title: 16}", "put it first"),
        ("job: {title: 16, colour: 3}", "colour"),
        ("job: {title: 16, skills: 0}", "give one at least"),
        ("telling: {a: .inf}", "finite"),
        ("member: {summary: 48, headline: 16, seniority: 2, wants: 24, workplace: 4, pay: 4, skills: 40, worked: 60}",
         "put it last"),
        ("colour: red", "colour"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "form.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says):
        read_form(path)


@pytest.mark.parametrize("content", ["[]", "3", "{", '{"form": {"job": {}}}'])
def test_break_points_that_are_broken_are_named(tmp_path: Path, content: str) -> None:
    path = Workspace(tmp_path).percentiles
    path.write_text(content)
    with refused(UnreadableFile, where=path):
        open_verbalizer(Workspace(tmp_path))


def test_a_form_that_is_not_there_is_no_form(tmp_path: Path) -> None:
    with refused(NotReady, "form.yaml"):
        read_form(tmp_path / "form.yaml")
