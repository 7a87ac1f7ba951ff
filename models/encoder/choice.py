"""What an encoder learns by itself, and whether it is kept: how a text is read, and the head.

A few ways to read a text, and the heads that are learned from pairs under them, are compared on validation requests
with the encoder as it came, which reads a text as one. Another is kept where it finds more of the jobs that were taken
among its first hundred, by an interval over askers that excludes zero; of those the one that finds most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from contracts.encoder import Side
from contracts.progress import Progress
from contracts.text.parts import KINDS, PartWeights
from contracts.values import FrozenModel
from models.config import HeadTraining
from models.encoder.head import train_head
from models.encoder.positives import Positives
from models.encoder.validation import MEASURES, Searches
from models.training.metrics import grouped_mean
from retrieval.encoder import mapped, summed

log = logging.getLogger("rolecall")

SLICE_TEXTS = 512
AS_IT_CAME = "as it came"
READINGS: Mapping[str, PartWeights] = {
    AS_IT_CAME: PartWeights(),
    "titles beside the whole": PartWeights(titles=1),
    "titles and activity beside the whole": PartWeights(titles=1, activity=1),
    "sentences beside the whole": PartWeights(sentences=1),
    "parts alone": PartWeights(whole=0, titles=1, work=1, activity=1, skills=1, sentences=1),
    "all alike": PartWeights(titles=1, work=1, activity=1, skills=1, sentences=1),
}
"""The ways to read a text that are compared, the cheapest first."""
STEPS = (0.0, 0.5, 1.0, 2.0)
"""Weights of a kind that are tried, one kind after another, from the best of `READINGS`."""
TUNED = "weights tuned"


class Encoder(Protocol):
    """What is read of a `retrieval.encoder.TextEncoder`."""

    def by_kind(self, texts: Sequence[str], weights: PartWeights, side: Side) -> np.ndarray: ...


class Tried(FrozenModel):
    """A way to make vectors, and what it found on the validation requests.

    Attributes:
        name: What it is.
        parts: How it reads a text.
        learned_from: What its head learned from; empty: it has none.
        found: Measure -> mean.
        gain: Recall above that of the encoder as it came.
        low: Lower end of its 95% interval.
        high: Upper end.
    """

    name: str
    parts: PartWeights
    learned_from: str = ""
    found: dict[str, float]
    gain: float
    low: float
    high: float


class Choice(FrozenModel):
    """What was chosen and why; the file `choice.json` beside the encoder.

    Attributes:
        made_from: Version of the pairs, requests and knobs.
        judged_by: "log" or "adverts": whose validation requests those are; "nothing" where there were too few.
        requests: How many.
        pairs: Pairs that a head learned from.
        tried: All that was compared, the encoder as it came first.
        kept: The name of the one that is used.
        why: In a sentence.
    """

    made_from: str
    judged_by: Literal["log", "adverts", "nothing"]
    requests: int = 0
    pairs: int = 0
    tried: tuple[Tried, ...] = ()
    kept: str = AS_IT_CAME
    why: str


class Chosen(NamedTuple):
    """head: (dim, dim) float32, None: none."""

    choice: Choice
    parts: PartWeights
    head: np.ndarray | None


def choose(
    encoder: Encoder,
    searches: Searches,
    learn: tuple[str, Positives] | None,
    parts: PartWeights | None,
    config: HeadTraining,
    about: Mapping[str, str],
) -> Chosen:
    """Compare the ways to make vectors with an encoder, and say which to keep.

    Args:
        encoder: As it came: without parts or head.
        searches: What they are compared by.
        learn: What a head learns from, in a word, and the pairs; None: no head.
        parts: The one way to read a text; None: chosen among several.
        config: The knobs.
        about: `made_from` and `judged_by`.
    """
    pairs = learn[1] if learn else None
    requests, jobs = (
        list(dict.fromkeys([*own, *more]))
        for own, more in (
            (searches.requests, pairs.requests if pairs else ()),
            (searches.jobs, pairs.jobs if pairs else ()),
        )
    )
    directions = _directions(encoder, {"request": requests, "job": jobs}, parts)
    of_request = {text: i for i, text in enumerate(requests)}
    of_job = {text: len(requests) + i for i, text in enumerate(jobs)}
    asked = np.array([of_request[text] for text in searches.requests])
    offered = np.array([of_job[text] for text in searches.jobs])

    def found(vectors: np.ndarray) -> np.ndarray:
        return searches.found(vectors[asked], vectors[offered])

    base = found(summed(directions, PartWeights()))
    tried: list[Tried] = []
    heads: dict[str, np.ndarray | None] = {}

    def tell(
        name: str, read: PartWeights, values: np.ndarray, head: np.ndarray | None = None, source: str = ""
    ) -> None:
        gain, low, high = grouped_mean(values[:, 0] - base[:, 0], searches.askers, config.seed)
        measured = dict(zip(MEASURES, values.mean(axis=0).round(6).tolist(), strict=True))
        tried.append(Tried(name=name, parts=read, learned_from=source, found=measured, gain=gain, low=low, high=high))
        heads[name] = head

    tell(AS_IT_CAME, PartWeights(), base)
    for name, read in _readings(parts):
        tell(name, read, found(summed(directions, read)))
    if parts is None:
        best = max(tried, key=_worth)
        tuned = _tuned(best.parts, lambda read: found(summed(directions, read)).mean(axis=0))
        if tuned != best.parts:
            tell(TUNED, tuned, found(summed(directions, tuned)))
    if learn is not None and pairs is not None:
        of_pairs = [
            np.array([place[text] for text in some])
            for place, some in ((of_request, pairs.requests), (of_job, pairs.jobs))
        ]
        for read in dict.fromkeys(
            one.parts for one in (tried[0], max(tried, key=_worth)) if parts in (None, one.parts)
        ):
            vectors = summed(directions, read)
            head = train_head(vectors[of_pairs[0]], vectors[of_pairs[1]], pairs, config)
            name = f"{next(one.name for one in tried if one.parts == read)}, learned from {learn[0]}"
            tell(name, read, found(mapped(vectors, head)), head, learn[0])
    kept = _kept(tried, parts)
    choice = Choice(
        requests=len(searches),
        pairs=len(pairs) if pairs else 0,
        tried=tuple(tried),
        kept=kept.name,
        why=_why(tried, kept),
        **about,
    )
    return Chosen(choice, kept.parts, heads[kept.name])


def read_choice(path: Path) -> Choice | None:
    """The choice in a file; None where there is none that can be read: it is then made anew."""
    try:
        return Choice.model_validate_json(path.read_bytes()) if path.is_file() else None
    except ValueError:
        return None


def _directions(encoder: Encoder, texts: Mapping[Side, list[str]], parts: PartWeights | None) -> np.ndarray:
    """As `TextEncoder.by_kind` of the texts of both sides, one after the other, with the whole always read."""
    weights = parts.model_copy(update={"whole": max(parts.whole, 1.0)}) if parts else READINGS["all alike"]
    progress = Progress("encoder", "texts", sum(map(len, texts.values())))
    progress.start()
    made = []
    for side, of_side in texts.items():
        for start in range(0, len(of_side), SLICE_TEXTS):
            some = of_side[start : start + SLICE_TEXTS]
            made.append(encoder.by_kind(some, weights, side))
            progress.add(len(some))
    return np.concatenate(made)


def _readings(parts: PartWeights | None) -> Iterator[tuple[str, PartWeights]]:
    if parts is None:
        yield from list(READINGS.items())[1:]
    elif parts != PartWeights():
        yield "as configured", parts


def _worth(one: Tried) -> tuple[float, ...]:
    return tuple(one.found[name] for name in MEASURES)


def _tuned(start: PartWeights, found: Callable[[PartWeights], np.ndarray]) -> PartWeights:
    """The best weights within one pass over the kinds, each set to the best of `STEPS` while the others stay."""
    best, worth = start, tuple(found(start))
    for kind in KINDS:
        for step in STEPS:
            weights = {name: best.of(name) for name in KINDS} | {kind: step}
            if any(weights.values()):
                tried = start.model_copy(update=weights)
                if tried != best and (value := tuple(found(tried))) > worth:
                    best, worth = tried, value
    return best


def _kept(tried: list[Tried], parts: PartWeights | None) -> Tried:
    """Of those that earn their place the one that finds most; where the reading is given, it or its head."""
    settled = tried[0] if parts is None else next(one for one in tried if one.parts == parts)
    earned = [one for one in tried if one.low > 0 and (parts is None or one.learned_from)]
    return max(earned, key=_worth, default=settled)


def _why(tried: list[Tried], kept: Tried) -> str:
    """Which was kept, in a sentence with its figures."""
    recall = MEASURES[0]
    best = kept if kept is not tried[0] else max(tried[1:], key=_worth, default=kept)
    if best is tried[0]:
        return "nothing else was tried"
    figures = (
        f"{recall} {tried[0].found[recall]:.3f} as it came, {best.found[recall]:.3f} with {best.name!r}: "
        f"{best.gain:+.3f} ({best.low:+.3f} to {best.high:+.3f})"
    )
    return figures if kept is best else f"{figures}, which is no gain for certain"
