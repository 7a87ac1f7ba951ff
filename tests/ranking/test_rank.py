"""What an answer says of the jobs that are left of a ranking."""

from __future__ import annotations

import numpy as np

from contracts.bundle import Calibration, Manifest, Objective
from ranking.popular import NO_CANDIDATES
from ranking.rank import Ranked, Scored
from retrieval.candidates import Candidates


def test_probabilities_are_those_of_the_place_in_the_answer_and_not_of_the_place_before_the_rules() -> None:
    """Of six ranked jobs the student scored four; the rules removed the first and the third."""
    rates = {0: 0.9, 1: 0.5, 2: 0.3}
    maps = tuple(Calibration(from_rank=rank, logits=(0.0,), probabilities=(p,)) for rank, p in rates.items())
    manifest = Manifest(
        text_version="1",
        tasks=("view", "hire"),
        task_sentences={},
        item_tokens=1,
        hidden=1,
        max_prefix_tokens=1,
        max_item_tokens=1,
        precision="int8",
        calibration={"view": maps},
    )
    scored = Scored(manifest, np.zeros((4, 2), np.float32), Objective())
    ranked = Ranked(np.arange(6, dtype=np.int32), -np.arange(6.0), NO_CANDIDATES, np.arange(6), scored)
    assert ranked.probabilities([1, 3, 4, 5]) == [{"view": 0.5}, {"view": 0.3}, {}, {}]
    assert ranked.probabilities([5, 1, 4, 3]) == [{}, {"view": 0.3}, {}, {"view": 0.3}], "others may stand before"
    assert Ranked(ranked.rows, ranked.scores, NO_CANDIDATES, ranked.order, None).probabilities([0]) == [{}]


def test_the_reason_of_a_job_follows_it_into_the_final_order() -> None:
    reasons = ("", "members with skill triage were hired as nurse: 4 hires, weight 1.70")
    scores = np.array([[1, np.nan], [np.nan, 2]], np.float32)
    found = Candidates(np.arange(2), ["a", "b"], ("dense", "links"), scores, np.ones(2), np.ones(2), reasons)
    ranked = Ranked(found.rows[::-1], np.arange(2.0), found, np.array([1, 0]), None)
    assert ranked.because(0) == ranked.why(0) == ("a link leads from what you have to what it asks for", reasons[1])
    assert ranked.why(1) == ("its text is among the closest to the request",)
