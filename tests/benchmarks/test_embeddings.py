"""The benchmark of trained embeddings: what is held out, how a find is counted, what the page shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.embeddings import ABOVE, VARIANTS, found_by, rows_of
from benchmarks.embeddings_data import Search, Task, onet_task
from benchmarks.pages import embeddings_tables
from contracts.tables import read_table
from models.config import EncoderTraining
from retrieval.words.terms import build_terms

OCCUPATIONS = 40
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Forty occupations, two to a broad one, of five titles each; one title is shared by neighbours, one by all."""
    folder = tmp_path_factory.mktemp("onet")
    codes = [f"11-{i // 2:04d}.{i % 2:02d}" for i in range(OCCUPATIONS)]
    titles = [(code, f"Title {i} {k}") for i, code in enumerate(codes) for k in range(5)]
    titles += [(code, f"Shared {i // 2}") for i, code in enumerate(codes)]
    titles += [(code, title) for i, code in enumerate(codes) for title in ("Everybody", f"WORK {i}")]
    related = [(code, codes[(i + 2) % OCCUPATIONS]) for i, code in enumerate(codes)]
    files = {
        "Occupation Data.txt": [
            ("Title", "Description"),
            *((c, f"Work {i}", f"Does {i}.") for i, c in enumerate(codes)),
        ],
        "Alternate Titles.txt": [("Alternate Title",), *titles],
        "Related Occupations.txt": [
            ("Related O*NET-SOC Code", "Relatedness Tier", "Index"),
            *((one, other, "Primary-Short", "1") for one, other in related),
        ],
    }
    for name, (head, *lines) in files.items():
        (folder / name).write_text("\n".join("\t".join(cells) for cells in [("O*NET-SOC Code", *head), *lines]) + "\n")
    return onet_task(folder, tmp_path_factory.mktemp("out"), titles=10_000, requests=10_000, lists=20)


def work(text: str) -> int:
    """Occupation number of a job's text."""
    return int(text.split(" | ")[0].removeprefix("title: Work "))


def test_nothing_of_a_held_out_occupation_is_learned_from(task: Task) -> None:
    asked = {work(task.search.jobs[row]) // 2 for rows in task.search.relevant for row in rows}
    pairs = read_table(task.lists.training)
    learned = {work(text) // 2 for text in (*task.positives.jobs, *pairs["job_text"].to_pylist())}
    assert asked and learned and not asked & learned
    assert len(asked) + len(learned) == OCCUPATIONS // 2
    assert not set(task.search.requests) & {*task.positives.requests, *pairs["request_text"].to_pylist()}


def test_a_title_finds_all_occupations_that_have_it(task: Task) -> None:
    found = dict(zip(task.search.words, task.search.relevant, strict=True))
    assert all(
        rows.tolist() == [2 * int(word.split()[1]), 2 * int(word.split()[1]) + 1]
        for word, rows in found.items()
        if word.startswith("shared")
    )
    assert all(rows.tolist() == [int(word.split()[1])] for word, rows in found.items() if word.startswith("title"))


def test_a_title_of_both_sides_and_an_occupations_own_name_are_left_out(task: Task) -> None:
    everything = [*task.search.words, *(request.removeprefix("search: ") for request in task.positives.requests)]
    assert len(everything) == 5 * OCCUPATIONS + OCCUPATIONS // 2
    assert all(word.startswith(("title", "shared")) for word in everything)


def test_a_list_holds_its_own_occupations_and_graded_others(task: Task) -> None:
    pairs = read_table(task.lists.training)
    for title, text, grade in zip(*(pairs[name].to_pylist() for name in ("list_id", "job_text", "grade")), strict=True):
        number = int(title.split()[1])
        own = {2 * number, 2 * number + 1} if title.startswith("shared") else {number}
        assert (grade == 4) == (work(text) in own)
    assert set(pairs["grade"].to_pylist()) == {0, 3, 4}


def search_of(n_jobs: int, relevant: list, excluded: list, words: list[str] | None = None) -> Search:
    n, jobs = len(relevant), [f"job {i}" for i in range(n_jobs)]
    asked = words or [""] * n
    rows, out = ([np.array(one, np.int64) for one in found] for found in (relevant, excluded))
    return Search("s", asked, asked, jobs, build_terms([job.split() for job in jobs]), rows, out, asked)


def test_a_find_counts_behind_all_that_score_as_high() -> None:
    """Jobs 0 to 9 tie, and so do all after them."""
    vectors = np.eye(1, 2).astype(np.float32), np.repeat(np.eye(2, dtype=np.float32), [10, 190], axis=0)
    assert found_by(search_of(200, [[3]], [[]]), vectors).tolist() == [[1, 1]]
    assert found_by(search_of(200, [[50]], [[]]), vectors).tolist() == [[0, 0]]
    assert found_by(search_of(200, [[50]], [list(range(60, 200))]), vectors).tolist() == [[0, 1]]
    assert found_by(search_of(200, [[3, 50]], [[]]), vectors).tolist() == [[0.5, 0.5]]


def test_a_job_without_a_word_of_the_request_is_not_found_by_words() -> None:
    search = search_of(5, [[3], [3], [3]], [[], [], []], ["3", "4", "nothing"])
    assert found_by(search, words=True).tolist() == [[1, 1], [0, 0], [0, 0]]


def test_a_hybrid_finds_what_either_finds() -> None:
    vectors = np.eye(1, 2).astype(np.float32).repeat(2, 0), np.repeat(np.eye(2, dtype=np.float32), [1, 1_999], axis=0)
    search = search_of(2_000, [[0], [1_900]], [[], []], ["none", "1900"])
    assert found_by(search, vectors)[:, 1].tolist() == [1, 0]
    assert found_by(search, vectors, words=True)[:, 1].tolist() == [1, 1]


def test_gains_are_paired_differences() -> None:
    values = {"a": np.array([[0.0, 1.0], [0.0, 1.0]]), "b": np.array([[1.0, 1.0], [0.0, 0.0]])}
    rows = {(row["system"], row["metric"]): row["value"] for row in rows_of(values, {"b": "a"}, ["x", "y"])}
    assert rows == {
        ("a", "recall@10"): 0.0,
        ("a", "recall@100"): 1.0,
        ("b", "recall@10"): 0.5,
        ("b", "recall@100"): 0.5,
        ("b", "recall@10 above a"): 0.5,
        ("b", "recall@100 above a"): -0.5,
    }


def test_every_variant_can_be_trained_after_those_that_it_hangs_on(tmp_path: Path) -> None:
    before = {"", "MiniLM"}
    for variant in VARIANTS:
        assert {variant.base, variant.above} <= before
        EncoderTraining.model_validate({**variant.knobs, **({"lists": tmp_path} if variant.lists else {})})
        before.add(variant.name)
    assert set(ABOVE) > before - {"", "MiniLM"}


def test_the_page_shows_a_table_for_each_set_of_requests() -> None:
    values = {"a": np.array([[0.0, 1.0]]), "b": np.array([[1.0, 0.5]])}
    run = {"command": "c", "date": "2026-01-01", "machine": "m"}
    rows = [row | run | {"case": "set: 1 request"} for row in rows_of(values, {"b": "a"}, ["x"])]
    table = embeddings_tables(rows)["embeddings"]
    assert table.startswith("set: 1 request\n\n| system |")
    assert "| b | 1.000 (1.000 to 1.000) | 0.500 (0.500 to 0.500) | -0.500 (-0.500 to -0.500) over a |" in table
