"""How many of the wanted jobs an order finds: by hand, and with ties against it."""

from __future__ import annotations

import numpy as np
import pytest

from models.encoder.validation import DEPTH, Searches


def asked(gains: list[dict[int, float]], excluded: list[list[int]], jobs: int) -> Searches:
    n = len(gains)
    return Searches([f"r{i}" for i in range(n)], [f"j{i}" for i in range(jobs)], gains, excluded, ["ann"] * n)


def along(scores: list[float]) -> np.ndarray:
    """(m, 2) of jobs whose product with the request (1, 0) is the score."""
    return np.array([[score, 0.0] for score in scores])


REQUEST = np.array([[1.0, 0.0]])


def test_recall_and_ndcg_of_two_wanted_jobs() -> None:
    searches = asked([{0: 2.0, 1: 1.0}], [[]], 200)
    scores = [0.9, *([0.1] * 199)]  # the first is on top, the second ties with all the rest
    ((recall, ndcg),) = searches.found(REQUEST, along(scores))
    ideal = 2 + 1 / np.log2(3)
    assert (recall, ndcg) == (0.5, pytest.approx(2 / ideal))


def test_a_tie_counts_against_the_system() -> None:
    for tied, found in ((DEPTH - 1, 1.0), (DEPTH, 0.0)):
        searches = asked([{0: 1.0}], [[]], tied + 1)
        assert searches.found(REQUEST, along([0.5] * (tied + 1)))[0, 0] == found


def test_a_job_that_is_no_candidate_takes_no_place() -> None:
    scores = [*([0.9] * DEPTH), 0.5]
    for excluded, found in (([], 0.0), ([3], 1.0)):
        assert asked([{DEPTH: 1.0}], [excluded], DEPTH + 1).found(REQUEST, along(scores))[0, 0] == found


def test_a_wanted_job_is_a_candidate_though_it_is_excluded() -> None:
    assert asked([{0: 1.0}], [[0]], 2).found(REQUEST, along([0.9, 0.1])).tolist() == [[1.0, 1.0]]


def test_the_version_tells_what_is_asked() -> None:
    one = asked([{0: 1.0}], [[]], 2)
    assert one.version == asked([{0: 1.0}], [[]], 2).version
    assert len({one.version, asked([{0: 2.0}], [[]], 2).version, asked([{0: 1.0}], [[1]], 2).version}) == 3
