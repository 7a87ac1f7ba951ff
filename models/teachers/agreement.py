"""Whether a teacher follows its judge: a student that is distilled from one that does not learns another policy.

It is measured on candidates as retrieval serves them, of validation requests, from which nobody learns.
"""

from __future__ import annotations

import json
import logging

import numpy as np

from contracts.errors import NotAgreed
from contracts.workspace import Workspace
from models.teachers.base import Teacher
from models.training.lists import held_served
from models.training.metrics import mean_spearman, quadratic_kappa
from models.training.rows import Rows

log = logging.getLogger("rolecall")

KAPPA = "served_kappa_valid"


def served_agreement(rows: Rows, tasks: tuple[str, ...], logits: np.ndarray) -> dict[str, float]:
    """How far a teacher's relevance follows the judge on `held_served`, read as grades and as an order.

    Args:
        rows: The training set.
        tasks: In the order of the columns.
        logits: (n, tasks) of all n rows; those of other rows are not read.

    Returns:
        Quadratic kappa, mean Spearman correlation within requests and number of pairs; nothing where the teacher does
        not answer relevance or no such pair is graded.
    """
    lists = held_served(rows)
    if "relevance" not in tasks or not lists:
        return {}
    relevance, judge = logits[:, tasks.index("relevance")].astype(np.float64), rows.target("relevance")
    pairs = np.concatenate(lists)
    kappa = quadratic_kappa(1 / (1 + np.exp(-relevance[pairs])), judge[pairs])
    figures = {KAPPA: kappa, "served_spearman_valid": mean_spearman(relevance, judge, lists)}
    return {name: value for name, value in figures.items() if np.isfinite(value)} | {"served_pairs_valid": len(pairs)}


def require_teacher(workspace: Workspace, teacher: Teacher, metrics: dict[str, float]) -> None:
    """Refuse a teacher that follows its judge less than its knobs demand.

    Args:
        workspace: Knows how far the judge agrees with people.
        teacher: With its knobs.
        metrics: Its own, from `served_agreement` among others; where they do not tell, nothing is demanded.

    Raises:
        NotAgreed: The teacher's kappa is under the share of the judge's with people or, where no golden set was there,
            under the absolute least.
    """
    kappa, people = metrics.get(KAPPA), judge_with_people(workspace)
    least = teacher.least_agreement(people)
    if kappa is None and least and "relevance" in teacher.answered:
        log.warning(
            "%s teacher: nothing measures it against its judge, as no served candidate of validation requests has a "
            "grade (`label: {served_held_lists: ...}`)",
            teacher.name,
        )
    if kappa is None or not least or kappa >= least:
        return
    reached = max(0.0, kappa)
    if people is None:
        demand = f"under the {least:.3f} that is the least where no golden set measures the judge"
        knob = f"least_kappa: {_down(reached)}"
    else:
        demand = f"under {least:.3f}, {least / people:.2f} of the judge's own {people:.3f} with people"
        knob = f"least_kappa_share: {_down(reached / people)}"
    raise NotAgreed(
        f"the {teacher.name} teacher agrees with its judge on {metrics['served_pairs_valid']:.0f} served candidates of "
        f"validation requests with quadratic kappa {kappa:.3f}, {demand}",
        where=f"{teacher.name} teacher",
        cure=f"let it learn from more (`{teacher.name}_teacher: {{served_pairs: ..., max_pairs: ..., epochs: ...}}`), "
        f"or be content with it: `{teacher.name}_teacher: {{{knob}}}`",
    )


def judge_with_people(workspace: Workspace) -> float | None:
    """Quadratic kappa of the judge with the golden set when it last graded; None where it was not measured."""
    if not workspace.judge_report.is_file():
        return None
    golden = json.loads(workspace.judge_report.read_text())["golden"]
    return float(golden["judge"]["quadratic"]["value"]) if golden else None


def _down(value: float) -> float:
    """The value to two digits, never above it, so that as a knob it lets what was measured pass."""
    return int(value * 100) / 100
