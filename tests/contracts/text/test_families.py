"""Families of a board's titles: what stands alone and is held by others, in any language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.text.families import Families, learn_families
from retrieval.links.templates import load_templates

TITLE = load_templates().title
BOARD = [
    *["Registered Nurse"] * 3,
    "Registered Nurse - ICU, nights",
    "Senior Registered Nurse (m/f/d)",
    "registered nurses",
    *["Project Manager"] * 2,
    "Project Manager, Construction",
    *["Manager"] * 2,
    *[f"{trade} Manager" for trade in ("Hotel", "Store", "Bank", "Case", "Plant", "Farm", "Pool", "Bar", "Shift")],
    *[f"{trade} manager at night" for trade in ("Hotel", "Store", "Bank", "Case", "Plant", "Farm", "Pool", "Bar")],
    *["Part time"] * 5,
    "Part time cook",
    *["N/A"] * 4,
    *["Krankenpfleger (m/w/d)"] * 2,
    "Krankenpfleger Intensivstation",
]
NAMES = learn_families(BOARD, TITLE)
FAMILIES = Families(NAMES, TITLE)


@pytest.mark.parametrize(
    ("title", "family"),
    [
        ("Registered Nurse", "registered nurse"),
        ("Lead registered nurses - Denver", "registered nurse"),
        ("Project manager for bridges", "project manager"),
        ("Krankenpfleger/in auf Station", "krankenpfleger"),
        ("Pool Manager", ""),
        ("Part time", ""),
        ("", ""),
        ("Astronaut", ""),
    ],
)
def test_a_title_is_of_the_longest_family_in_it(title: str, family: str) -> None:
    assert FAMILIES.of(title) == family


def test_what_stands_alone_and_tells_work_is_a_family() -> None:
    assert NAMES == ("krankenpfleger", "project manager", "registered nurse")


def test_a_word_that_seldom_stands_alone_among_the_titles_that_hold_it_is_none() -> None:
    assert "manager" in learn_families([*["Manager"] * 3, "Pool Manager"]), "as it would be without so many others"


@given(st.permutations(BOARD))
def test_the_order_of_the_titles_does_not_matter(board: list[str]) -> None:
    assert learn_families(board, TITLE) == NAMES


@given(st.lists(st.text(max_size=30), max_size=30))
def test_any_titles_have_families_that_are_found_again(titles: list[str]) -> None:
    names = learn_families(titles)
    assert all(Families(names).of(name) for name in names)
