"""Candidates in their final order, by an objective: what people choose, the policy's weight, a floor on its match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contracts.bundle import Blend, Manifest, Objective
from contracts.errors import RolecallError
from ranking.blend import blend_inputs
from ranking.calibrate import probabilities
from ranking.explain import demotion
from ranking.features import pair_features
from ranking.match import RequestTitles, match_bins
from ranking.objective import blend_of, good_matches, ordering
from ranking.reasons import reasons
from ranking.scorer import BundleScorer
from retrieval.candidates import Candidates
from retrieval.index.job_index import JobIndex
from retrieval.merge import below_others
from retrieval.request import Request
from retrieval.sources.registry import why as clause_of


class NotFinite(RolecallError):
    """The student's scores are no numbers: item tokens or weights are broken."""

    reason, http_status = "not_finite", 503


RANKED = 200
"""Candidates that the student scores; the others follow in the order of retrieval."""
MAX_REASONS = 3
"""Facts behind the blend's contributions that an answer names."""


@dataclass(frozen=True)
class Scored:
    """The student's scores of the first m jobs of an order.

    Attributes:
        manifest: Of the bundle.
        logits: (m, tasks) float32.
        objective: By which they were put in order.
        blend: As the objective weighs it; None where the order is another.
        inputs: (m, F) float32 that the blend read; None without a blend.
        good: (m,) probabilities of a good match; None where the bundle does not say.
        match: (m, C) uint8, the bin of each comparison of the request and a job; None where the bundle reads none.
        titles: Of the request, as they were given; None where no title is known.
    """

    manifest: Manifest
    logits: np.ndarray
    objective: Objective
    blend: Blend | None = None
    inputs: np.ndarray | None = None
    good: np.ndarray | None = None
    match: np.ndarray | None = None
    titles: RequestTitles | None = None

    def at(self, places: np.ndarray) -> Scored:
        """The same with its jobs in another order. places: (m,) int, where each stood."""
        columns = {name: getattr(self, name) for name in ("logits", "inputs", "good", "match")}
        return replace(self, **{name: of[places] for name, of in columns.items() if of is not None})


@dataclass(frozen=True)
class Ranked:
    """n jobs, best first. What an answer tells about a job is computed on demand, since most are not shown.

    Attributes:
        rows: (n,) int32 of the index.
        scores: (n,) float64.
        candidates: What was ranked.
        order: (n,) int, the place of each among the candidates.
        scored: By the student; None where it scored none and the order is that of retrieval.
    """

    rows: np.ndarray
    scores: np.ndarray
    candidates: Candidates
    order: np.ndarray
    scored: Scored | None

    def in_rows(self, rows: np.ndarray) -> Ranked:
        """The same jobs in other rows ((n,) int32), as of another build of the index; below 0: the job is gone."""
        demoted = {int(row): rules for i, row in enumerate(rows.tolist()) if (rules := self.demoted_by(i))}
        return replace(self, rows=rows, candidates=replace(self.candidates, demoted=demoted))

    def found_by(self, i: int) -> tuple[str, ...]:
        return self.candidates.found_by(int(self.order[i]))

    def demoted_by(self, i: int) -> tuple[str, ...]:
        return self.candidates.demoted.get(int(self.rows[i]), ())

    def probabilities(self, shown: Sequence[int], first: int = 1) -> list[dict[str, float]]:
        """Task -> calibrated probability of each job of an answer; empty where the student did not score it.

        A bundle may calibrate by the rank in an answer, so this comes once it is decided which jobs are shown.

        Args:
            shown: The jobs of the answer, as indices into this order, in the order in which they are shown.
            first: The rank of the first of them.
        """
        by_job: list[dict[str, float]] = [{} for _ in shown]
        if self.scored is None:
            return by_job
        places = [place for place, i in enumerate(shown) if i < len(self.scored.logits)]
        logits = self.scored.logits[[shown[place] for place in places]]
        by_task = probabilities(self.scored.manifest, logits, np.array(places, np.int64) + first)
        for row, place in enumerate(places):
            by_job[place] = {task: round(float(values[row]), 6) for task, values in by_task.items()}
        return by_job

    def blended(self, i: int) -> np.ndarray | None:
        """(F,) float32, the inputs of the blend for job i; None where it was not blended."""
        inputs = self.scored.inputs if self.scored else None
        return inputs[i] if inputs is not None and i < len(inputs) else None

    def match(self, i: int) -> np.ndarray | None:
        """(C,) uint8, the bins of the request and job i; None where the student did not read them."""
        match = self.scored.match if self.scored else None
        return match[i] if match is not None and i < len(match) else None

    @property
    def blend(self) -> Blend | None:
        """As the request's objective weighs it; None where the order is another."""
        return self.scored.blend if self.scored else None

    @property
    def objective(self) -> Objective:
        """By which the jobs were put in order; that of retrieval where the student scored none."""
        return self.scored.objective if self.scored else UNSCORED

    def good_match(self, i: int) -> float | None:
        """The probability that the judge grades job i 3 or 4; None where nobody can say."""
        good = self.scored.good if self.scored else None
        return float(good[i]) if good is not None and i < len(good) else None

    @property
    def depth(self) -> int:
        """How many candidates the student scored."""
        return len(self.scored.logits) if self.scored else 0

    @property
    def passed(self) -> int | None:
        """How many of the jobs that the student scored reach the floor; None where that is not known."""
        good = self.scored.good if self.scored else None
        return None if good is None else int((good >= self.objective.floor).sum())

    def because(self, i: int) -> tuple[str, ...]:
        """Why retrieval found job i: what its sources say where that is so of this job, then their own sentences."""
        scores = zip(self.candidates.sources, self.candidates.scores[int(self.order[i])].tolist(), strict=True)
        return (*filter(None, (clause_of(*found) for found in scores)), *self._own_sentences(i))

    def why(self, i: int) -> tuple[str, ...]:
        """The strongest facts that moved job i up, retrieval's own sentences and the rules that demote it.

        Where the blend tells no such fact what the sources say takes its place.
        """
        inputs = self.blended(i)
        facts = reasons(self.blend, inputs)[:MAX_REASONS] if self.blend is not None and inputs is not None else ()
        told = (*(sentence for sentence, _ in facts), *self._own_sentences(i)) if facts else self.because(i)
        return (*told, *map(demotion, self.demoted_by(i)))

    def _own_sentences(self, i: int) -> tuple[str, ...]:
        own = self.candidates.reasons[int(self.order[i])] if self.candidates.reasons else ""
        return (own,) if own else ()


UNSCORED = Objective(why="the student did not score this answer")


def as_retrieved(candidates: Candidates) -> Ranked:
    """The order of retrieval, without the student."""
    return Ranked(
        candidates.rows, candidates.fused.astype(np.float64), candidates, np.arange(len(candidates)), scored=None
    )


def rank(
    index: JobIndex,
    scorer: BundleScorer,
    request: Request,
    candidates: Candidates,
    vector: np.ndarray | None,
    top: int,
    titles: RequestTitles | None = None,
    objective: Objective | None = None,
    prefix: Callable[[], np.ndarray] | None = None,
) -> Ranked:
    """The first candidates by an objective, the others after them in the order of retrieval.

    Jobs under the objective's floor come after those that reach it, and jobs that a rule demotes after both.

    Args:
        index: Holds the item tokens.
        scorer: Of the bundle.
        request: What the candidates were found for.
        candidates: n of them, best first.
        vector: (dim,) float32, the encoded request text.
        top: How many of the candidates the student scores.
        titles: Of `ranking.match.encode_titles`, for a bundle that reads a match; None where no title is known.
        objective: Of `ranking.objective.objective_of`; None: the bundle's own for the request's surface.
        prefix: Of the scorer's `prefix_ahead` for the request's text; None: it is read here.
    """
    manifest = scorer.manifest
    objective = objective or manifest.objective(request.surface)
    rows = candidates.rows[:top]
    match = bins_read(index, scorer, request, rows, titles)
    logits = scorer.scores(request.request_text, index, rows, match, prefix)
    if not np.isfinite(logits).all():
        raise NotFinite(
            f"bundle {manifest.version} scored {int((~np.isfinite(logits)).any(1).sum())} jobs as no number"
        )
    good = good_matches(manifest.good_match, logits, scorer.tasks)
    blend, inputs = blend_of(manifest, objective), None
    if blend is not None:
        features = pair_features(index, index.activity, request, rows, vector, candidates.terms[:top])
        inputs = blend_inputs(blend.names, features, logits, scorer.tasks)
    retrieved = as_retrieved(candidates)
    scored = Scored(manifest, logits, objective, blend, inputs, good, match, titles)
    if not len(rows) or (objective.order == "retrieval" and not objective.floor):
        return replace(retrieved, scored=scored)
    final = ordering(objective, blend, inputs, logits, scorer.tasks, candidates.fused[:top], good)
    final = below_others(final, np.array([int(row) in candidates.demoted for row in rows]))
    best = np.argsort(-final, kind="stable")
    after = final.min() - 1 - np.arange(len(candidates) - len(rows))
    order = np.concatenate([best, retrieved.order[len(rows) :]])
    return Ranked(candidates.rows[order], np.concatenate([final[best], after]), candidates, order, scored.at(best))


def bins_read(
    index: JobIndex, scorer: BundleScorer, request: Request, rows: np.ndarray, titles: RequestTitles | None
) -> np.ndarray | None:
    """(n, C) uint8 that a bundle reads of n rows, those of titles 0 where none are known; None where it reads none."""
    if not scorer.manifest.match_version:
        return None
    none = RequestTitles(*[np.zeros((0, index.manifest.dim), np.float32)] * 3)
    return match_bins(index, request, rows, titles or none, scorer.work)
