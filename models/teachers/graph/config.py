"""Knobs of the graph teacher. Reading them loads no model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel
from history.graph.config import WalkConfig
from models.config import DEVICE, PRECISION, Arithmetic, Device

Rung = Literal["G0", "G1", "G2"]


class GraphConfig(FrozenModel):
    """Knobs of the graph teacher."""

    rung: Rung = Field(
        "G0",
        description="How the neighbourhood is read: G0, means of frozen text vectors and two small MLPs (SIGN); G1, "
        "two layers of message passing (GraphSAGE); G2, node tokens beside the two texts in the top layers of the text "
        "teacher.",
    )
    structure: bool = Field(
        True, description="Read beside it how the walks of both sides meet: shared companies, jobs, titles, skills."
    )
    walks: WalkConfig = WalkConfig()
    densify: bool = Field(True, description="Join cold members and jobs to like ones of which much is known (LiGNN).")
    near: int = Field(10, ge=1, description="Edges that densification gives a cold node.")
    snapshots: int = Field(4, ge=1, le=64, description="Moments of the log at which densification looks at degrees.")
    nodes: int = Field(16, ge=2, le=64, description="Node tokens of a pair at most, half of them of each side (G2).")
    align: float = Field(
        0.0, ge=0, description="Weight of the divergence of attention to node tokens from their proximity (G2)."
    )
    contrast: float = Field(0.3, ge=0, description="Weight of InfoNCE over all jobs of a step (G1).")
    temperature: float = Field(0.1, gt=0, description="Of InfoNCE.")
    masked: float = Field(
        0.1,
        ge=0,
        description="Weight of the auxiliary tasks (G1): which neighbour was masked, and the member's skills and ways "
        "of working, through label tokens.",
    )
    width: int = Field(32, ge=4, le=1_024, description="Numbers of a node's state in G0 and G1.")
    inputs: int = Field(64, ge=4, description="Principal components of text vectors that G0 and G1 read.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of a state's numbers that a step leaves out.")
    max_pairs: int | None = Field(
        None, ge=1, description="Training pairs at most; whole lists are drawn by seed. Null: 20000, of G2 1440."
    )
    epochs: int | None = Field(None, ge=1, description="Passes over the training pairs. Null: 6, of G2 2.")
    batch_pairs: int = Field(256, ge=1, description="Pairs of a step at most, in whole lists; of G2 an eighth of it.")
    learning_rate: float = Field(3e-3, gt=0, description="Peak rate.")
    ranking: Literal["listwise", "pairwise", "none"] = Field(
        "listwise", description="The loss within a list, beside that of single pairs."
    )
    ranking_weight: float = Field(1.0, ge=0, description="Weight of the loss within a list.")
    position: Literal["tower", "propensity", "none"] = Field(
        "tower", description="How actions are freed of the place at which a job was shown, as of the click teacher."
    )
    least_propensity: float = Field(0.02, gt=0, le=1, description="Propensities below it count as this much.")
    precision: Arithmetic = Field("auto", description=PRECISION)
    device: Device = Field("auto", description=DEVICE)
    seed: int = Field(0, description="Of the drawn lists, their order and the new weights.")

    @property
    def pairs(self) -> int:
        """Training pairs at most, with the rung's default."""
        return self.max_pairs or (1_440 if self.rung == "G2" else 20_000)

    @property
    def passes(self) -> int:
        """Epochs, with the rung's default."""
        return self.epochs or (2 if self.rung == "G2" else 6)

    @property
    def batch(self) -> int:
        """Pairs of a step at most."""
        return max(1, self.batch_pairs // 8) if self.rung == "G2" else self.batch_pairs
