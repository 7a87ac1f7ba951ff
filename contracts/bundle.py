"""A bundle's manifest, `bundle.json`: what a trained student needs to be served, back-filled and replayed.

The version is the hash of all content, so an edit after export is found before anything is served.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from contracts.errors import BundleMismatch
from contracts.match import MATCH_VERSION
from contracts.records import Surface
from contracts.text.work import Vocabulary
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import file_hash, is_inside, json_hash

MANIFEST = "bundle.json"
GRAPHS = ("item.onnx", "prefix.onnx", "score.onnx", "tokenizer.json")
"""Files that are served: a manifest without the hash of one says nothing of it."""
FORMAT = 5
"""Raised with every field that is added, dropped or read otherwise: older bundles are then exported again."""


class Calibration(FrozenModel):
    """Isotonic map of one task from logit to probability: linear between the knots, flat outside them."""

    from_rank: int = Field(0, description="First place in an answer that the map holds for; 0: place not known.")
    logits: tuple[float, ...] = Field(description="Logits at the knots, ascending.")
    probabilities: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(description="Probabilities at the knots.")

    @model_validator(mode="after")
    def _is_a_map(self) -> Self:
        logits = self.logits
        if (
            len(logits) != len(self.probabilities)
            or any(a > b for a, b in pairwise(logits))
            or not all(map(math.isfinite, logits))
        ):
            raise ValueError("a probability for each logit, and these finite and ascending")
        return self


class Blend(FrozenModel):
    """Final score = sum of weight x (value - mean) / scale over named inputs: `PAIR_FEATURES` and task names."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]


OrderName = Literal["blend", "relevance", "retrieval"]
"""What jobs are ordered by: the blend, the student's relevance alone, or the order in which they were retrieved."""
Bounds = tuple[float, float]


class Objective(FrozenModel):
    """How the jobs of one surface are ordered, and how far a request may change that.

    Jobs whose probability of a good match reaches `floor` come first, all others after them. Both parts stand in the
    order that `order` names; in the blend relevance weighs more by `weight`. What the student did not score has no
    probability and comes after both. A floor hides nothing: where too few jobs reach it, the others fill the answer.
    """

    order: OrderName = Field("retrieval", description="What jobs are ordered by.")
    weight: float = Field(
        0.0, ge=0, description="Weight of relevance beside the blend, in lengths of the vector of the blend's weights."
    )
    floor: float = Field(0.0, ge=0, lt=1, description="Probability of a good match below which a job comes later.")
    weights: Bounds = Field((0.0, 0.0), description="Least and highest `weight` that a request may set.")
    floors: Bounds = Field((0.0, 0.0), description="Least and highest `floor` that a request may set.")
    why: str = Field("", description="Why it is this order, in a sentence.")

    @property
    def in_words(self) -> str:
        """Order, weight, floor and why in a line."""
        weight = f", policy weight {self.weight:g}" if self.order == "blend" else ""
        floor = f", floor {self.floor:g}" if self.floor else ""
        return f"{self.order}{weight}{floor}" + (f"; {self.why}" if self.why else "")


class Manifest(FrozenModel):
    """bundle.json. Graphs and their signatures (H hidden, T item tokens, L layers of A heads of width D, P places, C
    comparisons):

    item.onnx:   input_ids (n, len) int64, attention_mask (n, len) int64 -> items (n, T, H) float32
    prefix.onnx: input_ids (1, len) int64, attention_mask (1, len) int64 -> prefix_kv (L, 2, A, len + P, D) float32
                 keys and values of each scoring layer; the last P = ceil(H / (A * D)) places hold the request's unit
                 vector, cut into heads and filled with zeros: one place, or more where heads were pruned
    score.onnx:  prefix_kv (L, 2, A, len + P, D) float32, items (n, T, H) float32 -> logits (n, tasks) float32
                 with a match_version also match (n, C) uint8, the bin of each comparison of `contracts.match`

    """

    format: int = FORMAT
    version: str = ""
    text_version: str
    feature_service: str = ""
    tasks: tuple[str, ...]
    task_sentences: Mapping[str, str]
    item_tokens: int = Field(ge=1, le=1_024)
    hidden: int = Field(ge=1, le=65_536)
    max_prefix_tokens: int = Field(ge=1, le=131_072)
    max_item_tokens: int = Field(ge=1, le=131_072)
    precision: str
    match_version: str = Field("", description="Of the comparisons that score.onnx reads; empty where it reads none.")
    vocabulary: Vocabulary = Field(Vocabulary(), description="The table of work that those comparisons read titles by.")
    calibration: Mapping[str, tuple[Calibration, ...]] = Field(
        {},
        description="Task -> its map for any place, then by `from_rank` the maps of places where they differ; only "
        "of tasks with enough labels.",
    )
    good_match: Calibration | None = Field(
        None,
        description="From the logit of `relevance` to the probability that the judge grades a pair 3 or 4; absent "
        "where too few pairs were graded so.",
    )
    blend: Blend | None = Field(None, description="Fitted to what members did; absent where they did too little.")
    objectives: Mapping[Surface, Objective] = Field(
        {}, description="Surface -> its objective. One that is not named takes the blend, or else retrieval's order."
    )
    metrics: Mapping[str, Any] = Field({}, description='Name -> value; of a slice as "name/slice".')
    intervals: Mapping[str, tuple[float, float]] = Field({}, description="Metric -> low and high of its 95% interval.")
    lineage: Mapping[str, Any] = Field({}, description="What the bundle was made from, and by which knobs.")
    files: Mapping[str, str] = Field({}, description="File -> SHA-256 of its content.")

    @property
    def uncalibrated(self) -> tuple[str, ...]:
        """Tasks whose scores are no probabilities, since they had too few labels."""
        return tuple(task for task in self.tasks if task not in self.calibration)

    def objective(self, surface: Surface) -> Objective:
        """The objective of a surface, as the bundle states it or as its description says."""
        return self.objectives.get(surface) or Objective(order="blend" if self.blend else "retrieval")


def content_version(manifest: Manifest) -> str:
    """Twelve hex digits over everything but `version` and `feature_service`, which are named after it."""
    content = manifest.model_dump(mode="json", exclude={"version", "feature_service"})
    return json_hash(content)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle whose every file is as it was exported.

    Raises:
        BundleMismatch: The manifest is absent or malformed, a file is missing or altered, or the version is not that
            of the content, or the match that it reads is of another version.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        if (stated := _format(content)) != FORMAT:
            raise BundleMismatch(f"format {stated}, expected {FORMAT}", where=str(path), cure="export the bundle again")
        manifest = Manifest.model_validate_json(content)
    except FileNotFoundError as error:
        raise BundleMismatch(f"{folder} holds no {MANIFEST}", cure="run `rolecall export`") from error
    except ValidationError as error:
        raise typed(error, BundleMismatch, where=str(path), cure="export the bundle again", root="file") from error
    if absent := sorted(set(GRAPHS) - set(manifest.files)):
        cure = "export the bundle again"
        raise BundleMismatch(f"files: no hash of {', '.join(absent)}", where=str(path), cure=cure)
    for name, expected in manifest.files.items():
        if not is_inside(name):
            what = f"files: {name[:80]!r} is no file of the folder"
            raise BundleMismatch(what, where=str(path), cure="export the bundle again")
        if not (folder / name).is_file() or file_hash(folder / name) != expected:
            raise BundleMismatch(
                f"{name} is missing or was changed after export", where=str(folder), cure="export the bundle again"
            )
    if content_version(manifest) != manifest.version:
        raise BundleMismatch(
            f"version {manifest.version} is not that of its content ({content_version(manifest)})",
            where=str(path),
            cure="bundle.json was edited after export: export it again",
        )
    if manifest.match_version not in ("", MATCH_VERSION):
        raise BundleMismatch(
            f"bundle {manifest.version} reads match version {manifest.match_version}, this release computes "
            f"{MATCH_VERSION}",
            where=str(path),
            cure="label, train and export again",
        )
    return manifest


def _format(content: bytes) -> object:
    """The format that a manifest states, read before its fields, which are those of one format."""
    try:
        return json.loads(content).get("format", FORMAT)
    except (ValueError, AttributeError):
        return FORMAT  # no JSON object: the fields say so
