"""Whether what was served is what the offline tables give for the same moment, and whether scores have moved.

Feature skew: for each sampled answer Feast joins the member's features as of its time; the text that they make is held
against the fingerprint of what the online store gave. Score skew: the student reads the offline text with the item
tokens and the match of then, and its probabilities are held against those that were served. Score drift: the population
stability index of what was served lately against what was served before, with an interval over answers.

Sources: Baylor et al., TFX (KDD 2017), section 3.3 (training-serving skew); Siddiqi, Credit Risk Scorecards (2006),
for the index and its rule of thumb; Davison and Hinkley, Bootstrap Methods (1997), section 5.2, for its interval.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from contracts.errors import NotReady
from contracts.features import MEMBER_KEY, MEMBER_TEXT
from contracts.machine import cores
from contracts.tables import read_table
from contracts.text.verbalizer import content_hash, request_text
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from feature_repo.store import MemberTexts, member_texts_as_of
from ranking.calibrate import probabilities
from serving.config import ServeConfig
from serving.drift_sample import Sampled, read_sample
from serving.servable import Servable, load_servable

BINS = 10
RESAMPLES = 200
GOOD_MATCH = "good_match"
EQUAL, NOT_KNOWN = "equal", "not known offline"


DAYS = 7
"""How far back answers are compared, unless stated."""


class Moved(FrozenModel):
    """Population stability index of one probability, lately against before.

    index: sum over bins of (p - q) ln(p / q), bins by the deciles of before; low, high: 95% interval by resampling
    answers; answers: of lately and of before.
    """

    index: float
    low: float
    high: float
    answers: tuple[int, int]


class DriftReport(FrozenModel):
    """What the comparison found.

    Attributes:
        answers: Sampled.
        compared: Of them, those whose member is known.
        features: What became of their features -> answers.
        equal_share: Share of compared answers whose features are the offline ones; None where none was compared.
        scored: Jobs whose probabilities were made again: of answers without a query, by the versions served now.
        score_difference: 99th percentile of the largest difference of a probability of such a job.
        moved: Surface and task -> how its probability moved; empty where one of the two windows has no answer.
        problems: What is past its limit, in words; empty: all is well.
    """

    answers: int
    compared: int
    features: Mapping[str, int]
    equal_share: float | None
    scored: int
    score_difference: float | None
    moved: Mapping[str, Moved]
    problems: tuple[str, ...]


class Limits(FrozenModel):
    """Past which the comparison fails.

    equal: least share of equal features; difference: of probabilities; moved: of the low end of an index's interval.
    """

    equal: float = 0.98
    difference: float = 0.05
    moved: float = 0.1


class _Offline(NamedTuple):
    """An answer, and what the offline tables give of its member as of its time; None: they do not know the member."""

    answer: Sampled
    texts: MemberTexts | None


def measure(
    workspace: Workspace,
    config: ServeConfig,
    limits: Limits,
    *,
    days: int = DAYS,
    lately: timedelta = timedelta(days=1),
    now: datetime | None = None,
    seed: int = 0,
) -> DriftReport:
    """Compare the sampled answers of the last days.

    Args:
        workspace: Whose service sampled them.
        config: Which bundle and index are served.
        limits: Past which a finding is a problem.
        days: How far to look back.
        lately: The part of it whose scores are held against the rest.
        now: The end of both.
        seed: Of the intervals.

    Raises:
        NotReady: There is no sampled answer; and what `load_servable` raises.
    """
    now = now or datetime.now(UTC)
    answers = [one for one in read_sample(workspace, now - timedelta(days=days)) if one.time <= now]
    if not answers:
        raise NotReady(
            f"no answer of the last {days} days is sampled in {workspace.root / 'drift'}",
            cure="serve members with serve: {drift: {share: ...}} above 0, then compare",
        )
    found = _joined(workspace, answers)
    causes = Counter(_cause(one) for one in found)
    compared = sum(count for cause, count in causes.items() if cause != NOT_KNOWN)
    equal = causes[EQUAL] / compared if compared else None
    alone = config.model_copy(update={"threads": config.threads or cores()})  # no request is answered meanwhile
    servable = load_servable(workspace, alone)
    try:
        differences = _score_differences(servable, found)
    finally:
        servable.members.close()
    difference = float(np.quantile(differences, 0.99)) if len(differences) else None
    moved = _moved([a for a in answers if a.time > now - lately], [a for a in answers if a.time <= now - lately], seed)
    return DriftReport(
        answers=len(answers),
        compared=compared,
        features=dict(causes),
        equal_share=equal,
        scored=len(differences),
        score_difference=difference,
        moved=moved,
        problems=tuple(_problems(equal, causes, difference, moved, limits)),
    )


def _problems(
    equal: float | None, causes: Counter[str], difference: float | None, moved: Mapping[str, Moved], limits: Limits
) -> Iterable[str]:
    if equal is not None and equal < limits.equal:
        worst = ", ".join(
            f"{count} {cause}" for cause, count in causes.most_common() if cause not in (EQUAL, NOT_KNOWN)
        )
        yield f"features: {equal:.1%} of answers were served the offline ones, under {limits.equal:.1%}: {worst}"
    if difference is not None and difference > limits.difference:
        yield f"scores: the 99th percentile of differences is {difference:.3f}, over {limits.difference}"
    for name, one in moved.items():
        if one.low > limits.moved:
            yield f"{name}: moved by {one.index:.2f} ({one.low:.2f} to {one.high:.2f}), over {limits.moved}"


def _joined(workspace: Workspace, answers: Sequence[Sampled]) -> list[_Offline]:
    """Each answer with the texts of its member as of its time."""
    ids = read_table(workspace.features / MEMBER_TEXT, [MEMBER_KEY])[MEMBER_KEY].unique().to_pylist()
    by_hash = {content_hash(id_): id_ for id_ in ids}
    known = [answer for answer in answers if answer.member in by_hash]
    texts = member_texts_as_of(workspace, [by_hash[a.member] for a in known], [a.time for a in known])
    of_answer = {answer.request_id: text for answer, text in zip(known, texts, strict=True)}
    return [_Offline(answer, of_answer.get(answer.request_id)) for answer in answers]


def _cause(one: _Offline) -> str:
    """What the online features of an answer were, by the offline ones."""
    if one.texts is None:
        return NOT_KNOWN
    text, activity = one.texts
    for cause, made in (
        (EQUAL, request_text(text, activity)),
        ("without activity", request_text(text)),
        ("without the member's text", request_text("", activity)),
        ("without anything", ""),
    ):
        if content_hash(made) == one.answer.features:
            return cause
    return "other values"


def _score_differences(servable: Servable, found: Iterable[_Offline]) -> np.ndarray:
    """(n,) largest difference over tasks of each job's probabilities, served against made again from offline texts."""
    versions = f"{servable.manifest.version}/{servable.index.version}"
    differences: list[float] = []
    for answer, texts in found:
        if texts is None or answer.query or answer.versions != versions:
            continue
        rows = servable.index.rows(answer.job_ids)
        keep = [i for i, row in enumerate(rows) if row >= 0 and answer.match[i] is not None and answer.probabilities[i]]
        if not keep:
            continue
        prefix = servable.scorer.prefix(request_text(texts.text, texts.activity))
        match = np.array([answer.match[i] for i in keep], np.uint8)
        logits = servable.scorer.logits(prefix, servable.index.items(rows[keep]), match)
        again = probabilities(servable.manifest, logits, np.array(keep, np.int64) + 1)
        differences += [
            max(abs(again[task][at] - served) for task, served in answer.probabilities[i].items() if task in again)
            for at, i in enumerate(keep)
        ]
    return np.array(differences)


def _moved(lately: Sequence[Sampled], before: Sequence[Sampled], seed: int) -> dict[str, Moved]:
    new, old = _by_task(lately), _by_task(before)
    rng = np.random.default_rng(seed)
    return {name: stability(new[name], old[name], rng) for name in sorted(new.keys() & old.keys())}


def _by_task(answers: Iterable[Sampled]) -> dict[str, list[np.ndarray]]:
    """Surface and task -> the probabilities of each answer's jobs."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for answer in answers:
        values: dict[str, list[float]] = defaultdict(list)
        for by_task, good in zip(answer.probabilities, answer.good_matches, strict=True):
            for task, value in by_task.items():
                values[task].append(value)
            if good is not None:
                values[GOOD_MATCH].append(good)
        for task, of_jobs in values.items():
            found[f"{answer.surface} {task}"].append(np.array(of_jobs))
    return found


def stability(new: Sequence[np.ndarray], old: Sequence[np.ndarray], rng: np.random.Generator) -> Moved:
    """The index of two windows and its interval.

    Args:
        new: Probabilities of each answer of the window that is judged, one array (jobs,) an answer.
        old: As `new`, of the window that it is held against.
        rng: Draws the answers of each resample, since jobs of one answer are not independent.
    """
    edges = np.unique(np.quantile(np.concatenate(old), np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [
        np.array([np.bincount(np.searchsorted(edges, v), minlength=len(edges) + 1) for v in w]) for w in (new, old)
    ]
    drawn = [_index(*(c[rng.integers(len(c), size=len(c))].sum(0) for c in counts)) for _ in range(RESAMPLES)]
    index = _index(counts[0].sum(0), counts[1].sum(0))
    # The basic interval, since noise makes an index too high, and that of a resample once more.
    low, high = 2 * index - np.quantile(drawn, [0.975, 0.025])
    return Moved(index=index, low=max(0.0, low), high=max(0.0, high), answers=(len(new), len(old)))


def _index(new: np.ndarray, old: np.ndarray) -> float:
    """Population stability index of two histograms; half a count is added to each bin, so that none is empty."""
    p, q = ((h + 0.5) / (h.sum() + 0.5 * len(h)) for h in (new.astype(float), old.astype(float)))
    return float(np.sum((p - q) * np.log(p / q)))


def as_prometheus(report: DriftReport) -> str:
    """The report for the node exporter's textfile collector."""
    lines = [f"rolecall_drift_answers {report.answers}", f"rolecall_drift_problems {len(report.problems)}"]
    if report.equal_share is not None:
        lines.append(f"rolecall_drift_equal_features_share {report.equal_share:.6f}")
    if report.score_difference is not None:
        lines.append(f"rolecall_drift_score_difference {report.score_difference:.6f}")
    for name, one in report.moved.items():
        surface, _, task = name.partition(" ")
        lines.append(f'rolecall_drift_stability_index{{surface="{surface}",task="{task}"}} {one.index:.6f}')
    return "\n".join(lines) + "\n"
