"""The light learner: boosted trees on the match bins of pairs, which read no text and are grown in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput
from contracts.match import MATCH_VERSION, match_column

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

    @classmethod
    def read(cls, path: Path) -> Self:
        """The trees of the graded pairs in a file, as `rolecall policy curve` writes it.

        Raises:
            BadInput: There is no such file, it holds no pairs, or they are of other comparisons.
        """
        cure = "name the `curve/pairs.parquet` that `rolecall policy curve` wrote, or no guide"
        try:
            table = pq.read_table(path, columns=["grade", "match"])
        except (OSError, pa.ArrowException) as error:
            raise BadInput(f"{path} holds no graded pairs", where="label.guide", cure=cure) from error
        made_by = (table.schema.metadata or {}).get(b"match_version", b"").decode()
        if not table.num_rows or made_by != MATCH_VERSION:
            raise BadInput(f"{path} holds no graded pairs of today's comparisons", where="label.guide", cure=cure)
        return cls().fit(match_column(table), table["grade"].to_numpy().astype(np.float64))

    def predict(self, bins: np.ndarray) -> np.ndarray:
        """(n,) float64 for pairs with bins (n, C)."""
        if self._trees is None:
            return np.full(len(bins), self._mean)
        predicted: np.ndarray = self._trees.predict(bins[:, self._read].astype(np.float64))
        return predicted
