"""What `summary.json` says of a run, added up part by part: memory holds sums by member, and no request or pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from contracts.versions import row_hash
from models.training.metrics import RESAMPLES, interval, resamples
from replay.clustered import MeanAdder
from replay.results import BEST, POPULARITY
from replay.runs.answers import TASKS
from replay.runs.folder import Manifest
from replay.runs.measured import MEASURES
from replay.runs.task import OWN

SYSTEMS = (OWN, POPULARITY, BEST)


class Summary:
    """The means of every measure with intervals, AUC and calibration of each task over all shown jobs, and counts.

    Attributes:
        requests: Added so far.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.requests = 0
        self._manifest = manifest
        self._means = MeanAdder(len(SYSTEMS) * len(MEASURES))
        self._tasks = {task: PairAdder() for task in TASKS}
        self._counts = {"led_to_something": 0, "shown_jobs": 0, "with_propensity": 0}

    def add(self, measures: pl.DataFrame, shown: pl.DataFrame) -> None:
        """Add the tables of one part."""
        of = [measures.filter(pl.col("system") == system) for system in SYSTEMS]
        self.requests += len(of[0])
        self._means.add(np.hstack([table.select(MEASURES).to_numpy() for table in of]), of[0]["member_id"].to_list())
        self._counts["led_to_something"] += int(of[0]["nDCG@10"].is_not_nan().sum())
        self._counts["shown_jobs"] += len(shown)
        self._counts["with_propensity"] += int(shown["propensity"].is_not_null().sum())
        for task, adder in self._tasks.items():
            known = shown.filter(pl.col(task).is_not_null() & pl.col(f"said_{task}").is_not_null())
            labels, said = known[task].to_numpy() > 0, known[f"said_{task}"].to_numpy()
            adder.add(said, labels, known["request_id"].to_list())

    def result(self) -> dict[str, Any]:
        """Of all parts that were added."""
        found = self._means.result()
        means = {
            system: {
                name: mean.model_dump()
                for name, mean in zip(MEASURES, found[i * len(MEASURES) :], strict=False)
                if mean is not None
            }
            for i, system in enumerate(SYSTEMS)
        }
        return {
            "name": self._manifest.name,
            "contender": self._manifest.contender.name,
            "requests": self._manifest.requests,
            **self._counts,
            "means": means,
            "tasks": {task: of for task, adder in self._tasks.items() if (of := adder.result())},
        }


class PairAdder:
    """Sums of pairs by their probability, of which AUC and calibration error are read.

    Probabilities that agree to 0.4% count as equal; below a millionth all do. Intervals resample groups of lists by a
    hash of their ids, so that memory is the same for any number of pairs.
    """

    GROUPS = 512
    _LEAST = np.float32(2**-20)
    _SHIFT = 15
    """Bits of a float32 that are not looked at: 256 steps from a number to its double."""
    _BINS = 20 * 256 + 2

    def __init__(self) -> None:
        self._pairs = np.zeros((2, self.GROUPS, self._BINS), np.float32)
        self._said = np.zeros(self._BINS)

    def add(self, said: np.ndarray, labels: np.ndarray, lists: list[str]) -> None:
        """Add n pairs. said: (n,) probabilities; labels: (n,) bool; lists: n ids."""
        if not len(said):
            return
        group_of = {name: int(row_hash(name, 4), 16) % self.GROUPS for name in dict.fromkeys(lists)}
        groups = np.array([group_of[name] for name in lists])
        low = int(self._LEAST.view(np.int32)) >> self._SHIFT
        bits = np.maximum(said, self._LEAST).astype(np.float32).view(np.int32) >> self._SHIFT
        bins = np.minimum(bits - low, self._BINS - 1)
        np.add.at(self._pairs, (labels.astype(np.int64), groups, bins), 1)
        self._said += np.bincount(bins, said, self._BINS)

    def result(self) -> dict[str, Any]:
        """AUC with its interval, the calibration error and the number of pairs; empty where all labels are alike."""
        used = np.flatnonzero(self._pairs.any(axis=(0, 1)))
        negative, positive = self._pairs[..., used]
        whole = positive.sum(axis=0, dtype=np.float64), negative.sum(axis=0, dtype=np.float64)
        if not whole[0].any() or not whole[1].any():
            return {}
        present = np.flatnonzero((positive + negative).any(axis=1))
        drawn = [
            _area(counts @ positive[present], counts @ negative[present])
            for counts in resamples(len(present), 0, RESAMPLES)
        ]
        low, high = interval(np.concatenate(drawn)[:, None])[:, 0] if len(present) > 1 else (0.0, 1.0)
        return {
            "auc": float(_area(*whole)),
            "low": float(low),
            "high": float(high),
            "calibration_error": _calibration_error(*whole, self._said[used]),
            "jobs": int(sum(of.sum() for of in whole)),
        }


def _area(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """(...) areas under the ROC curve of (..., bins) pairs by rising score, those of one bin counted half."""
    positive, negative = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    below = np.cumsum(negative, axis=-1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * below).sum(axis=-1) / pairs)


def _calibration_error(positive: np.ndarray, negative: np.ndarray, said: np.ndarray, bins: int = 10) -> float:
    """As `models.training.metrics.calibration_error`, of (n,) sums by rising probability: bins of equal mass."""
    pairs = positive + negative
    total, begin, error = float(pairs.sum()), 0, 0.0
    enough = total / bins
    for end in range(1, len(pairs) + 1):
        if (pairs[begin:end].sum() >= enough and pairs[end:].sum() >= enough) or end == len(pairs):
            error += abs(float(positive[begin:end].sum() - said[begin:end].sum()))
            begin = end
    return error / total
