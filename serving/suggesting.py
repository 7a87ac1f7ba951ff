"""What would narrow a search: values of attributes and phrases of titles, of the jobs that the query found.

A suggestion is scored by the student, with the scores that it gave the jobs of the search itself: the mean probability
of a good match of the scored jobs that it would leave, drawn towards that of all scored jobs (`PRIOR`), so that three
lucky jobs do not lead. No text is scored that the search would not score, and asked after the same search (bundles of
fixed scales) the scores are still kept. It says which jobs fit better; it does not say what members like to press.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from contracts.errors import UnknownAttribute
from contracts.text.words import content_words, stem, word_groups
from contracts.values import FrozenModel
from ranking.blend import RELEVANCE
from ranking.rank import RANKED, Ranked
from retrieval.filters.attributes import TEXT_ATTRIBUTES
from retrieval.filters.filters import AnyOf
from retrieval.index.job_index import JobIndex
from retrieval.queries.chips import Chip, Reading
from retrieval.queries.known import known_of
from retrieval.queries.values import spelled
from serving.answering import Answerer
from serving.schemas import SearchRequest
from serving.servable import Servable
from serving.stages import Stages
from serving.surfaces.surface import Surface

PRIOR = 5
"""Jobs of the mean probability that each suggestion's own are averaged with."""
LEAST_FOUND = 2
"""Scored jobs that have what is suggested: of fewer the student says nothing."""
MOST_OF_EACH = 50
"""Values of an attribute, and phrases, that are scored: those of the most jobs that were found."""
ScoredBy = Literal["good_match", "relevance", "share"]


class Suggestion(FrozenModel):
    """One way to narrow a search."""

    kind: Literal["filter", "phrase"]
    attribute: str = Field(description="Of the filter; empty for a phrase.")
    value: str
    label: str = Field(description="In words, for a link or a chip.")
    count: int = Field(description="Jobs that may be shown, hold a word of the query and have it.")
    score: float = Field(description="See `scored_by` of the answer; comparable within one answer.")
    clause: Mapping[str, Any] | None = Field(description="To be added to `filter.all`; null for a phrase.")
    words: str = Field(description="To be added to `query`; empty for a filter.")


class SuggestionsAnswer(FrozenModel):
    """Ways to narrow a search, best first."""

    request_id: str
    surface: str
    suggestions: tuple[Suggestion, ...]
    jobs: int = Field(description="Jobs that may be shown and hold a word of the query, before any suggestion.")
    scored_by: ScoredBy = Field(
        description="What a score is: `good_match`, the calibrated probability of a good match of the scored jobs that "
        "have it, in the mean; `relevance`, the same of a bundle without that calibration, by the logistic of the "
        "student's relevance; `share`, the share of the found jobs that have it, where the student says neither."
    )
    depth: int = Field(description="Candidates that the student scored.")
    understood: tuple[Chip, ...] = Field(description="The conditions that were read in the query.")
    bundle_version: str
    index_version: str
    text_version: str
    degraded: tuple[str, ...] = Field(description="Stages that were done without.")
    timings_ms: Mapping[str, float]


class _Found(NamedTuple):
    """Something that could be suggested.

    Attributes:
        attribute: Empty for a phrase.
        value: Folded.
        has: (m,) bool, which of the found jobs have it.
    """

    attribute: str
    value: str
    has: np.ndarray


class _Fits(NamedTuple):
    """The found jobs that suggestions are drawn from.

    Attributes:
        rows: (m,) int32 of the index.
        fit: (m,) in [0, 1], how well each fits; None where the student does not say.
        by: What `fit` is.
    """

    rows: np.ndarray
    fit: np.ndarray | None
    by: ScoredBy

    def score(self, has: np.ndarray) -> float:
        """Of what the jobs of (m,) bool have."""
        if self.fit is None:
            return float(has.mean())
        mean = float(self.fit.mean())
        return (float(self.fit[has].sum()) + PRIOR * mean) / (int(has.sum()) + PRIOR)


def suggest(
    answerer: Answerer,
    servable: Servable,
    surface: Surface,
    message: SearchRequest,
    arrived: float,
    depth: int = RANKED,
) -> SuggestionsAnswer:
    """What would narrow a search.

    Never what leaves fewer jobs than `surface.least` or as many as before, nor what query or filter ask for already; of
    two that leave the same of the found jobs the first.

    Args:
        answerer: Finds and ranks.
        servable: Answers it from the first stage to the last.
        surface: `facets` are the attributes whose values are suggested, `k` is how many at most.
        message: The search. How its list would be arranged changes nothing.
        arrived: When it came in, by `time.monotonic`.
        depth: Candidates that the student scores at most.

    Raises:
        UnknownAttribute: The filter names an attribute that the index lacks, or `facets` one without values.
        BadInput: The filter does not fit its attribute, or an objective lies outside the bundle's bounds.
    """
    surface = surface.asked_by(message)
    for name in surface.facets:
        if name not in TEXT_ATTRIBUTES:
            problem = f"no values of {name[:80]!r} to suggest"
            raise UnknownAttribute(problem, where="facets", cure=f"one of {', '.join(TEXT_ATTRIBUTES)}")
    stages = Stages(uuid.uuid4().hex, answerer.metrics, arrived + answerer.deadline, answerer.times)
    found = answerer.looked_up(servable, surface, message, message.objective, depth, stages)
    index, fits = servable.index, _fits(found.ranked, surface.ranked)

    def chosen() -> tuple[int, tuple[Suggestion, ...]]:
        base = index.mask(found.request, surface.rules_of(answerer.rules))
        scores = index.term_scores(found.request)
        if found.request.words and scores.any():
            base &= scores > 0
        options = [*_values(index, surface.facets, fits), *_phrases(index, fits)]
        wanted = _Asked.of(index, message, found.reading)
        options = [one for one in options if one.has.sum() >= LEAST_FOUND and not wanted.has(one)]
        options.sort(key=lambda one: (-fits.score(one.has), -int(one.has.sum()), one.attribute, one.value))
        return int(base.sum()), tuple(_chosen(index, options, base, fits, surface))

    jobs, suggestions = stages.run("suggestions", chosen, instead=lambda: (0, ()))
    return SuggestionsAnswer(
        request_id=stages.request_id,
        surface=surface.name,
        suggestions=suggestions,
        jobs=jobs,
        scored_by=fits.by,
        depth=found.ranked.depth,
        understood=found.reading.chips,
        bundle_version=servable.manifest.version,
        index_version=index.version,
        text_version=servable.manifest.text_version,
        degraded=tuple(stages.degraded),
        timings_ms=stages.timings_ms | {"total": round((time.monotonic() - arrived) * 1_000, 3)},
    )


class _Asked(NamedTuple):
    """What a search asks for already.

    Attributes:
        stems: Of its words, in each language of the index.
        values: Attributes and folded values of its filter and of what its query was read as.
        languages: Of the index.
    """

    stems: frozenset[str]
    values: frozenset[tuple[str, str]]
    languages: Sequence[str]

    @classmethod
    def of(cls, index: JobIndex, message: SearchRequest, reading: Reading) -> _Asked:
        languages = index.terms.languages
        words = content_words(f"{message.query} {reading.query}")
        filters = (message.filter, *(one.filter for one in reading.understood))
        values = {
            (condition.attribute, value.casefold())
            for filter in filters
            for condition in filter.conditions()
            if isinstance(condition, AnyOf)
            for value in condition.any_of
        }
        values |= {(chip.field, chip.value.casefold()) for chip in reading.chips}
        return cls(frozenset(_stems(words, languages)), frozenset(values), languages)

    def has(self, one: _Found) -> bool:
        if (one.attribute, one.value) in self.values:
            return True
        words = content_words(one.value.replace("_", " "))
        if one.attribute:
            return bool(words) and all(self.stems & {*_stems([word], self.languages)} for word in words)
        return any(self.stems & {*_stems([word], self.languages)} for word in words)


def _stems(words: Sequence[str], languages: Sequence[str]) -> Iterator[str]:
    return (stem(word, language) for word in words for language in languages)


def _fits(ranked: Ranked, most: int) -> _Fits:
    """The jobs that the student scored and how well they fit, where it says so; without it the first of retrieval."""
    scored = ranked.scored
    if scored is None or not len(scored.logits):
        return _Fits(ranked.rows[: max(1, most)], None, "share")
    rows = ranked.rows[: len(scored.logits)]
    if scored.good is not None:
        return _Fits(rows, scored.good, "good_match")
    if RELEVANCE not in scored.manifest.tasks:
        return _Fits(rows, None, "share")
    relevance = scored.logits[:, scored.manifest.tasks.index(RELEVANCE)].astype(np.float64)
    return _Fits(rows, 1 / (1 + np.exp(-relevance)), "relevance")


def _values(index: JobIndex, attributes: Sequence[str], fits: _Fits) -> Iterator[_Found]:
    """The values of the found jobs, of each attribute the most frequent."""
    found = np.zeros(len(index), dtype=bool)
    found[fits.rows] = True
    for name in dict.fromkeys(attributes):
        counts = Counter(dict(index.attributes.value_counts(name, found)))
        for value, count in counts.most_common(MOST_OF_EACH):
            if count:
                yield _Found(name, value, index.attributes.shared(name, [value], fits.rows) > 0)


def _phrases(index: JobIndex, fits: _Fits) -> Iterator[_Found]:
    """Words and pairs of words of the found jobs' titles, the most frequent; none that name a value of an attribute."""
    named = {phrase for phrases in known_of(index).lexicon.fields.values() for phrase in phrases.values}
    holders: dict[tuple[str, ...], list[int]] = {}
    for at, title in enumerate(index.jobs.titles(fits.rows)):
        for phrase in dict.fromkeys(_runs(title)):
            if phrase not in named:
                holders.setdefault(phrase, []).append(at)
    for phrase in sorted(holders, key=lambda one: (-len(holders[one]), one))[:MOST_OF_EACH]:
        has = np.zeros(len(fits.rows), dtype=bool)
        has[holders[phrase]] = True
        yield _Found("", " ".join(phrase), has)


def _runs(title: str) -> Iterator[tuple[str, ...]]:
    """The words of a title alone and in pairs, without stop words and numbers; none of a script without spaces."""
    said = [group[0] if len(group) == 1 else "" for group in word_groups(title)]
    meant = {*content_words(title)}
    words = [word if word in meant and not word.isdecimal() else "" for word in said]
    yield from ((word,) for word in words if len(word) > 1)
    yield from (pair for pair in pairwise(words) if all(pair))


def _chosen(
    index: JobIndex, options: Sequence[_Found], base: np.ndarray, fits: _Fits, surface: Surface
) -> Iterator[Suggestion]:
    """The first options that leave enough jobs of (n,) bool and not all, and each something else."""
    total, left = int(base.sum()), surface.k
    seen: set[bytes] = set()
    for one in options:
        if left == 0:
            return
        if (key := one.has.tobytes()) in seen:
            continue
        if one.attribute:
            count = int((base & index.attributes.holds_any(one.attribute, [one.value])).sum())
        else:
            count = int(base[index.terms.rows(one.value)].sum())
        if not surface.least <= count < total:
            continue
        seen.add(key)
        left -= 1
        yield _suggestion(one, count, fits.score(one.has))


def _suggestion(one: _Found, count: int, score: float) -> Suggestion:
    clause = AnyOf(attribute=one.attribute, any_of=(one.value,)) if one.attribute else None
    return Suggestion(
        kind="filter" if clause else "phrase",
        attribute=one.attribute,
        value=one.value,
        label=spelled(one.value) if clause else one.value,
        count=count,
        score=round(score, 6),
        clause=clause.model_dump(mode="json", by_alias=True, exclude_defaults=True) if clause else None,
        words="" if clause else f'"{one.value}"',
    )
