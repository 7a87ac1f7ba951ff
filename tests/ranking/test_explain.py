from __future__ import annotations

import numpy as np

from contracts.bundle import Blend
from contracts.examples import PAIR_FEATURES
from contracts.tasks import TASKS
from ranking.explain import MEANING, explain
from retrieval.sources.registry import SOURCES, why

BLEND = Blend(names=("dense", "apply", "unseen"), weights=(1.0, 3.0, 0.001), means=(0, 0, 0), scales=(1, 1, 1))


def test_contributions_come_largest_first_and_small_ones_are_not_put_into_words() -> None:
    told = explain(("dense", "popular"), {"apply": 0.31}, BLEND, np.array([0.5, -1.0, 1.0]))
    assert list(told.contributions.items()) == [("apply", -3.0), ("dense", 0.5), ("unseen", 0.001)]
    assert told.words == (
        "Found because its text is close to the request.",
        "Found because it is popular nearby.",
        "Will this member apply to this job? 31%.",
        "likely to be applied to: -3.00",
        "text close to the request: +0.50",
    )


def test_an_answer_that_was_not_blended_has_no_contributions() -> None:
    told = explain(("terms",), {}, None, None)
    assert told.contributions == {} and told.words == ("Found because it holds words of the request.",)


def test_the_reason_of_a_link_is_told_after_what_found_the_job() -> None:
    told = explain(
        ("links",), {}, None, None, reason="members with skill triage were hired as nurse: 4 hires, weight 1.70"
    )
    assert told.words == (
        "Found because people like this member were hired for such jobs.",
        "members with skill triage were hired as nurse: 4 hires, weight 1.70.",
    )


def test_every_source_feature_and_task_has_words() -> None:
    assert all(" " in why(source) for source in SOURCES.names())
    assert set(MEANING) == {*PAIR_FEATURES, *TASKS}
