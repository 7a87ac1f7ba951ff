"""The gate of a release: no slice may lose more than a stated share, and that has to be shown.

A loss is bounded request by request: of a loss of at most one per cent the mean of `second - 0.99 first` is not
negative. The gate passes where each slice's one-sided lower bound of that mean is not below zero; as all bounds have to
hold, none of them needs an adjustment for their number (an intersection-union test). It says "worse" where a slice's
upper bound lies below zero after Holm's adjustment, since of many slices one is below by chance. Between both it says
"not known": more requests are needed; so it does of a slice in which neither run reached anything.

Source: Berger, Multiparameter hypothesis testing and acceptance sampling (Technometrics 1982).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from replay.clustered import Mean, clustered_mean, holm
from replay.diff.results import Gate

EXIT_CODES: Mapping[str, int] = {"pass": 0, "worse": 20, "not known": 21}
"""Of `rolecall replay diff` with a gate; apart from those of typed errors."""


def judge(
    slices: Mapping[str, tuple[np.ndarray, np.ndarray, Sequence[str]]],
    measure: str,
    worst: float,
    confidence: float,
    lower_is_better: bool,
) -> Gate:
    """The verdict on slices.

    Args:
        slices: Name -> (n,) values of the first run, of the second, and n member ids; large enough to be judged.
        measure: Its name.
        worst: Share of the first run's value that a slice may lose, at most 0.
        confidence: Of the one-sided bounds.
        lower_is_better: Whether a rise of the measure is a loss.
    """
    sign, alpha = (-1.0 if lower_is_better else 1.0), 1.0 - confidence
    means: dict[str, Mean] = {}
    silent = []
    for name, (first, second, members) in slices.items():
        if not lower_is_better and not np.nan_to_num(np.concatenate([first, second])).any():
            silent.append(name)  # neither run found anything: that neither lost tells nothing
        mean = clustered_mean(sign * (second - first) - worst * first, members)
        if mean is not None:
            means[name] = mean
    lost = dict(zip(means, holm([mean.below() for mean in means.values()]), strict=True))
    worse = tuple(name for name in means if lost[name] < alpha)
    unknown = tuple(
        name for name, mean in means.items() if name not in worse and (name in silent or not _kept(mean, alpha))
    )
    says = "worse" if worse else "not known" if unknown or not means else "pass"
    return Gate(
        measure=measure,
        worst=worst,
        confidence=confidence,
        slices=len(means),
        says=says,
        worse=worse,
        unknown=unknown,
    )


def _kept(mean: Mean, alpha: float) -> bool:
    """Whether a slice certainly keeps the bound: no loss at all where all its requests agree."""
    if mean.error == 0:
        return mean.value >= 0
    return mean.above() < alpha
