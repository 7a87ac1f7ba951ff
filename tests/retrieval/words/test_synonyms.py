from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, NotReady
from retrieval.words.synonyms import Expansion, Synonyms, load_synonyms
from retrieval.words.term_query import MAX_WORDS, read_query, without_quotes
from tests.make import refused

NURSES = Synonyms(groups=(("RN", "registered nurses"), ("nurse", "carer")))


RN = Expansion(("rn",), ("regist", "nurs"), 0.5, ("RN", "registered nurses"))
REGISTERED = Expansion(("regist", "nurs"), ("rn",), 0.5, ("registered nurses", "RN"))
NURSE = Expansion(("nurs",), ("carer",), 0.5, ("nurse", "carer"))


def written(folder: Path, text: str) -> Path:
    path = folder / "synonyms.yaml"
    path.write_text(text)
    return path


def test_what_stands_in_quotes_is_a_phrase_and_all_words_are_looked_for() -> None:
    query = read_query('Night “registered nurses” in "the ICU" "ICU"', Synonyms())
    assert query.phrases == ((("regist", "nurs"),), (("the", "icu"),), (("icu",),))
    assert query.words == ("night", "regist", "nurs", "in", "the", "icu", "icu")


@pytest.mark.parametrize("text", ['10" pipe', 'a "b', '""', '" "', 'pipes 10" x 12" long', 'rock"n"roll'])
def test_an_inch_a_lone_quote_and_an_empty_one_ask_for_no_phrase(text: str) -> None:
    assert read_query(text, Synonyms()).phrases == ()


@given(st.text(alphabet='ab "“”\n+9', max_size=30))
def test_any_text_is_read_and_without_quotes_it_has_the_same_words_and_no_phrase(text: str) -> None:
    query, plain = read_query(text, NURSES), read_query(without_quotes(text), NURSES)
    assert query.words == plain.words and plain.phrases == ()


def test_words_beyond_the_bound_are_not_read() -> None:
    assert len(read_query("word " * 3_000, Synonyms()).words) == MAX_WORDS


def test_a_word_expands_to_its_group_and_the_longest_entry_wins() -> None:
    assert read_query("night RN", NURSES).expansions == (
        Expansion(("rn",), ("regist", "nurs"), 0.5, ("RN", "registered nurses")),
    )
    assert read_query("Registered Nurse", NURSES).expansions == (
        Expansion(("regist", "nurs"), ("rn",), 0.5, ("registered nurses", "RN")),
    )
    assert read_query("nurses", NURSES).expansions == (NURSE,)


def test_what_the_query_holds_already_and_what_stands_in_quotes_expands_to_nothing() -> None:
    assert read_query("RN registered nurse", NURSES).expansions == ()
    assert read_query('"RN" night', NURSES).expansions == ()
    assert read_query('registered "night" nurse', NURSES).expansions == (
        Expansion(("nurs",), ("carer",), 0.5, ("nurse", "carer")),
    ), "the words do not stand together"


def test_an_expansion_tells_what_it_is_in_words() -> None:
    [found] = read_query("RN", NURSES).expansions
    assert str(found) == "“registered nurses” counts 0.5 of “RN”, as a synonym of it"


def test_a_file_is_read_with_its_weight_and_none_means_none(tmp_path: Path) -> None:
    path = written(tmp_path, "weight: 0.3\ngroups:\n  - [RN, registered nurses]\n")
    assert read_query("rn", load_synonyms(path)).expansions[0].weight == 0.3
    assert load_synonyms(None).groups == ()
    assert read_query("RN", load_synonyms("builtin")).expansions


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("groups:\n  - [rn]\n", ("line 2", "groups.0", "[rn]")),
        ("groups:\n  - [nurse, Nurses]\n", ("line 2", "groups.0", "[nurse, Nurses]")),
        ("groups:\n  - [rn, '!!']\n", ("line 2", "groups.0", "'!!'")),
        ("groups:\n  - [no, yes]\n", ("line 2", "groups.0.0", False)),
        ("weight: 2\ngroups: []\n", ("line 1", "weight", 2)),
        ("group: []\n", ("line 1", "group")),
        ("- a\n", ("groups:",)),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(tmp_path: Path, text: str, named: tuple) -> None:
    with refused(BadInput, *named, where="synonyms.yaml"):
        load_synonyms(written(tmp_path, text))
    with refused(NotReady, tmp_path / "none.yaml"):
        load_synonyms(tmp_path / "none.yaml")
