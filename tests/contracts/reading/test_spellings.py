"""The values of a vocabulary are read as data spell them, in every language of the folder."""

from typing import get_args

import pytest
from pydantic import ValidationError

from contracts.reading.spellings import Language, is_missing, is_spelled, languages, month_of, spelled, vocabulary
from contracts.records import Employment, Event, Job, PayPeriod, Seniority, Workplace


@pytest.mark.parametrize(
    ("field", "value", "spellings"),
    [
        (
            "employment",
            "full_time",
            "FULL_TIME,Full-Time,full time,Fulltime,Vollzeit,tiempo completo,Tempo integral,CDI",
        ),
        ("employment", "full_time", "Vollzeit (m/w/d),Permanent,unbefristet,temps plein,CDI, Temps plein"),
        ("employment", "part_time", "PART-TIME,Teilzeit,medio tiempo,Meio período,Unbefristet; Teilzeit"),
        ("employment", "temporary", "PER_DIEM,CDD,befristet,Temporário"),
        ("employment", "internship", "INTERN,Praktikum,estágio,prácticas"),
        ("employment", "contract", "CONTRACTOR,Freelance,PJ"),
        ("workplace", "remote", "Remote,TELECOMMUTE,Remote OK,100% remote,Télétravail,WFH,Homeoffice,remoto"),
        ("workplace", "hybrid", "Hybrid,HÍBRIDO,hybride"),
        ("workplace", "onsite", "On-site,ONSITE,Vor Ort,présentiel"),
        ("seniority", "entry", "Entry level,Junior,ENTRY_LEVEL,Berufseinsteiger"),
        ("seniority", "senior", "Sr.,Mid-Senior level,sênior"),
        ("salary_period", "hour", "HOUR,hourly,per hour,Stunde,por hora"),
        ("salary_period", "year", "Yearly,annual,p.a.,Jahr,anual"),
    ],
)
def test_a_spelling_means_its_value(field: str, value: str, spellings: str) -> None:
    for text in spellings.split(","):
        assert spelled(field, text) == value, text


@pytest.mark.parametrize("text", ["Full-time or part-time", "whenever", "", "Remote / On-site"])
def test_what_is_not_known_or_says_two_values_means_none(text: str) -> None:
    assert spelled("employment", text) is None
    assert spelled("workplace", text) is None


@pytest.mark.parametrize("field", Language.model_fields)
def test_no_spelling_stands_for_two_values(field: str) -> None:
    assert vocabulary(field)  # raises where two files disagree


@pytest.mark.parametrize("name", languages())
def test_a_language_names_values_that_there_are_and_twelve_months(name: str) -> None:
    language = languages()[name]
    assert set(language.employment) <= {*get_args(Employment), "permanent"}
    assert set(language.workplace) <= set(get_args(Workplace))
    assert set(language.seniority) <= set(get_args(Seniority))
    assert set(language.salary_period) == set(get_args(PayPeriod))
    assert len(language.months) in (0, 12)  # none where dates have no words


def test_months_and_open_ends_are_known_in_several_languages() -> None:
    assert [month_of(word) for word in ("May", "mai", "SEPT", "März", "août", "x")] == [5, 5, 9, 3, 8, None]
    assert all(is_spelled("open_end", word) for word in ("Present", "CURRENT", "heute", "actualidad", "présent"))


@pytest.mark.parametrize(
    "text",
    ["", " ", "nan", "NaN", "None", "NULL", "null", "N/A", "n.a.", "#N/A", "#REF!", "#¡REF!", "(blank)", "<NA>", "-",
     "...", "—", "?", "undefined", "[null]", "k.A.", "non précisé", "NON PRECISE", "Keine Angabe", "TBD"],
)  # fmt: skip
def test_a_word_for_nothing_is_nothing_in_text_lists_and_ids(text: str) -> None:
    assert is_missing(text)
    job = {"id": "j", "title": "Nurse", "updated_at": "2026-05-01"}
    said = Job.model_validate(job | {"company": text, "currency": text, "skills": ["Python", text], "location": text})
    assert (said.company, said.location, said.skills, said.currency) == ("", "", ("Python",), "USD")
    event = {"id": "e", "job_id": "j", "action": "view", "time": "2026-05-01"}
    happened = Event.model_validate(event | {"request_id": text, "member_id": text, "query": text})
    assert (happened.request_id, happened.member_id, happened.query) == ("", "", "")
    for field in ("id", "title"):
        with pytest.raises(ValidationError) as refused:
            Job.model_validate(job | {field: text})
        assert text.strip() == "" or refused.value.errors()[0]["type"] == "missing_field"


@pytest.mark.parametrize(
    "text",
    ["Nanny", "Ref", "Value Engineer", "C++", "C#", ".NET", "R", "$", "€", "None of Your Business", "Nantes", "日本"],
)
def test_what_only_looks_like_a_word_for_nothing_is_kept(text: str) -> None:
    assert not is_missing(text)
    assert Job.model_validate({"id": text, "title": text, "skills": [text], "updated_at": "2026-05-01"}).title == text


def test_a_job_is_read_as_data_spell_it() -> None:
    job = Job.model_validate(
        {
            "id": "j", "title": "Nurse", "updated_at": "2026-05-01", "employment": ["FULL_TIME"],
            "workplace": "Remote OK", "seniority": "n/a", "salary_period": "HOUR", "currency": "€",
        }
    )  # fmt: skip
    assert (job.employment, job.workplace, job.seniority) == ("full_time", "remote", None)
    assert (job.salary_period, job.currency) == ("hour", "EUR")
