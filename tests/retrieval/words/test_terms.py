from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.errors import BadInput
from contracts.records import Job
from contracts.text.words import split_words
from retrieval.words.synonyms import Synonyms
from retrieval.words.term_query import read_query
from retrieval.words.terms import K1, MAX_TERMS, B, TermIndex, build_terms
from retrieval.words.titles import TitleWords, build_titles
from retrieval.words.tokens import FIELD_END, job_languages, job_words
from tests.make import refused
from tests.retrieval.conftest import JOBS, NOW

DOCUMENTS = [["nurs", "austin"], ["nurs", "boston", "care"], ["driver", "austin"], []]
WORDS = ["rn", "regist", "nurs", "night", "icu"]
SYNONYMS = Synonyms(groups=(("rn", "registered nurse"), ("icu", "night")))
documents = st.lists(st.lists(st.sampled_from([*WORDS, FIELD_END]), max_size=7), max_size=9)
queries = st.lists(st.sampled_from([*WORDS, '"registered nurse"', '"night night icu"', '"icu"', "other"]), max_size=5)


def holds(document: list[str], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(tuple(document[place : place + size]) == phrase for place in range(len(document) - size + 1))


def holds_all(document: list[str], phrases: Iterable[tuple[tuple[str, ...], ...]]) -> bool:
    return all(any(holds(document, stems) for stems in phrase) for phrase in phrases)


def by_hand(built: list[list[str]], later: list[list[str]], text: str) -> list[float]:
    """BM25 of each document, word by word, after the rules of the page."""
    lengths = [sum(word != FIELD_END for word in document) for document in built]
    mean = sum(lengths) / len(built)

    def rarity(words: tuple[str, ...]) -> float:
        found = [sum(word in document for document in built) for word in words]
        return sum(math.log(1 + (len(built) - df + 0.5) / (df + 0.5)) for df in found)

    def weight(word: str, document: list[str]) -> float:
        times, length = document.count(word), sum(w != FIELD_END for w in document)
        return rarity((word,)) * times / (K1 * (1 - B + B * length / mean) + times) if times else 0.0

    query = read_query(text, SYNONYMS)
    scores = []
    for document in [*built, *later]:
        score = sum((1 + math.log(times)) * weight(word, document) for word, times in Counter(query.words).items())
        for expansion in query.expansions:
            if holds(document, expansion.words):
                share = expansion.weight * rarity(expansion.typed) / rarity(expansion.words)
                score += share * sum(weight(word, document) for word in expansion.words)
        scores.append(score if holds_all(document, query.phrases) else 0.0)
    return scores


@given(built=documents, later=st.lists(documents, max_size=4), words=queries)
def test_scores_are_those_of_a_plain_loop_over_documents_built_and_added(
    built: list[list[str]], later: list[list[list[str]]], words: list[str]
) -> None:
    index = build_terms(built, SYNONYMS)
    before = index.scores(" ".join(words))
    grown = index
    for more in later:
        grown = grown.appended(more)
    added = [document for more in later for document in more]
    found = grown.scores(" ".join(words))
    assert len(grown) == len(found) == len(built) + len(added) and found.dtype == np.float32
    if any(word for document in built for word in document):  # else the first words are those of an addition
        np.testing.assert_allclose(found, by_hand(built, added, " ".join(words)), rtol=1e-5)
    np.testing.assert_array_equal(index.scores(" ".join(words)), before)
    held = grown.holding(" ".join(words))
    phrases = read_query(" ".join(words), SYNONYMS).phrases
    if held is None:
        assert not phrases
    else:
        assert held.tolist() == [holds_all(document, phrases) for document in [*built, *added]]


def test_the_job_with_more_and_rarer_words_comes_first() -> None:
    assert build_terms(DOCUMENTS).search("Nurses in Austin", 10).rows.tolist() == [0, 2, 1]


def test_search_is_the_best_of_the_scores_that_pass() -> None:
    index = build_terms(DOCUMENTS)
    scores = index.scores("nurse austin")
    hits = index.search("nurse austin", 10, np.array([False, True, True, True]))
    assert hits.rows.tolist() == sorted({1, 2}, key=lambda row: (-scores[row], row))
    np.testing.assert_array_equal(hits.scores, scores[hits.rows])


@given(st.text(max_size=60))
def test_any_characters_are_a_query(text: str) -> None:
    scores = build_terms(DOCUMENTS, SYNONYMS).scores(text)
    assert scores.shape == (4,) and np.isfinite(scores).all()


def test_unknown_words_find_nothing() -> None:
    index = build_terms(DOCUMENTS)
    for words in ("", "xylophone", '") OR 1=1; title:*', "\x00"):
        assert len(index.search(words, 5).rows) == 0


def test_documents_without_words_make_an_index_that_finds_nothing(tmp_path: Path) -> None:
    index = build_terms([[], [FIELD_END]])
    index.save(tmp_path / "terms")
    for found in (index, TermIndex.load(tmp_path / "terms", 2)):
        assert len(found.search("nurse", 5).rows) == 0 and found.scores("nurse").tolist() == [0, 0]
        assert found.appended([["nurs"]]).search("nurse", 5).rows.tolist() == [2]


def test_a_query_of_ten_thousand_words_reads_its_rarest() -> None:
    index = build_terms([["common", f"w{i}"] for i in range(500)])
    scores = index.scores(" ".join([*(f"w{i}" for i in range(500)), *["common"] * 9_500]))
    assert np.count_nonzero(scores) == MAX_TERMS


def test_a_saved_index_scores_as_before(tmp_path: Path) -> None:
    index = build_terms(job_words(to_table(JOBS, Job)), SYNONYMS)
    index.save(tmp_path)
    again = TermIndex.load(tmp_path, len(JOBS))
    for words in ("nurse acme texas c++", '"truck driver"', "rn"):
        np.testing.assert_array_equal(again.scores(words), index.scores(words))
        np.testing.assert_array_equal(again.appended([["rn"]]).scores(words), index.appended([["rn"]]).scores(words))


def test_a_word_of_the_title_weighs_more_than_one_of_the_description() -> None:
    index = build_terms([["nurs"] * 3 + ["ward"], ["ward"] * 3 + ["nurs"], ["x"], ["x"]])
    assert index.search("nurse", 2).rows.tolist() == [0, 1]


def test_a_phrase_is_found_in_one_field_and_not_across_two_or_in_another_order() -> None:
    index = build_terms(
        [
            ["regist", "nurs", FIELD_END],
            ["regist", FIELD_END, "nurs", FIELD_END],
            ["nurs", "regist", FIELD_END],
            ["nurs", FIELD_END],
            ["regist", "nurs", FIELD_END, "night", FIELD_END],
        ]
    )
    assert index.search('"Registered Nurses"', 9).rows.tolist() == [0, 4]
    assert index.search('"Registered Nurses" "night"', 9).rows.tolist() == [4]
    assert index.search('"Registered Nurses" day', 9).rows.tolist() == [0, 4]
    assert index.search('"registered nurse night"', 9).rows.tolist() == []


def test_a_job_that_holds_the_phrase_is_found_though_rarer_words_fill_the_bounds() -> None:
    rare = [f"w{i}" for i in range(2 * MAX_TERMS)]
    index = build_terms([["night", "nurs"], ["night", "nurs"], *([word] for word in rare)])
    assert index.search(f'{" ".join(rare)} "night nurse"', 9).rows.tolist() == [0, 1]


def test_a_synonym_weighs_less_than_the_word_itself_however_rare_it_is() -> None:
    built = [["nurs", "x"]] * 50 + [["rn", "y"], ["rn", "x"], *([["x", "x"]] * 20)]
    index = build_terms(built, Synonyms(groups=(("nurse", "rn"),), weight=0.9))
    scores = index.scores("nurse")
    assert 0 < scores[50] < scores[0] and scores[55] == 0
    assert [str(e) for e in index.expansions("nurse")] == ["“rn” counts 0.9 of “nurse”, as a synonym of it"]


def test_the_synonyms_that_a_job_was_found_by_are_told() -> None:
    index = build_terms([["regist", "nurs"], ["nurs", "regist"], ["rn"]], SYNONYMS)
    assert index.scores("rn").astype(bool).tolist() == [True, False, True]
    assert [len(index.expansions("rn", row)) for row in range(3)] == [1, 0, 0]
    assert index.appended([["regist", "nurs"]]).expansions("rn", 3) == index.expansions("rn")
    assert index.expansions("icu") == [], "no job holds it"


def test_small_additions_are_joined_so_that_few_parts_stay() -> None:
    index = build_terms(DOCUMENTS)
    for number in range(100):
        index = index.appended([["nurs", f"n{number}"]])
    assert len(index._parts) <= 1 + 7
    assert index.search("n42", 5).rows.tolist() == [4 + 42]
    assert np.flatnonzero(index.scores("nurse")).tolist() == [0, 1, *range(4, 104)]


def test_an_index_with_additions_is_built_again_and_not_saved(tmp_path: Path) -> None:
    with refused(BadInput, "2 documents"):
        build_terms(DOCUMENTS).appended([["a"], ["b"]]).save(tmp_path)


def test_title_overlap_is_the_share_of_the_titles_words(tmp_path: Path) -> None:
    titles = build_titles(["Truck Driver", "Night Nurse", "", "Nurse nurse"])
    rows = np.arange(4, dtype=np.int32)
    titles.save(tmp_path)
    for found in (titles, TitleWords.load(tmp_path)):
        assert found.overlap(rows, "nurses", np.array([], np.int32)).tolist() == [0, 0.5, 0, 1]
        assert found.overlap(rows, "", np.array([0], np.int32)).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("k", [0, -1, 2.5])
def test_a_k_that_is_no_whole_number_is_an_error(k: Any) -> None:
    with refused(BadInput, f"k is {k}"):
        build_terms([["a"]]).search("a", k)


def _index(*texts: str) -> TermIndex:
    jobs = [Job(id=f"j{i}", title="x", description=text, updated_at=NOW) for i, text in enumerate(texts)]
    table = to_table(jobs, Job)
    languages = job_languages(table)
    return build_terms(job_words(table, None, languages), None, list(dict.fromkeys(languages)))


def test_plurals_of_each_language_are_found_on_a_board_of_several() -> None:
    index = _index(
        "We are looking for a nurse for the clinic; you work at night with our team.",
        "Wir suchen eine Krankenschwester für unsere Klinik. Sie arbeiten nachts in unserem Team.",
        "Buscamos una enfermera para nuestra clínica. Trabajará de noche con nuestro equipo.",
    )
    for query, row in (("nurses", 0), ("Krankenschwestern", 1), ("enfermeras", 2), ('"unsere Klinik"', 1)):
        assert index.search(query, 3).rows.tolist() == [row], query
    later = index.appended([list(split_words("infirmières de nuit", "french"))], ["french"])
    assert later.search("infirmière", 3).rows.tolist() == [3]


def test_languages_survive_a_save(tmp_path: Path) -> None:
    index = _index("Wir suchen eine Krankenschwester für unsere Klinik in Berlin und Bremen.")
    index.save(tmp_path)
    assert TermIndex.load(tmp_path, 1).search("Krankenschwestern", 1).rows.tolist() == [0]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("ガラス", [0]),
        ("カラス", [1]),
        ("看護師", [2]),
        ('"看護師"', [2]),
        ('"看師"', []),
        ("ผู้จัดการ", [3]),
        ("医", [4]),
        ("東京の看護師", [2]),
    ],
)
def test_a_word_is_found_inside_a_run_and_unlike_words_are_not(query: str, rows: list[int]) -> None:
    assert (
        _index("ガラス工場", "カラスの絵", "夜勤看護師募集", "ผู้จัดการร้าน", "医").search(query, 5).rows.tolist() == rows
    )


def test_words_and_phrases_are_found_at_the_end_of_a_long_description() -> None:
    index = _index("filler text " * 400 + "phlebotomy licence required", "another advert")
    assert index.search("phlebotomy", 2).rows.tolist() == [0]
    assert index.search('"licence required"', 2).rows.tolist() == [0]
    assert len(index.search('"required licence"', 2).rows) == 0


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("nurse", [0, 1, 2]),
        ("nurse -night", [1]),
        ("nurse -nights", [1]),
        ("nurse NOT night", [1]),
        ('nurse -"night shift"', [1, 2]),
        ("nurse -night-shift", [1, 2]),
        ('NOT "night shift" nurse -day', [2]),
        ('"nurse" -看護師', [0, 1, 2]),
        ("-nurse", []),
        ("nurse - night", [0, 1, 2]),
        ("nurse not night", [0, 1, 2]),
        ("part-time nurse -5", [0, 1, 2]),
    ],
)
def test_what_is_excluded_is_in_no_job_that_is_found(query: str, rows: list[int]) -> None:
    index = _index("nurse, night shift", "nurse by day", "nurse at night", "看護師 by day")
    assert sorted(index.search(query, 9).rows.tolist()) == rows


def test_scores_that_are_kept_are_read_only_and_those_of_their_own_words() -> None:
    terms = build_terms(DOCUMENTS)
    asked = ["nurs", "austin", "care", "boston", "driver", "nurs austin"]
    first = {words: terms.scores(words).copy() for words in asked}
    for words in [*asked, *reversed(asked)]:
        assert terms.scores(words).tolist() == first[words].tolist()
    assert not terms.scores("nurs").flags.writeable
