"""Related occupations: nothing of a held-out occupation is learned from, and the measure is right by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.occupations import FOLDS, Occupations, folds, ndcg, read_occupations, related_pairs, rows_of


def test_ndcg_leaves_the_asker_out_and_counts_ties_against_the_order() -> None:
    gains = np.array([[0, 3, 1, 0], [3, 0, 0, 0], [1, 2, 0, 0], [1, 0, 0, 0]], float)
    scores = np.array([[9, 1, 2, 0], [5, 9, 5, 5], [1, 2, 9, 0], [3, 0, 0, 9]], float)
    second, third = 1 / np.log2([3, 4])
    wanted = [(1 + 3 * second) / (3 + second), third, 1.0, 1.0]
    np.testing.assert_allclose(ndcg(scores, gains), wanted)


def test_a_fold_holds_whole_broad_occupations_and_every_occupation_is_held_out_once() -> None:
    broad = np.array([f"{i // 3:07}" for i in range(60)])
    fold = folds(broad, 0)
    assert set(fold) == set(range(FOLDS)) and len({(b, f) for b, f in zip(broad, fold, strict=True)}) == 20
    assert not np.array_equal(fold, folds(broad, 1))


def test_no_pair_with_an_unknown_occupation_is_learned_from_and_no_relative_is_a_negative() -> None:
    gains = np.zeros((5, 5), np.float32)
    gains[0, 1], gains[0, 4], gains[1, 0], gains[2, 0], gains[4, 2] = 3, 2, 1, 2, 3
    pairs = related_pairs(gains, np.array([0, 1, 2, 3]))
    learned = [(pairs.requests[r], pairs.jobs[j]) for r, j in zip(pairs.request, pairs.job, strict=True)]
    assert learned == [("0", "1"), ("1", "0"), ("2", "0")] and pairs.weight.tolist() == [3, 1, 2]
    assert sorted(pairs.jobs) == ["0", "1", "2", "3"]
    columns = np.array([pairs.jobs.index(name) for name in "0123"])
    assert pairs.allowed(np.array([0]), columns).tolist() == [[False, False, True, True]]


@pytest.fixture
def onet(tmp_path):
    head = "O*NET-SOC Code\t"
    files = {
        "Occupation Data.txt": head + "Title\tDescription\n11-1.00\tNurse\tCares.\n11-2.00\tPilot\tFlies.\n",
        "Related Occupations.txt": head
        + "Related O*NET-SOC Code\tRelatedness Tier\tIndex\n11-1.00\t11-2.00\tPrimary-Long\t1\n"
        + "11-2.00\t11-1.00\tSupplemental\t1\n11-2.00\t99-9.00\tPrimary-Short\t1\n",
        "Task Statements.txt": head + "Task\n11-1.00\tLift patients.\n",
        "Alternate Titles.txt": head + "Alternate Title\n11-2.00\tAviator\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_occupations_are_read_with_their_parts_and_judgements(onet) -> None:
    found = read_occupations(onet)
    assert found == Occupations(
        ["11-1.00", "11-2.00"],
        ["Nurse. Cares.", "Pilot. Flies."],
        [["Lift patients."], []],
        [[], ["Aviator"]],
        found.gains,
    )
    assert found.gains.tolist() == [[0, 2], [1, 0]]


def test_rows_compare_a_system_with_the_one_below_it(onet) -> None:
    values = {"BM25": np.array([0.2, 0.4]), "MiniLM, one text": np.array([0.5, 0.5])}
    found = read_occupations(onet)
    values |= {name: values["BM25"] for name in ("MiniLM, sum of parts", "sum of parts, learned")}
    rows = {(row["system"], row["metric"]): row["value"] for row in rows_of(values, found, "case")}
    assert rows["MiniLM, one text", "nDCG@10"] == 0.5
    assert rows["MiniLM, one text", "nDCG@10 above BM25"] == pytest.approx(0.2)
