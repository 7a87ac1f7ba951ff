"""What a text's vector is summed from: its parts, cut in one way wherever the text comes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.text.parts import KINDS, Part, PartWeights, parts_of
from contracts.text.verbalizer import request_text


def of(kind: str, text: str, most: int = 9) -> list[str]:
    return [part.text for part in parts_of(text, most) if part.kind == kind]


JOB = (
    "title: Charge Nurse | company: City Hospital | location: Dallas, TX | skills: triage, wound care | "
    "description: Lead a shift of six nurses. Plan the rota; order stock. • Lift patients. Plan the rota;"
)


def test_a_job_is_its_title_its_skills_and_each_sentence_once() -> None:
    assert of("titles", JOB) == ["Charge Nurse"]
    assert of("skills", JOB) == ["triage, wound care"]
    assert of("sentences", JOB) == [
        "Lead a shift of six nurses.",
        "Plan the rota;",
        "order stock.",
        "Lift patients.",
    ]
    assert of("whole", JOB) == [JOB] and not of("work", JOB)


def test_a_request_is_its_query_its_activity_its_titles_and_each_position() -> None:
    member = (
        "headline: Ward nurse | wants: Charge nurse, Matron, in Austin, TX | "
        "worked: Ward nurse at City Hospital (Hospitals) current: True; Carer at Home Help 3 years | summary: I care."
    )
    text = request_text(member, "applied: Nurse, Mercy; Carer, Home Help | viewed: Matron, Mercy", "night nurse")
    assert of("titles", text) == ["night nurse", "Ward nurse", "Charge nurse", "Matron"]
    assert of("activity", text) == ["Nurse, Mercy", "Carer, Home Help", "Matron, Mercy"]
    assert of("work", text) == [
        "Ward nurse at City Hospital (Hospitals) current: True",
        "Carer at Home Help 3 years",
    ]
    assert of("sentences", text) == ["I care."]


def test_no_more_sentences_are_read_than_asked_for() -> None:
    assert of("sentences", JOB, 2) == ["Lead a shift of six nurses.", "Plan the rota;"]
    assert of("skills", JOB, 1) == ["triage, wound care"]


def test_text_without_a_fields_name_is_read_whole_alone() -> None:
    for text in ("Charge nurse", "", "nurse: nights. Days too."):
        assert parts_of(text, 9) == [Part("whole", text)]


@given(st.text(max_size=300) | st.text("titlesearch: |.;•", max_size=120), st.integers(1, 5))
def test_any_text_has_its_whole_first_and_no_part_twice(text: str, most: int) -> None:
    parts = parts_of(text, most)
    assert parts[0] == Part("whole", text) and len(set(parts)) == len(parts)
    assert all(part.kind in KINDS and part.text in text for part in parts)
    assert sum(part.kind == "sentences" for part in parts) <= most


def test_weights_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValidationError):
        PartWeights(whole=0)
    assert PartWeights().whole_alone and not PartWeights(titles=0.5).whole_alone
