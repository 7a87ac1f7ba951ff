"""What a comparison of two runs found, as values: the content of `diff.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel
from replay.clustered import Mean

Said = Literal["better", "worse", "not told apart"]


class Line(FrozenModel):
    """One measure of both runs over the requests that both answered and that say something of it."""

    measure: str
    first: Mean
    second: Mean
    difference: Mean = Field(description="Second less first, request by request.")
    ceiling: Mean | None = Field(None, description="Of the best possible order, where that is known.")
    baseline: Mean | None = Field(None, description="Of popularity alone.")


class Slice(FrozenModel):
    """The chosen measure of some of the requests."""

    kind: str
    name: str
    first: float
    second: float
    difference: Mean
    p: float = Field(description="Two-sided, of no difference, adjusted for the number of slices (Holm).")
    said: Said = Field(description="By that p-value.")


class Suppressed(FrozenModel):
    """Slices of one kind that too few members made: they are counted, not shown, and not judged."""

    kind: str
    slices: int
    requests: int


class Estimated(FrozenModel):
    """What an off-policy estimator says of one policy, or of the difference of two; None where it refuses."""

    value: float | None
    low: float | None
    high: float | None
    verdict: str
    reasons: tuple[str, ...]
    effective: float = Field(description="Requests' worth of evidence.")


class Value(FrozenModel):
    """What both runs would have brought at a request, by one estimator."""

    estimator: str
    assumes: str
    reward: str = Field(description="What is counted: view or apply.")
    places: int = Field(description="Of the list, from the first.")
    requests: int
    first: Estimated
    second: Estimated
    difference: Estimated
    needed: int | None = Field(None, description="Requests that would tell a gain of a tenth from chance.")


class Placed(FrozenModel):
    """A job of an example."""

    title: str
    company: str
    chosen: int = Field(description="Gain of what the person did with it; 0: nothing that is known.")
    why: tuple[str, ...]


class Example(FrozenModel):
    """A request at which the second run is much worse than the first."""

    request_id: str
    query: str
    about: Mapping[str, str]
    first: float
    second: float
    chosen: tuple[str, ...] = Field(description="Titles of the jobs that the person chose.")
    first_jobs: tuple[Placed, ...]
    second_jobs: tuple[Placed, ...]


class Group(FrozenModel):
    """A group that the user named: its rate in both runs, and its ratio to the best group's."""

    name: str
    requests: int
    members: int
    first: float
    second: float
    first_ratio: tuple[float, float | None, float | None] = Field(description="Impact ratio with its interval.")
    second_ratio: tuple[float, float | None, float | None]


class Parity(FrozenModel):
    """Groups side by side. what: what the rate is, in words."""

    what: str
    groups: tuple[Group, ...]
    suppressed: int = Field(description="Groups with fewer members, or requests, than the stated minimum.")


class Gate(FrozenModel):
    """What was asked of a release: no slice may lose more than `worst` of the first run's value."""

    measure: str
    worst: float = Field(description="Share, at most 0: -0.01 is one per cent.")
    confidence: float
    slices: int = Field(description="That were judged, all requests together among them.")
    says: Literal["pass", "worse", "not known"]
    worse: tuple[str, ...] = Field((), description="Slices that certainly lose more.")
    unknown: tuple[str, ...] = Field((), description="Slices of which that cannot be ruled out.")
    suppressed: int = Field(0, description="Slices of too few members, which were not judged.")
    least_members: int = Field(0, description="Members that a slice needs to be judged.")


class Interleaved(FrozenModel):
    """Lists made of both runs in turns (team-draft), and whose picks the log says were chosen."""

    first: float = Field(description="Share of the lists of which more was chosen of the first run's picks.")
    ties: float
    second: float
    difference: Mean = Field(description="`second` less `first`, by request.")
    places: int = Field(description="Jobs of a list.")
    draws: int = Field(description="Lists of a request.")


class Diff(FrozenModel):
    """Two runs over the same requests."""

    first: str = Field(description="Name of the run.")
    second: str
    first_is: str = Field(description="Who answered.")
    second_is: str
    sentence: str
    said: Said
    measure: str
    requests: int = Field(description="That both were asked.")
    left_out: int = Field(description="That one of them alone was asked.")
    learned_from: int = Field(description="Of them, those outside the hold-out: a bundle may have learned them.")
    rank_only: bool
    simulated: bool
    graded_by: str
    set_apart: Mapping[str, int]
    other_features: tuple[str, ...] = Field((), description="What the runs read differently, a sentence each.")
    least_members: int
    level: float = Field(description="Of intervals.")
    lines: tuple[Line, ...]
    slices: tuple[Slice, ...]
    suppressed: tuple[Suppressed, ...]
    gain: float = Field(description="The gain, as a share of the first run's value, that `needed` is for.")
    needed: int | None = Field(description="Requests that would tell such a gain from chance in four logs of five.")
    values: tuple[Value, ...]
    no_value: str = Field(description="Why nothing is estimated from propensities; empty where something is.")
    parity: Parity | None
    interleaved: Interleaved | None = Field(None, description="Null where no request led to anything.")
    examples: tuple[Example, ...]
    gate: Gate | None
