"""The knobs of all that is trained and exported. Apart from the code that uses them: reading them loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from contracts.examples import PAIR_FEATURES
from contracts.values import FrozenModel

MODEL_FORMAT = 2
"""Part of every model's version: raise it with any change to what the models compute."""

Precision = Literal["int8", "int8_token", "int8_static", "float32"]
"""Of the matrix products of an exported graph, the head's apart, which stay float32 (COOKBOOK 2.3).

Weights of the INT8 ones have a scale a channel. int8: activations one scale a call; int8_token: one a token;
int8_static: one that was found on calibration inputs.
"""
Arithmetic = Literal["auto", "float32", "bfloat16"]
Architecture = Literal["joint", "encoder", "decoder"]
Divergence = Literal["forward_kl", "reverse_kl", "js", "tv", "mse", "margin_mse"]
Teacher = Literal["policy", "click"]


class LoraConfig(FrozenModel):
    """Low-rank adapters in place of the backbone's own weights (LoRA, Hu et al. 2021; through peft).

    rank: of an adapter; alpha: it is scaled by alpha / rank; targets: ends of the names of the layers that get one,
    all linear layers where empty.
    """

    rank: int = Field(8, ge=1)
    alpha: int = Field(16, ge=1)
    targets: tuple[str, ...] = ()


class TeacherConfig(FrozenModel):
    """Knobs of one teacher.

    backbone: a Hugging Face folder, the embedded MiniLM if none; architecture: how it reads a pair, by the backbone
    where auto: joint (BERT family; models/teachers/cross_encoder.py), encoder or decoder (any family;
    models/teachers/full_text.py).
    max_pairs: training pairs at most, whole lists drawn by seed; max_request_tokens, max_job_tokens: text length;
    joint_layers (joint): top layers in which the job's tokens see the request's, below them each text is read alone;
    frozen_layers: lowest layers held fixed; what comes out of fixed layers is kept, up to memory_mb (joint).

    targets: grades as soft labels, or as four ordered thresholds; ranking: the loss beside that of single pairs, with
    ranking_weight. position: how an engagement task is freed of the place at which a job was shown: a logit of the
    place learned beside (tower), positives weighted by the inverse propensity of the place, at least least_propensity,
    or not at all. warm_start: the click teacher begins as the policy teacher; base: a teacher's folder to begin as
    instead, such as one that a stopped run left.

    lora: train adapters of the backbone and not its weights; checkpointing: forget what is inside a layer until the
    backward pass, for less memory and a third more time; precision: of matrix products, bfloat16 where the machine is
    made for it if auto.
    """

    backbone: Path | None = None
    architecture: Architecture | Literal["auto"] = "auto"
    max_pairs: int = Field(3_000, ge=1)
    epochs: int = Field(2, ge=1)
    max_request_tokens: int = Field(160, ge=16, le=2048)
    max_job_tokens: int = Field(128, ge=16, le=2048)
    joint_layers: int = Field(2, ge=1)
    frozen_layers: int = Field(4, ge=0)
    memory_mb: int = Field(2_000, ge=0)
    batch_pairs: int = Field(32, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    head_rate: float = Field(1e-3, gt=0)
    targets: Literal["soft", "ordinal"] = "soft"
    ranking: Literal["listwise", "pairwise", "none"] = "listwise"
    ranking_weight: float = Field(0.3, ge=0)
    position: Literal["tower", "propensity", "none"] = "tower"
    least_propensity: float = Field(0.02, gt=0, le=1)
    warm_start: bool = True
    base: Path | None = None
    lora: LoraConfig | None = None
    checkpointing: bool = False
    precision: Arithmetic = "auto"
    seed: int = 0


class PruneConfig(FrozenModel):
    """Knobs of structured pruning (models/student/prune.py).

    neurons, heads: shares that go of each layer, at least one of each stays; layers: of the item encoder; steps: equal
    ones that it is done in; epochs: of distillation after each, 0 for none; lists: of calibration.
    """

    neurons: float = Field(0.25, ge=0, lt=1)
    heads: float = Field(0.0, ge=0, lt=1)
    layers: int = Field(0, ge=0)
    steps: int = Field(2, ge=1)
    epochs: int = Field(1, ge=0)
    lists: int = Field(32, ge=1)


class StudentConfig(FrozenModel):
    """Knobs of the student.

    item_tokens: T, vectors a job; via: T of mid-size students, each taught by the one before it (stepwise);
    score_layers: layers a candidate passes; frozen_layers, frozen_item_layers: lowest layers of prefix and item encoder
    held fixed; what comes out of them is kept, up to memory_mb; max_*_tokens: text length; warm_start: begin as the
    mean of the teachers' weights; base: a student's folder to begin as instead, whose tasks may be fewer; learn: all of
    it, or the head alone, so that the item tokens of a base stay as they are.

    distil: the teachers; a task that none of them answers is learned from its labels. relevance_epochs: epochs with
    relevance alone before the other tasks join; align: weight of what the item tokens lose of the text (MixLM), a tenth
    of it after align_epochs; align_pairs: pairs of a list that it is computed on. list_size: pairs of a list in one
    step; divergence: between teacher and student; listwise: weight of the same within a list; labels: weight of the
    labels themselves beside the teachers; weights: of the tasks, 1 where not named. prune: makes the trained student
    smaller; with a base and no epoch that is all that is done.
    """

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
    prune: PruneConfig | None = None
    seed: int = 0


class EncoderTraining(FrozenModel):
    """Knobs of the trained retrieval encoder, one tower for requests and jobs (models/encoder/towers.py).

    backbone: a BERT-family folder to begin as, such as that of a trained encoder; the embedded MiniLM if none.
    max_requests: past requests to learn from; max_tokens: text length; frozen_layers: lowest layers held fixed; what
    comes out of them is kept, up to memory_mb.

    batch: positives a step, whose jobs are negatives of each other's requests; easy_share: of a step's jobs that are
    drawn from the whole inventory (COOKBOOK 5.3); epochs: with all of these; hard_epochs: after them, with the
    `hardest` negatives of each positive alone, at hard_rate of the learning rate. scale: of a cosine in the softmax.
    anchor: weight of the squared distance from the weights that a stage of epochs begins with, against forgetting
    (L2-SP, Li, Grandvalet and Davoine 2018). dims: shorter vectors that are trained too (Matryoshka).

    lists: a workspace of the same log that has been through the recipe. margin_weight: of the hinge between the judged
    pairs of its training lists, `mined` good ones that score low and as many bad ones that score high, `margin` apart;
    distil_weight: of the divergence within a list from the scores of `teacher`. lists_a_batch: lists a step.
    """

    backbone: Path | None = None
    max_requests: int = Field(20_000, ge=1)
    max_tokens: int = Field(96, ge=8, le=512)
    frozen_layers: int = Field(0, ge=0)
    memory_mb: int = Field(2_000, ge=0)
    batch: int = Field(64, ge=1)
    easy_share: float = Field(0.0, ge=0, lt=1)
    epochs: int = Field(2, ge=0)
    hard_epochs: int = Field(0, ge=0)
    hardest: int = Field(32, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    hard_rate: float = Field(0.5, gt=0)
    scale: float = Field(20.0, gt=0)
    anchor: float = Field(0.0, ge=0)
    dims: tuple[Annotated[int, Field(ge=1)], ...] = ()
    lists: Path | None = None
    lists_a_batch: int = Field(4, ge=1)
    margin_weight: float = Field(0.0, ge=0)
    margin: float = Field(0.1, ge=0)
    mined: int = Field(2, ge=1)
    distil_weight: float = Field(0.0, ge=0)
    teacher: Teacher = "policy"
    precision: Arithmetic = "auto"
    seed: int = 0

    @model_validator(mode="after")
    def _has_lists(self) -> Self:
        if self.lists is None and (self.margin_weight or self.distil_weight):
            raise ValueError("margin_weight and distil_weight learn from lists, and none are named")
        return self


class ExportConfig(FrozenModel):
    """Knobs of the export.

    precision: of the served graphs.

    The export is refused where the served graphs stray from the float32 student, or their probabilities from what
    happened, on the test lists of any task that has labels enough to calibrate. least_agreement: NDCG@1 agreement with
    the student; least_rank_correlation: Kendall's tau with it within lists; most_calibration_error: expected
    calibration error, compared by the lower end of its interval, as few labels make it look larger than it is.
    by_position: calibrate each group of places in an answer by itself. seed: of the intervals.

    grades: let graded lists have a say in the blend beside what members did; leave_out: pair features
    that the blend is not to read; l2: penalty on its weights.
    """

    precision: Precision = "int8"
    least_agreement: float = Field(0.98, ge=0, le=1)
    least_rank_correlation: float = Field(0.85, ge=-1, le=1)
    most_calibration_error: float = Field(0.1, ge=0, le=1)
    by_position: bool = False
    seed: int = 0
    grades: bool = False
    leave_out: tuple[str, ...] = ()
    l2: float = Field(1e-2, ge=0)

    @field_validator("leave_out")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in PAIR_FEATURES]:
            raise ValueError(f"{', '.join(unknown)}: not of {', '.join(PAIR_FEATURES)}")
        return names
