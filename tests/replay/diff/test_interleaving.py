from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.diff.interleaving import interleaved, team_draft
from tests.replay.diff.conftest import MakeRun

RANKINGS = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


@given(first=RANKINGS, second=RANKINGS, places=st.integers(1, 12), seed=st.integers(0, 99))
def test_a_list_of_both_holds_each_job_once_and_each_pick_is_the_best_that_is_left(first, second, places, seed):
    jobs, teams = team_draft(first, second, places, np.random.default_rng(seed))
    assert len(set(jobs)) == len(jobs) == min(places, len({*first, *second}))
    for i, (job, team) in enumerate(zip(jobs, teams, strict=True)):
        left = [one for one in (first, second)[team] if one not in jobs[:i]]
        assert job == left[0]
    for round_ in range(0, min(len(jobs), len(first), len(second)) - 1, 2):
        assert {teams[round_], teams[round_ + 1]} == {0, 1}, "each picks once a round"


def test_the_run_whose_jobs_were_chosen_is_preferred_and_a_run_against_itself_is_not(make_run: MakeRun):
    n, jobs = 60, ["a", "b", "c", "d"]
    shown = [
        {"request": i, "job": job, "position": place + 1, "propensity": None, "rank": 0, "gain": int(job == "d")}
        for i in range(n)
        for place, job in enumerate(jobs)
    ]
    worse = [(i, place + 1, job) for i in range(n) for place, job in enumerate(["a", "b", "c"])]
    better = [(i, place + 1, job) for i in range(n) for place, job in enumerate(["d", "a", "b"])]
    first = make_run("a", [0.5] * n, shown=shown, answers=worse)
    second = make_run("b", [0.5] * n, shown=shown, answers=better)
    ids, members = [f"r{i}" for i in range(n)], [f"m{i}" for i in range(n)]
    found = interleaved(first, second, ids, members, 0.95)
    assert found is not None and (found.first, found.ties, found.second) == (0.0, 0.0, pytest.approx(1.0))
    itself = interleaved(second, second, ids, members, 0.95)
    assert itself is not None and abs(itself.difference.value) < 0.15
    assert itself.first == pytest.approx(itself.second, abs=0.15), "the coin alone decides"


def test_where_nothing_was_chosen_nothing_is_said(make_run: MakeRun):
    run = make_run("a", [0.5] * 3, answers=[(0, 1, "a")])
    assert interleaved(run, run, ["r0"], ["m0"], 0.95) is None
