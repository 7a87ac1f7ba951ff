"""The tables of served candidates: every system by how well its first ten jobs fit, and how far each agrees.

In: lists with the scores of systems, and grades. Out: tables with intervals over requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from policy.golden.agreement import SCALE
from replay.fits import DEPTH, MEASURES, SHARE, UNGRADED, measures, ordered, rank_correlation
from replay.graded import ListGrades
from replay.measures import kappa_estimate, mean_estimates, ratio_estimates
from replay.results import (
    BEST,
    BEST_OF_ALL,
    BM25,
    BY_JUDGE,
    BY_TRUTH,
    JUDGE,
    SERVED,
    STUDENT_FLOAT,
    STUDENT_RELEVANCE,
    Cell,
    Table,
)
from replay.served import ServedList

TRUTH = "truth"
CHAIN, KAPPA, LINKS = "served_chain", "served_kappa", "served_links"
BEFORE = "the link before"
LINKS_TITLE = "Served candidates, what each link leaves"
TITLES = {BY_TRUTH: "Served candidates, true fit", BY_JUDGE: "Served candidates, the judge's grades"}
METRICS = (*MEASURES, SHARE)


@dataclass(frozen=True)
class GradedLists:
    """Served lists with what is known of how well their jobs fit.

    Attributes:
        lists: n of them.
        truth: The true fit of each list's jobs; None where the market is not simulated.
        judge: The judge's grades; None where it was not asked.
        sample: What the lists are where they are not those of all requests, such as " of 24 requests"; else empty.
    """

    lists: Sequence[ServedList]
    truth: Sequence[ListGrades] | None
    judge: Sequence[ListGrades] | None
    sample: str = ""


@dataclass(frozen=True)
class Fits:
    """How well the first ten jobs of each system fit.

    Attributes:
        places: (n,) of the requests among the held-out ones.
        systems: S names, the best possible orders first.
        values: (n, S, 3) float64, the `MEASURES`.
    """

    places: np.ndarray
    systems: tuple[str, ...]
    values: np.ndarray

    def of(self, system: str, metric: str) -> np.ndarray:
        """(n,) float64: one measure of one system."""
        return self.values[:, self.systems.index(system), MEASURES.index(metric)]


def fits(graded: GradedLists, by: str) -> Fits:
    """Measure every system on every list that has a grade.

    Args:
        graded: Lists and grades.
        by: `BY_TRUTH`, where the judge is a system among the others, or `BY_JUDGE`, where its order is the best.
    """
    all_grades = graded.truth if by == BY_TRUTH else graded.judge
    assert all_grades is not None
    values, places = [], []
    systems: tuple[str, ...] = ()
    for i, (served, grades) in enumerate(zip(graded.lists, all_grades, strict=True)):
        if (grades.candidates == UNGRADED).all():
            continue
        judge = graded.judge[i].candidates if graded.judge and by == BY_TRUTH else None
        orders = dict(_orders(served, grades, judge))
        systems = tuple(orders)
        values.append([measures(order) for order in orders.values()])
        places.append(served.place)
    return Fits(np.array(places, np.int64), systems, np.array(values).reshape(len(values), len(systems), len(MEASURES)))


def _orders(served: ServedList, grades: ListGrades, judge: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    """Each system and the grades of the list in its order."""
    yield BEST, -np.sort(-grades.candidates)
    if grades.eligible is not None:
        yield BEST_OF_ALL, -np.sort(-grades.eligible)
    if judge is not None:
        yield JUDGE, grades.candidates[ordered(judge)]
    for system, scores in served.scores.items():
        yield system, grades.candidates[ordered(scores)]


def fits_table(found: Fits, by: str, sample: str, seed: int, resamples: int) -> Table:
    """The systems side by side, each measure against BM25, and the share of the possible good fits.

    Args:
        found: Of `fits`.
        by: As given to `fits`.
        sample: As `GradedLists.sample`.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    n, base = len(found.places), found.systems.index(BM25)
    both = np.concatenate([found.values, found.values - found.values[:, [base]]], axis=1)
    means = mean_estimates(both.reshape(n, -1), seed, resamples)
    good = both[:, :, MEASURES.index("good_fits@10")]
    shares = ratio_estimates(good, found.of(BEST, "good_fits@10"), seed, resamples)
    cells, count = [], len(found.systems)
    for i, system in enumerate(found.systems):
        for j, metric in enumerate(MEASURES):
            apart = means[(count + i) * len(MEASURES) + j]
            cells.append(Cell.of(system, metric, means[i * len(MEASURES) + j], None if i == base else apart))
        cells.append(Cell.of(system, SHARE, shares[i], None if i == base else shares[count + i]))
    grader = "the truth of the market" if by == BY_TRUTH else "the judge"
    best = "" if by == BY_TRUTH else " The judge's own order is the best possible one."
    every = " Over all jobs: every eligible job was judged." if BEST_OF_ALL in found.systems else ""
    return Table(
        name=f"{by}_sample" if sample else by,
        title=f"{TITLES[by]}{sample}",
        about="Each system orders the same candidates, those that retrieval returned at the request's time, and "
        f"{grader} grades them: shares of the first {DEPTH} places that hold grade 3 or 4, or 0 or 1; NDCG by grade "
        f"over all candidates; and good fits as a share of what these candidates make possible.{best}{every} Equal "
        "scores stand in the order of retrieval.",
        requests=n,
        systems=found.systems,
        metrics=METRICS,
        reference=BM25,
        cells=tuple(cells),
    )


def links_table(found: Fits, by: str, teachers: Sequence[str], sample: str, seed: int, resamples: int) -> Table:
    """The way of the policy in one unit: what share of the possible good fits is left after each link.

    People, who know what truly fits, stand first where the truth is known; then the judge, the teachers, the student
    before and after quantisation, and the order that is served.

    Args:
        found: Of `fits`.
        by: As given to `fits`.
        teachers: Those that scored the lists and answer relevance.
        sample: As `GradedLists.sample`.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Returns:
        A row a link, each with its difference from the link before.
    """
    links = [BEST, JUDGE, *teachers, STUDENT_FLOAT, STUDENT_RELEVANCE, SERVED]
    links = [name for name in links if name in found.systems]
    good = np.stack([found.of(name, "good_fits@10") for name in links], axis=1)
    lost = np.diff(good, axis=1)
    shares = ratio_estimates(np.concatenate([good, lost], axis=1), good[:, 0], seed, resamples)
    differences = [None, *shares[len(links) :]]
    first = "the best order by the truth of the market" if by == BY_TRUTH else "the judge's own order"
    return Table(
        name=f"{LINKS}_sample" if sample else LINKS,
        title=f"{LINKS_TITLE}{sample}",
        about="The way of the policy on one set of candidates and in one unit: the good fits in the first "
        f"{DEPTH} places as a share of what these candidates make possible, that is {first}. Each link is set against "
        "the one before it, on the same requests.",
        requests=len(found.places),
        systems=tuple(links),
        metrics=(SHARE,),
        reference=BEFORE,
        cells=tuple(
            Cell.of(name, SHARE, share, change)
            for name, share, change in zip(links, shares, differences, strict=False)  # after shares stand changes
        ),
    )


def chain_table(graded: GradedLists, teachers: Sequence[str], seed: int, resamples: int) -> Table | None:
    """Spearman's correlation within requests along the way of the policy: truth, judge, teachers, student, served.

    Args:
        graded: Lists and grades.
        teachers: Those that scored the lists and answer relevance.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Returns:
        A row a link, and one from the first to the last; None where nobody graded.
    """
    names = [*([TRUTH] if graded.truth else []), *([JUDGE] if graded.judge else [])]
    if not names or not graded.lists:
        return None
    scored = graded.lists[0].scores
    start = names[0]
    names += [name for name in (*teachers, STUDENT_FLOAT, STUDENT_RELEVANCE, SERVED) if name in scored]
    links = list(dict.fromkeys([*pairwise(names), *((start, name) for name in names[2:])]))
    values = np.array([[rank_correlation(of[a], of[b]) for a, b in links] for of in _scorings(graded)])
    cells = []
    for link, column in zip(links, values.T, strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            (mean,) = mean_estimates(known[:, None], seed, resamples)
            cells.append(Cell.of(_arrow(*link), "rank_correlation", mean))
    return Table(
        name=f"{CHAIN}_sample" if graded.sample else CHAIN,
        title=f"Served candidates, agreement from link to link{graded.sample}",
        about="What is left of the policy on its way: Spearman's correlation of two orders of a request's candidates, "
        "the mean over requests. The last rows are from the beginning.",
        requests=len(graded.lists),
        systems=tuple(cell.system for cell in cells),
        metrics=("rank_correlation",),
        reference="",
        cells=tuple(cells),
    )


def kappa_table(
    graded: GradedLists, teachers: Sequence[str], seed: int, resamples: int, people: Cell | None = None
) -> Table | None:
    """Quadratic kappa with the judge of all that grades: the truth, and the relevance of teachers and student.

    Relevance is learned as the grade over 4, so four times its probability, rounded, is a grade.

    Args:
        graded: Lists and grades.
        teachers: Those that scored the lists and answer relevance.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
        people: How far people agree with the judge, on the golden pairs; None where it was not measured.

    Returns:
        A row each; None where the judge was not asked.
    """
    if not graded.judge:
        return None
    confusions: dict[str, list[np.ndarray]] = {}
    for of in _scorings(graded):
        known = of[JUDGE] != UNGRADED
        for name in (TRUTH, *teachers, STUDENT_FLOAT, STUDENT_RELEVANCE):
            if name in of and known.any():
                grades = (
                    of[name] if name == TRUTH else np.rint((SCALE - 1) / (1 + np.exp(-of[name].astype(np.float64))))
                )
                pairs = of[JUDGE][known].astype(np.int64) * SCALE + grades[known].astype(np.int64)
                confusions.setdefault(name, []).append(np.bincount(pairs, minlength=SCALE * SCALE))
    cells = [
        Cell.of(name, "kappa_with_judge", kappa_estimate(np.array(of), seed, resamples))
        for name, of in confusions.items()
    ]
    cells = [*([people] if people else []), *cells]
    if not cells:
        return None
    return Table(
        name=f"{KAPPA}_sample" if graded.sample else KAPPA,
        title=f"Served candidates, read as grades{graded.sample}",
        about="Quadratic kappa with the judge's grades over all candidates; a model's relevance is read as a "
        "grade. People are measured on the golden pairs.",
        requests=len(graded.lists),
        systems=tuple(cell.system for cell in cells),
        metrics=("kappa_with_judge",),
        reference="",
        cells=tuple(cells),
    )


def _scorings(graded: GradedLists) -> Iterator[dict[str, np.ndarray]]:
    """Of each list: the scores of every system, with the truth's and the judge's grades among them."""
    for i, served in enumerate(graded.lists):
        known = {name: of[i].candidates for name, of in ((TRUTH, graded.truth), (JUDGE, graded.judge)) if of}
        yield known | dict(served.scores)


def _arrow(a: str, b: str) -> str:
    return f"{a} \N{RIGHTWARDS ARROW} {b}"
