"""The way of the policy from the judge to the served order, on the test lists: what each link leaves of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from contracts.values import FrozenModel
from contracts.workspace import Workspace
from models.teachers.scores import read_scores, scores_of
from models.training.lists import scored_rows
from models.training.metrics import mean_interval
from models.training.rows import Rows
from ranking.blend import RELEVANCE
from release.held_out import HeldOut
from release.orders import fits, retrieval_scores

JUDGE = "the judge"
STUDENT, EXPORTED = "the student, float32", "the student, exported"
SERVED, RETRIEVAL = "the served order", "retrieval alone"


class Link(FrozenModel):
    """How well the first ten jobs of a link's order fit, by the judge's grades, in means over lists.

    Attributes:
        name: Whose order it is.
        good: Share of the first ten places with a job that the judge grades 3 or 4.
        interval: Low and high of the 95% interval of `good` over lists.
        poor: Share of the first ten places with a job that it grades 0 or 1.
        kept: `good` as a share of that of the judge's own order, which is the best possible.
    """

    name: str
    good: float
    interval: tuple[float, float]
    poor: float
    kept: float


def policy_chain(
    workspace: Workspace,
    held_out: HeldOut,
    teachers: Mapping[str, str],
    student_logits: np.ndarray,
    final: np.ndarray,
) -> tuple[Link, ...]:
    """Order the same retrieved jobs of the test lists by every link from the judge to what is served.

    Args:
        workspace: With the teachers' scores.
        held_out: The pairs with the logits of the exported graphs.
        teachers: Kind -> version of the student's teachers.
        student_logits: (len(test), tasks) float32 of the float32 student on the test pairs.
        final: (n,) scores of the served order.

    Returns:
        The links in their order, and retrieval alone last; empty where the judge's grades tell no two retrieved jobs
        of a list apart, or nothing learned them.
    """
    rows, test = held_out.rows, held_out.test
    if RELEVANCE not in held_out.tasks:
        return ()
    grades = 4 * rows.target(RELEVANCE)
    graded = test[(rows.retrieved[test] > 0) & np.isfinite(grades[test])]
    lists = [of_list for of_list in rows.lists(graded) if np.ptp(grades[of_list]) > 0]
    student = np.full(len(rows), np.nan, np.float32)
    student[test] = student_logits[:, held_out.tasks.index(RELEVANCE)]
    orders = {
        JUDGE: grades,
        **dict(_teachers(workspace, rows, teachers)),
        STUDENT: student,
        EXPORTED: held_out.task_logits(RELEVANCE),
        SERVED: final,
        RETRIEVAL: retrieval_scores(rows.retrieved),
    }
    measured = {name: fits(scores, grades, lists) for name, scores in orders.items()} if lists else {}
    return tuple(_link(name, *shares, best=measured[JUDGE][0]) for name, shares in measured.items())


def _teachers(workspace: Workspace, rows: Rows, teachers: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """The teachers that answer for relevance, each with its logits (n,) float32, NaN where it scored no pair."""
    for kind, version in teachers.items():
        tasks, logits = read_scores(scores_of(workspace, kind, version, rows.version), rows, scored_rows(rows))
        if RELEVANCE in tasks:
            yield f"the {kind} teacher", logits[:, tasks.index(RELEVANCE)]


def _link(name: str, good: np.ndarray, poor: np.ndarray, best: np.ndarray) -> Link:
    possible = best.mean()
    return Link(
        name=name,
        good=good.mean(),
        interval=mean_interval(good),
        poor=poor.mean(),
        kept=good.mean() / possible if possible else 1.0,
    )
