from __future__ import annotations

import numpy as np

from contracts.bundle import Blend
from ranking.explain import explain

BLEND = Blend(names=("dense", "apply", "unseen"), weights=(1.0, 3.0, 0.001), means=(0, 0, 0), scales=(1, 1, 1))


def test_contributions_come_largest_first_and_small_ones_are_not_put_into_words() -> None:
    told = explain(
        ("dense", "popular"), ("its text is close",), {"apply": 0.31}, BLEND, np.array([0.5, -1.0, 1.0]), ("too_far",)
    )
    assert list(told.contributions.items()) == [("apply", -3.0), ("dense", 0.5), ("unseen", 0.001)]
    assert told.words == (
        "Its text is close.",
        "Will this member apply to this job? 31%.",
        "Its text is close to the request.",
        "Demoted by rule too_far.",
    )


def test_an_answer_that_was_not_blended_has_no_contributions() -> None:
    told = explain(("terms",), ("it holds words of the request or their synonyms",), {}, None, None)
    assert told.contributions == {} and told.words == ("It holds words of the request or their synonyms.",)
