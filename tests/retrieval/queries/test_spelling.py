"""A slip is mended to a word of the titles and skills, a word that some job has never is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.text.words import words
from retrieval.index.job_index import JobIndex
from retrieval.queries.read import read_query
from retrieval.queries.spelling import Speller
from tests.make import NOW

COUNTS = {
    "nurse": 50,
    "purse": 2,
    "registered": 20,
    "engineer": 40,
    "manager": 30,
    "manages": 20,
    "night": 9,
    "shift": 9,
}


@pytest.mark.parametrize(
    ("typed", "mended"),
    [
        ("nurce", "nurse"),
        ("nrse", "nurse"),
        ("unrse", "nurse"),  # two neighbours swapped
        ("enginner", "engineer"),
        ("regsitred", "registered"),  # two slips of a long word
        ("manageX", None),  # two words as near as each other
        ("ngt", None),  # too short
        ("nurses2", None),  # not of letters alone
        ("xurse", None),  # another first letter
        ("kubernetes", None),
    ],
)
def test_the_nearest_word_is_meant_where_that_is_clear(board: JobIndex, typed: str, mended: str | None) -> None:
    assert Speller.from_counts(COUNTS).mended(typed.lower(), board) == mended


def test_names_of_towns_and_words_of_conditions_are_no_slips(board: JobIndex) -> None:
    for query in ("nurse in Cheyenne", "driver Boise", "nurse seasonal", "Vollzeit nurse"):
        assert not [chip for chip in read_query(query, board, NOW).chips if chip.field == "spelling"]


def test_a_slip_in_quotes_is_meant(board: JobIndex) -> None:
    assert not read_query('"registred" nurse', board, NOW).chips


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="abcdefghinorstuv ", max_size=30))
def test_a_word_that_some_job_has_stays(board: JobIndex, text: str) -> None:
    query = f"nurse {text} developer"
    held = {word for word in words(query) if board.terms.knows(word)}
    for chip in read_query(query, board, NOW).chips:
        if chip.field == "spelling":
            assert not held.issuperset(words(chip.text))
