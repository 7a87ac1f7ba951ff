from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.terms import FIELD_WEIGHTS, MAX_TERMS, TermIndex, build_terms, job_words, split_words
from retrieval.titles import TitleWords, build_titles

from .conftest import JOBS

DOCUMENTS = [["nurse", "austin"], ["nurse", "boston", "care"], ["driver", "austin"], []]


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
    scores = build_terms(DOCUMENTS).scores(text)
    assert scores.shape == (4,) and np.isfinite(scores).all()


def test_unknown_words_find_nothing() -> None:
    index = build_terms(DOCUMENTS)
    for words in ("", "xylophone", '") OR 1=1; title:*', "\x00"):
        assert len(index.search(words, 5).rows) == 0


def test_documents_without_words_make_an_index_that_finds_nothing(tmp_path: Path) -> None:
    index = build_terms([[], []])
    index.save(tmp_path / "terms")
    for found in (index, TermIndex.load(tmp_path / "terms", 2)):
        assert len(found.search("nurse", 5).rows) == 0 and found.scores("nurse").tolist() == [0, 0]


def test_a_query_of_ten_thousand_words_reads_its_rarest() -> None:
    documents = [["common", f"word{i}"] for i in range(500)]
    index = build_terms(documents)
    scores = index.scores(" ".join([*(f"word{i}" for i in range(500)), *["common"] * 9_500]))
    assert np.count_nonzero(scores) == MAX_TERMS


def test_a_saved_index_scores_as_before(tmp_path: Path) -> None:
    index = build_terms(list(job_words(to_table(JOBS, Job))))
    index.save(tmp_path)
    again = TermIndex.load(tmp_path, len(JOBS))
    np.testing.assert_array_equal(again.scores("nurse acme texas c++"), index.scores("nurse acme texas c++"))


def test_a_word_of_the_title_weighs_more_than_one_of_the_description() -> None:
    index = build_terms([["nurse"] * 3 + ["ward"], ["ward"] * 3 + ["nurse"], ["x"], ["x"]])
    assert index.search("nurse", 2).rows.tolist() == [0, 1]


def test_words_lose_case_accents_and_plural() -> None:
    assert list(split_words("Nurses' C++, C# & Résumé: companies_bus class")) == [
        "nurse", "c++", "c#", "resume", "company", "bus", "class",
    ]  # fmt: skip


def test_the_employer_after_the_at_sign_is_no_title_word() -> None:
    job = Job(id="a", title="Nurse @ Mercy", company="Mercy", updated_at=JOBS[0].updated_at)
    words = next(iter(job_words(to_table([job], Job))))
    assert words == ["nurse"] * FIELD_WEIGHTS["title"] + ["mercy"] * FIELD_WEIGHTS["company"]


def test_title_overlap_is_the_share_of_the_titles_words(tmp_path: Path) -> None:
    titles = build_titles(["Truck Driver", "Night Nurse", "", "Nurse nurse"])
    rows = np.arange(4, dtype=np.int32)
    titles.save(tmp_path)
    for found in (titles, TitleWords.load(tmp_path)):
        assert found.overlap(rows, "nurses", np.array([], np.int32)).tolist() == [0, 0.5, 0, 1]
        assert found.overlap(rows, "", np.array([0], np.int32)).tolist() == [1, 0, 0, 0]
