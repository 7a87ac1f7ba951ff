"""Pairs that need no log: adverts and tables of titles, and how they are held apart."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import BadInput
from models.encoder.advert_pairs import advert_pairs, as_positives, as_searches, split_pairs, title_pairs
from tests.make import refused


def test_a_title_asks_for_the_rest_of_its_advert() -> None:
    texts = ["title: Nurse | company: Mercy | description: Lift patients.", "title: Pilot | company: Air", "title: X"]
    assert advert_pairs(texts) == [("Nurse", "company: Mercy | description: Lift patients.")]


def test_a_table_of_titles(tmp_path: Path) -> None:
    path = tmp_path / "titles.tsv"
    path.write_text("RN\tRegistered Nurse\n\nRN\tRegistered Nurse\nward nurse\tRegistered Nurse\n")
    assert title_pairs(path) == [("RN", "title: Registered Nurse"), ("ward nurse", "title: Registered Nurse")]


def test_a_line_without_two_columns_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "titles.tsv"
    for text in ("RN\n", "RN\tNurse\tWard\n", "\tNurse\n", "RN\t\n"):
        path.write_text("a\tb\n" + text)
        with refused(BadInput, "2", where=path):
            title_pairs(path)
    with refused(BadInput, where="encoder.learn.titles"):
        title_pairs(tmp_path / "absent.tsv")


def test_a_fifth_of_the_titles_is_held_out_with_all_its_texts() -> None:
    pairs = [(title, f"text {title.casefold()} {n}") for i in range(500) for title, n in ((f"T{i}", 0), (f"t{i}", 1))]
    kept, held = split_pairs(pairs)
    assert sorted(kept + held) == sorted(pairs) and 140 < len(held) < 260
    assert not {title.casefold() for title, _ in kept} & {title.casefold() for title, _ in held}


def test_a_title_is_searched_with_and_its_own_texts_are_no_negatives() -> None:
    pairs = [("Nurse", "a"), ("nurse", "b"), ("Pilot", "c")]
    positives = as_positives(pairs)
    assert positives.requests == ["search: Nurse", "search: nurse", "search: Pilot"]
    assert positives.allowed([0, 2], [0, 1, 2]).tolist() == [[False, False, True], [True, True, False]]
    searches = as_searches([("Nurse", "a"), ("Nurse", "b")], [("Pilot", "c")], 9)
    assert searches.requests == ["search: Nurse"] and searches.jobs == ["a", "b", "c"]
    assert searches.gains == [{0: 1.0, 1: 1.0}] and len(as_searches(pairs, [], 2)) == 2
