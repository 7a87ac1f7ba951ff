"""Facts of a member, read back from the text that the verbaliser wrote of the record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.records import Member, Position, Preferences
from contracts.text.verbalizer import Percentiles, Verbalizer
from retrieval.facts import Facts, read_facts, text_fields
from tests.make import NOW


def facts(text: str) -> Facts:
    return read_facts(text_fields(text), Percentiles(), (), {})


def facts_of(positions: tuple[Position, ...] = (), headline: str = "", **wishes: tuple[str, ...]) -> Facts:
    wish = Preferences.model_validate(wishes)
    member = Member(id="m", headline=headline, positions=positions, preferences=wish, updated_at=NOW)
    return facts(Verbalizer().member(member))


def position(title: str, company: str = "", industry: str = "", years: float = 0, text: str = "") -> Position:
    """years ago it began; 0: it says no time."""
    start = NOW - timedelta(days=365 * years) if years else None
    return Position(title=title, company=company, industry=industry, start=start, description=text)


def test_titles_are_the_headline_and_then_the_newest_positions() -> None:
    positions = tuple(
        position(title, "Acme", "Food", years) for title, years in (("Cook", 1), ("Waiter", 4), ("Chef", 9))
    )
    found = facts_of(positions, headline="Head of kitchen")
    assert found.own_titles == ("Head of kitchen", "Cook", "Waiter")
    assert found.industries == ("Food",)


@pytest.mark.parametrize(
    ("held", "title", "industry"),
    [
        (position("Nurse"), "Nurse", ""),
        (position("Nurse", "Mercy"), "Nurse", ""),
        (position("Nurse", "Mercy", "Health Care"), "Nurse", "Health Care"),
        (position("Nurse (ICU)", "Mercy", "Health Care", 3), "Nurse (ICU)", "Health Care"),
        (position("Nurse", "", "Health Care", 3), "Nurse", "Health Care"),
        (position("Nurse", "", "", 3, "cares for (many) people"), "Nurse", ""),
        (position("Nurse", "Mercy", "Health Care", 3, "ward; night shifts (often)"), "Nurse", "Health Care"),
    ],
)
def test_a_position_is_read_as_it_was_written(held: Position, title: str, industry: str) -> None:
    found = facts_of((held,))
    assert (found.own_titles, "".join(found.industries)) == ((title,), industry)


def test_positions_without_more_than_a_title_are_all_titles() -> None:
    assert facts_of((position("Cook"), position("Nurse"))).own_titles == ("Cook", "Nurse")


def test_a_description_with_the_separator_is_no_further_position() -> None:
    one, other = position("Cook", "Acme", "Food", 1, "soups; pastry"), position("Nurse", "Mercy", "Health", 4)
    assert facts_of((one, other)).own_titles == ("Cook", "Nurse")


def test_wished_titles_are_without_the_wished_places() -> None:
    places = ("Austin, Texas", "Boise, Idaho")
    found = facts_of(titles=("Cook", "Nurse in charge"), locations=places)
    assert (found.wished_titles, found.places) == (("Cook", "Nurse in charge"), "Austin, Texas, Boise, Idaho")
    assert facts_of(locations=places).wished_titles == ()
    assert facts_of(titles=tuple(f"Title {letter}" for letter in "abcdefg")).wished_titles[4:] == ("Title e",)


@pytest.mark.parametrize("text", ["wants: Cook, Nurse, in", "wants: Cook, Nurse,", "wants: Cook, Nurse"])
def test_what_a_budget_cuts_off_is_no_title(text: str) -> None:
    assert facts(text).wished_titles == ("Cook", "Nurse")


def test_a_member_without_text_has_no_facts() -> None:
    assert facts("") == Facts(currency="USD")
