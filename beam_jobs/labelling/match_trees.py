"""The light learner: boosted trees on the match bins of pairs, which read no text and are grown in seconds."""

from __future__ import annotations

from typing import Self

import numpy as np

NAME = "boosted trees on the match bins"
KNOBS = {"max_iter": 60, "learning_rate": 0.1, "max_leaf_nodes": 15, "min_samples_leaf": 10}


class MatchTrees:
    """Gradient boosting with squared error (scikit-learn); the same pairs make the same trees.

    Source: Ke et al., LightGBM (NeurIPS 2017), for trees over histograms.
    """

    def fit(self, bins: np.ndarray, targets: np.ndarray) -> Self:
        """Learn from pairs.

        Args:
            bins: (n, C) of `contracts.match.COMPARISONS`, of which one that is the same for all pairs is not read.
            targets: (n,) numbers, such as grades.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        self._read = np.flatnonzero(np.ptp(bins, axis=0)) if len(bins) else np.zeros(0, np.int64)
        self._mean = float(np.mean(targets)) if len(targets) else 0.0
        self._trees = None
        if len(self._read):
            trees = HistGradientBoostingRegressor(**KNOBS, early_stopping=False, random_state=0)
            self._trees = trees.fit(bins[:, self._read].astype(np.float64), targets)
        return self

    def predict(self, bins: np.ndarray) -> np.ndarray:
        """(n,) float64 for pairs with bins (n, C)."""
        if self._trees is None:
            return np.full(len(bins), self._mean)
        predicted: np.ndarray = self._trees.predict(bins[:, self._read].astype(np.float64))
        return predicted
