"""The gate before export: the graphs must rank as the trained student does, and probabilities must be calibrated.

NDCG@1 agreement compares the first place of each list, the rank correlation the whole list, the calibration error the
probabilities with what happened.

Source: NDCG@1 agreement with the full-precision order is LinkedIn's acceptance test for quantisation (SGLang blogs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.errors import ExportRefused
from models.config import ExportConfig


class Check(NamedTuple):
    """One figure of the gate.

    Attributes:
        metric: The figure's name in the bundle is "<task>_<metric>".
        knob: Field of ExportConfig with the limit.
        about: The figure in words, for the error.
        cure: What to do where it fails.
    """

    metric: str
    knob: str
    about: str
    cure: str


CHECKS = (
    Check(
        "ndcg@1_agreement",
        "least_agreement",
        "NDCG@1 agreement with the float32 student",
        "export with precision float32, or train the student longer",
    ),
    Check(
        "rank_correlation",
        "least_rank_correlation",
        "rank correlation with the float32 student",
        "export with precision float32, or train the student longer",
    ),
    Check(
        "ece",
        "most_calibration_error",
        "calibration error on the test lists",
        "label more validation lists, of the same days as the test lists",
    ),
)


def refuse(
    metrics: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    tasks: Sequence[str],
    config: ExportConfig,
) -> None:
    """Check the figures of tasks against the limits.

    A figure that could not be measured fails. A calibration error does not, as the test lists may have no label of a
    task; it is compared by the lower end of its basic interval.

    Args:
        metrics: As in the bundle's manifest.
        intervals: As in the bundle's manifest.
        tasks: Whose figures are checked.
        config: With the limits.

    Raises:
        ExportRefused: A figure fails; the error names every such figure, its limit and the cure.
    """
    failed: dict[str, list[str]] = {}
    for check in CHECKS:
        limit = getattr(config, check.knob)
        for task in tasks:
            name = f"{task}_{check.metric}"
            value = metrics.get(name, float("nan"))
            figure = f"{task}: {check.about} is {value:.3f}"
            if check.metric == "ece":
                low, high = _basic(value, intervals.get(name, (value, value)))
                if low > limit:
                    failed.setdefault(check.cure, []).append(f"{figure} ({low:.3f} to {high:.3f}), over {limit}")
            elif not value >= limit:
                failed.setdefault(check.cure, []).append(f"{figure}, under {limit}")
    if failed:
        knobs = "or change the knobs of `export` that say how far it may stray"
        raise ExportRefused(
            "; ".join(line for lines in failed.values() for line in lines),
            where=f"export, precision {config.precision}",
            cure="; ".join([*failed, knobs]),
        )


def _basic(value: float, drawn: tuple[float, float]) -> tuple[float, float]:
    """The basic bootstrap interval from the percentile one: the latter mirrored at the value.

    Resampled lists stray from the whole as the whole strays from the truth. A calibration error is a sum of distances,
    which chance makes larger, so its resamples lie too high, and the value itself does too (Davison and Hinkley,
    Bootstrap methods and their application, 1997, section 5.2).
    """
    low, high = drawn
    return max(0.0, 2 * value - high), max(0.0, 2 * value - low)
