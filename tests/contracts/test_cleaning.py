"""Text comes out of cleaning as plain characters, and cleaning again changes nothing."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.cleaning import clean_text

PIECES = [
    "<b>",
    "</b>",
    "&amp;",
    "&lt;",
    "lt;",
    "p>",
    "<",
    ">",
    "&",
    "#60;",
    " ",
    "\u200b",
    "\x00",
    "é",
    "e\u0301",
    "a",
]
MARKUP = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.one_of(st.text(), MARKUP))
@example("&amp;lt;b&amp;gt;")
@example("<\x00b>")
def test_cleaning_is_idempotent(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(st.text())
def test_cleaned_text_is_normal_and_has_no_control_characters(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned == unicodedata.normalize("NFC", cleaned)
    assert not any(unicodedata.category(c) == "Cc" for c in cleaned)
    assert cleaned == " ".join(cleaned.split())


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Caf\u00e9 &amp; Bar", "Café & Bar"),
        ("<p>Pay:&nbsp;<b>good</b></p>", "Pay: good"),
        ("<script>alert(1)</script>Nurse", "Nurse"),
        ("salary < 50 and > 20", "salary < 50 and > 20"),
        ("right\u202eto left", "rightto left"),
        ("stray \ufffd byte", "stray byte"),
        ("C++ & C#", "C++ & C#"),
    ],
)
def test_markup_goes_and_words_stay(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean
