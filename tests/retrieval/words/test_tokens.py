from __future__ import annotations

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.words.config import FieldWeights
from retrieval.words.tokens import FIELD_END, job_words
from tests.retrieval.conftest import NOW


def words_of(weights: FieldWeights | None = None, **fields: object) -> list[str]:
    job = Job(id="a", updated_at=NOW, **{"title": "Nurse", **fields})  # type: ignore[arg-type]
    return next(iter(job_words(to_table([job], Job), weights)))


def test_fields_are_repeated_by_their_weights_and_each_time_ended() -> None:
    weights = FieldWeights(title=3, company=0, location=1)
    found = words_of(weights, title="Night Nurse", company="Mercy", location="Austin")
    assert found == ["night", "nurs", FIELD_END] * 3 + ["austin", FIELD_END]


def test_each_skill_is_a_field_of_its_own() -> None:
    assert words_of(FieldWeights(title=0), skills=("wound care", "driving")) == (
        ["wound", "care", FIELD_END, "drive", FIELD_END] * FieldWeights().skills
    )


def test_the_employer_after_the_at_sign_is_no_title_word() -> None:
    found = words_of(title="Nurse @ Mercy", company="Mercy")
    assert found == ["nurs", FIELD_END] * FieldWeights().title + ["merci", FIELD_END] * FieldWeights().company
