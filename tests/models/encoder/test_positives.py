"""What a retrieval encoder learns from: who took which job, and so which jobs are no negatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadInput
from models.encoder.positives import Positives
from tests.make import refused

PAIR = st.tuples(*(st.sampled_from([f"{kind}{i}" for i in range(5)]) for kind in ("request", "job", "asker")))


def made(pairs: list[tuple[str, str, str]], inventory: list[str]) -> Positives:
    requests, jobs, askers = zip(*pairs, strict=True)
    return Positives.of(requests, jobs, [1.0] * len(pairs), askers, inventory)


@settings(deadline=None)
@given(st.lists(PAIR, min_size=1, max_size=30), st.lists(st.sampled_from([f"job{i}" for i in range(9)])))
def test_no_job_that_the_asker_took_is_a_negative_and_every_other_is(pairs: list, inventory: list) -> None:
    inventory = [*inventory, "one", "two"]
    positives = made(pairs, inventory)
    columns = np.arange(len(positives.jobs))
    allowed = positives.allowed(np.arange(len(pairs)), columns)
    for (_, _, asker), row in zip(pairs, allowed, strict=True):
        took = {job for _, job, who in pairs if who == asker}
        assert [positives.jobs[i] for i in columns[~row]] == [job for job in positives.jobs if job in took]


def test_what_the_asker_took_on_other_occasions_is_no_negative_either() -> None:
    more = [("ann", "baker"), ("ann", "nowhere known"), ("stranger", "welder"), ("ann", "baker")]
    positives = Positives.of(["r1", "r2"], ["welder", "pilot"], [1.0, 1.0], ["ann", "bob"], ["baker"], more)
    allowed = positives.allowed(np.array([0, 1]), np.arange(3))
    assert positives.jobs == ["welder", "pilot", "baker"]
    assert allowed.tolist() == [[False, True, False], [True, False, True]]
    assert positives.version != made([("r1", "welder", "ann"), ("r2", "pilot", "bob")], ["baker"]).version


@settings(deadline=None)
@given(st.lists(PAIR, min_size=1, max_size=30))
def test_pairs_keep_their_texts_and_texts_are_held_once(pairs: list) -> None:
    positives = made(pairs, ["job0", "other", "other"])
    texts = [(positives.requests[r], positives.jobs[j]) for r, j in zip(positives.request, positives.job, strict=True)]
    assert texts == [(request, job) for request, job, _ in pairs]
    for held in (positives.requests, positives.jobs):
        assert len(set(held)) == len(held)
    assert set(positives.jobs) == {"job0", "other", *(job for _, job, _ in pairs)}


def test_two_adverts_of_one_text_are_one_job_so_that_neither_is_the_others_negative() -> None:
    positives = made([("r1", "welder", "ann"), ("r2", "welder", "bob"), ("r3", "baker", "bob")], [])
    assert positives.job.tolist() == [0, 0, 1]
    assert positives.allowed(np.array([0, 1]), np.array([0, 1])).tolist() == [[False, True], [False, False]]


def test_its_version_tells_what_is_learned() -> None:
    one = made([("r", "a", "x")], ["b"])
    assert one.version == made([("r", "a", "x")], ["b"]).version
    others = [made([("r", "a", "x")], ["c"]), made([("r", "b", "x")], ["a"]), made([("s", "a", "x")], ["b"])]
    heavier = Positives.of(["r"], ["a"], [2.0], ["x"], ["b"])
    assert len({one.version, heavier.version, *(other.version for other in others)}) == 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (((), (), (), (), ["a", "b"]), "no positives"),
        ((["r"], ["a"], [1.0], ["x"], ["a", "a"]), "one job"),
        ((["r"], ["a"], [0.0], ["x"], ["b"]), "weighs 0"),
        ((["r"], ["a"], [np.nan], ["x"], ["b"]), "weighs nan"),
    ],
)
def test_what_teaches_nothing_is_refused(given: tuple, says: str) -> None:
    with refused(BadInput, says):
        Positives.of(*given)
