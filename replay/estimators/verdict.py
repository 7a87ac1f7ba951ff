"""When not to believe an estimate: what its weights say of the log's support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from replay.estimators.logged import LoggedLists

LEAST_OVERLAP = 0.8
"""Share of the lists of the policy in question that the log may show, below which nothing is said."""
LEAST_EFFECTIVE, FEW_EFFECTIVE = 100.0, 1_000.0
"""Requests' worth of evidence below which nothing, and below which only with caution, is said: a rule of thumb."""
MOST_OF_ONE = 0.05
"""Share of all weight that one request may have."""
MOST_APART = 4.0
"""Standard errors between the mean weight and 1, above which the log's probabilities are not those it was drawn with,
or the policy in question shows what the log could not."""


class Verdict(NamedTuple):
    """Whether to believe an estimate. reasons: why not, in words."""

    says: Literal["trust", "caution", "do not use"]
    reasons: tuple[str, ...] = ()
    refuses: bool = False

    @property
    def rank(self) -> int:
        """0 to 3, the worst last."""
        return ("trust", "caution", "do not use").index(self.says) + self.refuses


@dataclass(frozen=True)
class Support:
    """Sums that tell how far a log supports a policy.

    Attributes:
        requests: Added so far.
        weighted: Requests' largest weights over the places: their sum.
        squares: Sum of their squares.
        largest: The largest of them.
        random: Whether some list was drawn at random.
        overlap_sum: Sum of the shares of supported lists; of requests that state it.
        overlap_of: How many state it.
        has_weights: Whether the estimator weighs at all.
    """

    requests: int = 0
    weighted: float = 0.0
    squares: float = 0.0
    largest: float = 0.0
    random: bool = False
    overlap_sum: float = 0.0
    overlap_of: int = 0
    has_weights: bool = False

    def with_lists(self, lists: LoggedLists, weights: np.ndarray) -> Support:
        """With a part of a log. weights: (n, w) float64 of the estimator; of several the last, which tells most."""
        if not len(lists):
            return self
        own = weights[:, -1] if weights.shape[1] else np.zeros(len(lists))
        stated = lists.support is not None
        return self.merged(
            Support(
                requests=len(lists),
                weighted=float(own.sum()),
                squares=float((own**2).sum()),
                largest=float(own.max()),
                random=not lists.is_deterministic,
                overlap_sum=float(lists.support.sum()) if lists.support is not None else 0.0,
                overlap_of=len(lists) if stated else 0,
                has_weights=weights.shape[1] > 0,
            )
        )

    def merged(self, other: Support) -> Support:
        """The sums of two parts."""
        return Support(
            self.requests + other.requests,
            self.weighted + other.weighted,
            self.squares + other.squares,
            max(self.largest, other.largest),
            self.random or other.random,
            self.overlap_sum + other.overlap_sum,
            self.overlap_of + other.overlap_of,
            self.has_weights or other.has_weights,
        )

    @property
    def effective(self) -> float:
        """Requests' worth of evidence (Kish): all of them where every weight is 1."""
        if not self.has_weights:
            return float(self.requests)
        return self.weighted**2 / self.squares if self.squares else 0.0

    @property
    def overlap(self) -> float | None:
        """Of the lists of the policy in question, the share that the log may show; None where nobody stated it."""
        return self.overlap_sum / self.overlap_of if self.overlap_of else None

    @property
    def mean_weight(self) -> float:
        return self.weighted / self.requests if self.requests else float("nan")

    def verdict(self, needs_random: bool) -> Verdict:
        """What to make of an estimate. needs_random: of the estimator."""
        if not self.requests:
            return Verdict("do not use", ("no request was logged",), refuses=True)
        if needs_random and not self.random:
            reason = "every list was certain to be shown, so that the log tells of no other: let the service explore"
            return Verdict("do not use", (reason,), refuses=True)
        bad, doubtful = [], []
        if self.overlap is not None and self.overlap < LEAST_OVERLAP and self.has_weights:
            bad.append(f"the log may show {self.overlap:.0%} of the lists in question; {LEAST_OVERLAP:.0%} are needed")
        if self.has_weights:
            error = np.sqrt(max(self.squares / self.requests - self.mean_weight**2, 0.0) / self.requests)
            if abs(self.mean_weight - 1) > MOST_APART * error + 1e-9:
                bad.append(
                    f"weights are {self.mean_weight:.2f} in the mean and not 1: the log lacks what would be shown"
                )
            if self.effective < LEAST_EFFECTIVE:
                bad.append(f"the evidence is worth {self.effective:,.0f} requests; {LEAST_EFFECTIVE:,.0f} are needed")
            elif self.effective < FEW_EFFECTIVE:
                doubtful.append(f"the evidence is worth {self.effective:,.0f} requests only")
            if self.weighted and self.largest / self.weighted > MOST_OF_ONE:
                doubtful.append(f"one request has {self.largest / self.weighted:.0%} of all weight")
        if bad:
            return Verdict("do not use", (*bad, *doubtful))
        return Verdict("caution", tuple(doubtful)) if doubtful else Verdict("trust")
