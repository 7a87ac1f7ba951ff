"""Words are the same for the index and the judge: folded, whole in every script, without endings."""

import pytest

from contracts.text.words import split_words, stem, stems, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nurses' Résumé: bus_bus", ["nurses", "resume", "bus", "bus"]),
        ("HTML+CSS, Nurse#4521, Bac+5", ["html", "css", "nurse", "4521", "bac", "5"]),
        ("C++ C# ASP.NET .NET c++17 network", ["c++", "c#", "asp", ".net", ".net", "c++", "17", "network"]),
        ("नौकरी अस्पताल", ["नौकरी", "अस्पताल"]),
        ("ผู้จัดการ", ["ผู้จัดการ"]),
        ("ガラス カラス", ["ガラス", "カラス"]),
        ("", []),
    ],
)
def test_a_text_is_split_into_whole_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("companies", "company"),
        ("buses", "bus"),
        ("coaches", "coach"),
        ("waitresses", "waitress"),
        ("businesses", "business"),
        ("taxes", "tax"),
        ("nurses", "nurse"),
        ("gases", "gas"),
        ("lenses", "lens"),
    ],
)
def test_a_plural_is_the_singular_to_the_index_and_to_the_judge(plural: str, singular: str) -> None:
    assert list(split_words(plural)) == list(split_words(singular)) == list(stems(plural)) == list(stems(singular))


def test_production_is_not_a_product() -> None:
    assert stem("production") != stem("product")


def test_another_language_has_its_own_endings() -> None:
    assert stem("krankenschwestern", "german") == stem("krankenschwester", "german")
