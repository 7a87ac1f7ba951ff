"""The knobs of teachers, student and export. Apart from the code that uses them: reading them loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.examples import PAIR_FEATURES

MODEL_FORMAT = 1
"""Part of every model's version: raise it with any change to what the models compute."""

Precision = Literal["int8", "float32"]
Divergence = Literal["forward_kl", "reverse_kl", "js", "tv", "mse", "margin_mse"]
Teacher = Literal["policy", "click"]


class TeacherConfig(BaseModel):
    """Knobs of one teacher.

    max_pairs: training pairs at most, whole lists drawn by seed; max_request_tokens, max_job_tokens: text length;
    joint_layers: top layers in which the job's tokens see the request's, below them each text is read by itself;
    frozen_layers: lowest layers held fixed; what comes
    out of fixed layers is kept, up to memory_mb; listwise: weight of the listwise loss beside the pointwise one;
    warm_start: the click teacher begins as the policy teacher.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    backbone: Path | None = None
    max_pairs: int = Field(3_000, ge=1)
    epochs: int = Field(2, ge=1)
    max_request_tokens: int = Field(160, ge=16, le=512)
    max_job_tokens: int = Field(128, ge=16, le=512)
    joint_layers: int = Field(2, ge=1)
    frozen_layers: int = Field(4, ge=0)
    memory_mb: int = Field(2_000, ge=0)
    batch_pairs: int = Field(32, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    head_rate: float = Field(1e-3, gt=0)
    listwise: float = Field(0.3, ge=0)
    warm_start: bool = True
    seed: int = 0


class StudentConfig(BaseModel):
    """Knobs of the student.

    item_tokens: T, vectors a job; via: T of mid-size students, each taught by the one before it (stepwise);
    score_layers: layers a candidate passes; frozen_layers, frozen_item_layers: lowest layers of prefix and item encoder
    held fixed; what comes out of them is kept, up to memory_mb; max_*_tokens: text length; warm_start: layers and head
    begin as the policy teacher's; base: a student's folder to begin as instead, whose tasks may be fewer; learn: all
    of it, or the head alone, so that the item tokens of a base stay as they are.

    distil: the teachers; a task that none of them answers is learned from its labels. relevance_epochs: epochs with
    relevance alone before the other tasks join; align: weight of what the item tokens lose of the text (MixLM), a tenth
    of it after align_epochs; align_pairs: pairs of a list that it is computed on. list_size: pairs of a list in one
    step; divergence: between teacher and student; listwise: weight of the same within a list; labels: weight of the
    labels themselves beside the teachers; weights: of the tasks, 1 where not named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    backbone: Path | None = None
    item_tokens: int = Field(4, ge=1, le=64)
    via: tuple[Annotated[int, Field(ge=1, le=64)], ...] = ()
    score_layers: int = Field(2, ge=1)
    frozen_layers: int = Field(4, ge=0)
    frozen_item_layers: int = Field(6, ge=0)
    memory_mb: int = Field(2_000, ge=0)
    max_prefix_tokens: int = Field(160, ge=16, le=512)
    max_item_tokens: int = Field(128, ge=16, le=512)
    warm_start: bool = True
    base: Path | None = None
    learn: Literal["all", "head"] = "all"
    distil: tuple[Teacher, ...] = ("policy", "click")
    relevance_epochs: int = Field(0, ge=0)
    align: float = Field(0.0, ge=0)
    align_epochs: int = Field(0, ge=0)
    align_pairs: int = Field(2, ge=1)
    epochs: int = Field(4, ge=0)
    max_pairs: int = Field(20_000, ge=1)
    lists_a_batch: int = Field(6, ge=1)
    list_size: int = Field(16, ge=2)
    learning_rate: float = Field(2e-4, gt=0)
    head_rate: float = Field(1e-3, gt=0)
    divergence: Divergence = "forward_kl"
    listwise: float = Field(1.0, ge=0)
    labels: float = Field(0.1, ge=0)
    weights: Mapping[str, float] = {}
    seed: int = 0


class ExportConfig(BaseModel):
    """Knobs of the export.

    precision: of the served graphs; least_agreement: NDCG@1 agreement with the float32 student under which the export
    is refused; grades: let graded lists have a say in the blend beside what members did; leave_out: pair features
    that the blend is not to read; l2: penalty on its weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    precision: Precision = "int8"
    least_agreement: float = Field(0.97, ge=0, le=1)
    grades: bool = False
    leave_out: tuple[str, ...] = ()
    l2: float = Field(1e-2, ge=0)

    @field_validator("leave_out")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in PAIR_FEATURES]:
            raise ValueError(f"{', '.join(unknown)}: not of {', '.join(PAIR_FEATURES)}")
        return names
