"""Of an advert the sentences that tell of the work are read, and boilerplate is not."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.text.adverts.sections import read_sentences, told_of_work
from contracts.text.sentences import sentences

ADVERT = (
    "Acme is a world leader in pumps. We were founded in 1950. We like blue. "
    "Responsibilities: Repair pumps on site. Write reports. "
    "Benefits: Dental and vision insurance. A dog at work. "
    "Requirements: Three years of pump repair. "
    "Acme is an equal opportunity employer. To apply, send your resume."
)


def test_work_comes_first_and_boilerplate_not_at_all() -> None:
    assert told_of_work(ADVERT) == (
        "Responsibilities: Repair pumps on site. Write reports. "
        "Requirements: Three years of pump repair. We were founded in 1950. We like blue."
    ).replace("We were founded in 1950. ", "")


def test_headings_hold_until_the_next() -> None:
    kinds = {one.text: one.kind for one in read_sentences(ADVERT)}
    assert kinds["Write reports."] == "work" and kinds["A dog at work."] == "other"
    assert kinds["We like blue."] == ""


def test_other_languages_have_headings_too() -> None:
    german = "Wir sind ein Familienunternehmen. Ihre Aufgaben: Pumpen warten. Wir bieten: 30 Tage Urlaub."
    assert told_of_work(german) == "Ihre Aufgaben: Pumpen warten."
    portuguese = "Requisitos: bombas. Benefícios: vale transporte."
    assert told_of_work(portuguese) == "Requisitos: bombas."


def test_nothing_but_boilerplate_is_kept_whole() -> None:
    text = "We are an equal opportunity employer. Apply now."
    assert told_of_work(text) == text


@given(st.text(max_size=300))
def test_no_sentence_is_made_up(text: str) -> None:
    told = [one.text for one in read_sentences(text)]
    assert all(one in text for one in told)
    assert "".join("".join(told).split()) == "".join("".join(sentences(text)).split())
    assert told_of_work(text) == told_of_work(text)


@given(st.text(alphabet="aB .!?;•:。", max_size=60))
def test_sentences_lose_marks_of_lists_alone(text: str) -> None:
    assert "".join(sentences(text)).replace(" ", "") == text.replace(" ", "").replace("•", "")
