"""The knobs of the jobs, one class a job: a section of `params.yaml` and the flags of the job are made from it.

Imports no Beam, so that the command line starts fast.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from contracts.reading.times import DateOrder, TimeReading
from contracts.values import FrozenModel
from policy.golden.golden import LEAST_AGREEMENT
from policy.judges.registry import AnyJudgeConfig
from policy.judges.rubric import RubricConfig
from retrieval.config import RetrievalConfig

SERVED_LISTS = {"train": 600, "valid": 60, "test": 60}
"""By split, at most, for a judge that is free."""


def _utc(time: datetime | None) -> datetime | None:
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class IngestConfig(FrozenModel):
    """The knobs of taking in raw data."""

    max_reject_share: float = Field(0.05, ge=0, le=1, description="Fail past this share of rejected rows of a table.")
    snapshot: bool = Field(
        False, description="The folder holds all jobs of today: one of the records that it does not name is closed."
    )
    most_closed: float = Field(
        0.5, ge=0, le=1, description="Refuse a snapshot that would close a larger share of the open jobs."
    )
    mapping: Path | None = Field(
        None, description="Which column is which field; none: `mapping.yaml` in the folder of the data, if it is there."
    )
    zone: str = Field("UTC", description="Time zone of times without one, and in which days begin and end.")
    dates: DateOrder | None = Field(
        None, description="Order of 03/04/2026 where no other date of its column tells; none: such a date is not read."
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.reading()
        return self

    def reading(self) -> TimeReading:
        """How times are read that do not say it themselves."""
        return TimeReading(zone=self.zone, dates=self.dates)


class IngestFlags(IngestConfig):
    """The flags of `beam_jobs.ingest`."""

    source: str = Field(description="The folder of members, jobs and events, or what holds them elsewhere.")
    now: Annotated[datetime | None, AfterValidator(_utc)] = Field(
        None, description="Times a day after this lie in the future; the clock's time where absent."
    )


class VerbalizeConfig(FrozenModel):
    """The knobs of text features."""

    trust_first_record: bool = Field(
        True,
        description="Where events lie before the first record of their member or job, take that record as known by "
        "then; a job not before it was posted.",
    )
    form: Path | None = Field(
        None,
        description="File of the form of all texts (fields, their order and budgets), such as `rolecall text trial` "
        "wrote; the built-in form where null. Another form is another text version.",
    )


class EmbedFlags(FrozenModel):
    """The flags of `beam_jobs.embed`."""

    what: Literal["vectors", "items"] = Field(
        "vectors", description="Vectors for retrieval, or a bundle's item tokens."
    )
    tables: str = Field("members,jobs", description="The tables to embed, separated by commas.")
    history: bool = Field(False, description="Every version of a member, not the newest alone.")
    bundle: Path | None = Field(None, description="The bundle of the item tokens; the current one where absent.")


class LabelConfig(FrozenModel):
    """How many requests are labelled, how long their lists are, and who grades them."""

    train_lists: int = Field(300, ge=1, description="Requests to learn from.")
    valid_lists: int = Field(300, ge=1, description="Requests to calibrate and blend by.")
    test_lists: int = Field(120, ge=1, description="Requests to measure by.")
    graded_lists: int = Field(200, ge=0, description="Training lists that the judge grades; it grades all other lists.")
    train_candidates: int = Field(16, ge=2, description="Jobs of a training list.")
    valid_candidates: int = Field(80, ge=1, description="Retrieved jobs of a valid list.")
    test_candidates: int = Field(40, ge=1, description="Retrieved jobs of a test list.")
    random_share: float = Field(0.25, ge=0, le=1, description="Share of a training list's added jobs that are any job.")
    hard_share: float = Field(
        0.2, ge=0, le=1, description="Share of the added jobs on which retrieval and a plain reading differ most."
    )
    served_lists: int | None = Field(
        None,
        ge=0,
        description="Training requests of which the judge grades what retrieval returns, whether they have a list or "
        f"not; where absent, twice `train_lists` and {SERVED_LISTS['train']} at most for a judge that is free or has a "
        "budget (`served_pairs`), none for another.",
    )
    served_held_lists: int | None = Field(
        None,
        ge=0,
        description="The same of valid and of test requests, as many of each: nobody learns from what is graded there, "
        f"so it tells how far teachers and student follow the judge; where absent, {SERVED_LISTS['valid']} for a "
        "judge that is free or has a budget, none for another.",
    )
    served_candidates: int = Field(200, ge=1, description="The best retrieved jobs of such a request that it grades.")
    served_pairs: int | None = Field(
        None,
        ge=0,
        description="A budget for a judge that costs money: of those candidates it grades so many in all, evenly over "
        "their requests; of training requests those on which retrieval and its words differ most, beside a floor; all "
        "where absent.",
    )
    guide: Path | None = Field(
        None,
        description="Graded pairs of a former round (`curve/pairs.parquet`, written by `rolecall policy curve`): what "
        "they teach about the match is one more order that is compared where a budget is spent.",
    )
    floor_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Share of `served_pairs` of training requests that is drawn uniformly, so that agreement over all "
        "candidates can be estimated; the whole of valid and test requests.",
    )
    made_below: int = Field(
        20,
        ge=0,
        description="Where the log has fewer requests to learn from, as on a new board, requests are made of members "
        "and adverts beside them, for the judge alone; 0: never.",
    )
    judge: AnyJudgeConfig = Field(
        RubricConfig(), description="Who grades: `rubric`, {kind: llm, model: M, ...} or {kind: local, folder: F, ...}."
    )
    most_ungraded: float = Field(
        0.05, ge=0, le=1, description="Share of a batch's pairs without a grade past which the job stops."
    )
    policy: Path | None = Field(
        None, description="The product policy of every command that reads one; the built-in one where absent."
    )
    least_kappa: float = Field(
        LEAST_AGREEMENT, ge=0, le=1, description="Quadratic kappa with the golden set that a judge must reach."
    )
    require_golden: bool = Field(False, description="Refuse to label without a golden set.")

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        if self.random_share + self.hard_share > 1:
            both = f"random_share {self.random_share:g} and hard_share {self.hard_share:g}"
            raise ValueError(f"{both} are more than the whole")
        return self

    @property
    def lists(self) -> dict[str, int]:
        """Split -> requests of which lists are made."""
        return {"train": self.train_lists, "valid": self.valid_lists, "test": self.test_lists}

    @property
    def graded_as_served(self) -> dict[str, int]:
        """Split -> requests of which the judge grades what retrieval returns: the knobs, or their defaults for it."""
        knobs = {"train": self.served_lists, "valid": self.served_held_lists, "test": self.served_held_lists}
        default = dict.fromkeys(SERVED_LISTS, 0)
        if self.judge.free or self.served_pairs:
            default = SERVED_LISTS | {"train": min(SERVED_LISTS["train"], 2 * self.train_lists)}
        return {split: default[split] if knob is None else knob for split, knob in knobs.items()}


class LabelFlags(LabelConfig):
    """The flags of `beam_jobs.label`."""

    seed: int = Field(0, description="Of the draw of requests and of random jobs.")
    retrieval: RetrievalConfig = Field(
        RetrievalConfig(), description="How candidates are retrieved: the section `retrieval` of the params."
    )
