"""What would lift a job: it is scored again with each comparison of request and job as good as it could be."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from contracts.match import COMPARISONS
from contracts.values import FrozenModel
from ranking.blend import RELEVANCE
from ranking.objective import good_matches
from ranking.scorer import BundleScorer

LEAST_GAIN = 0.05
"""Of the relevance logit; less is the noise of quantised scores."""


class Lift(FrozenModel):
    """What one comparison could still do for a job."""

    name: str = Field(description="Of the comparison, as in `contracts.match.COMPARISONS`.")
    now: str = Field(description='What it found, in words; "not known" where a side does not say.')
    best: str = Field(description="What the student would like best instead.")
    gain: float = Field(description="By how much the relevance logit would rise.")
    good_match: float | None = Field(description="The probability of a good match then; null where nobody can say.")


def lifts(scorer: BundleScorer, request_text: str, items: np.ndarray, match: np.ndarray) -> tuple[Lift, ...]:
    """What each comparison could do for one job, the largest gain first; those that gain next to nothing are left out.

    Args:
        scorer: Of a bundle that reads a match.
        request_text: Of the request.
        items: (T, H) float32, the item tokens of the job.
        match: (C,) uint8, the bins of the request and the job.

    Returns:
        One comparison changed at a time, the others as they are; none where the bundle has no task `relevance`.
    """
    if RELEVANCE not in scorer.tasks or not scorer.manifest.match_version:
        return ()
    changes = [
        (place, bin_)
        for place, comparison in enumerate(COMPARISONS)
        for bin_ in range(1, 1 + len(comparison.bins))
        if bin_ != match[place]
    ]
    rows = np.repeat(match[None], len(changes) + 1, axis=0)  # the first row is the job as it is
    rows[np.arange(len(changes)) + 1, [place for place, _ in changes]] = [bin_ for _, bin_ in changes]
    logits = scorer.logits(scorer.prefix(request_text), np.repeat(items[None], len(rows), axis=0), rows)
    gains = logits[1:, scorer.tasks.index(RELEVANCE)].astype(np.float64)
    gains -= logits[0, scorer.tasks.index(RELEVANCE)]
    good = good_matches(scorer.manifest.good_match, logits, scorer.tasks)
    best: dict[int, int] = {}
    for change in np.argsort(-gains, kind="stable").tolist():
        if gains[change] >= LEAST_GAIN:
            best.setdefault(changes[change][0], change)
    return tuple(
        Lift(
            name=COMPARISONS[place].name,
            now=_words(place, int(match[place])),
            best=_words(place, changes[change][1]),
            gain=round(float(gains[change]), 6),
            good_match=None if good is None else float(good[change + 1]),
        )
        for place, change in best.items()
    )


def _words(place: int, bin_: int) -> str:
    return COMPARISONS[place].bins[bin_ - 1] if bin_ else "not known"
