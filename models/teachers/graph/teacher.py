"""The graph teacher, as the registry finds it. PyTorch is imported when it learns or scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from contracts.errors import NothingToLearn
from contracts.features import JOB_TEXT, JOB_VECTOR, MEMBER_TEXT, MEMBER_VECTOR
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.versions import content_hash, require_current
from models.teachers.base import Teacher
from models.teachers.graph.config import GraphConfig

if TYPE_CHECKING:
    from models.teachers.graph.correction import CorrectedPairs
    from models.teachers.graph.market import Market
    from models.teachers.graph.reader import GraphPairs
    from models.training.rows import Rows


class GraphTeacher(Teacher):
    """Answers what a member will do with a job, from the texts as the click teacher does and from the market around.

    What it adds to the click teacher's logits is zero for a pair without neighbours on both sides.
    """

    name = "graph"
    tasks = ENGAGEMENT_TASKS
    Config = GraphConfig
    unversioned = frozenset({"device"})
    starts_from: ClassVar[str] = "click"
    reads = (
        "records",
        "encoder",
        "scores/click",
        *(f"features/{view}" for view in (MEMBER_TEXT, JOB_TEXT, MEMBER_VECTOR, JOB_VECTOR)),
    )
    config: GraphConfig
    _pairs: CorrectedPairs | GraphPairs
    _market: Market | None = None

    def version(self, rows: Rows) -> str:
        self.market(rows)
        return super().version(rows)

    def depends_on(self) -> list[Any]:
        market = self._market
        assert market is not None
        return [
            self.text().name,
            market.graph.version,
            content_hash([market.vectors.tobytes(), market.known.tobytes()]),
        ]

    def market(self, rows: Rows) -> Market:
        """The rows in the market graph, read once."""
        from models.teachers.graph.market import open_market

        if self._market is None:
            self._market = open_market(self.workspace, rows, self.config)
        return self._market

    def text(self) -> Path:
        """The folder of the text teacher that is corrected.

        Raises:
            NothingToLearn: It had nothing to learn.
            NotReady: It is not trained.
        """
        from models.teachers.scores import is_left_out

        name = self.starts_from
        if is_left_out(self.workspace, name):
            raise NothingToLearn(f"the {name} teacher, which it corrects, had nothing to learn", cure="ingest a log")
        return require_current(self.workspace.teachers / name, f"{name} teacher", f"run `rolecall train {name}` first")

    def fit(self, rows: Rows, targets: np.ndarray, stopped: Path) -> int:
        from models.teachers.graph.fit import fit_graph

        self._pairs, learned = fit_graph(self, self.text(), self.market(rows), rows, targets, stopped)
        self.answered = self._pairs.model.tasks
        return learned

    def scores(self, rows: Rows, chosen: np.ndarray) -> np.ndarray:
        from models.teachers.fit_text import score_pairs

        assert rows is self._pairs.rows
        return score_pairs(self._pairs, chosen, self.config.precision, f"{self.name} teacher scores")

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_model

        super().save(folder)
        save_model(self._pairs.model, str(folder / "model.safetensors"))
