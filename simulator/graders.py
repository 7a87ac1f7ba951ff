"""A golden set for a simulated market: two graders who see the truth through noise of their own, a third who decides.

No person graded any of it, and every file of it says so. A grader is a step off as often as it takes for two of them to
agree about as well as trained people do.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from policy.document.load import load_policy
from policy.golden.golden import SIMULATED, adjudicate
from policy.golden.pairs import write_pairs
from policy.golden.sample import sample_pairs
from policy.golden.sheets import EVERY_VERSION, accept_policy, write_adjudicated, write_sheet
from policy.types import DIMENSIONS, GRADES
from simulator.truth import Truth

PAIRS = 600
GRADERS = (f"{SIMULATED}1", f"{SIMULATED}2")
ADJUDICATOR = f"{SIMULATED}3"
KAPPA = 0.88
"""Quadratic kappa that two graders are meant to have."""
DECIDES_WELL = 0.9
"""Share of the disagreements that the third grader gives the true grade; the others get the lower of the two."""
NOTE = "simulated"

_README = """Simulated: no person graded any of this.

pairs.jsonl holds what was graded, the two sheets what simulated graders gave, adjudicated.csv what a third one decided
where they differ, accepted.csv that the grades hold under every policy: graders read the market's truth and no policy.
"""


def write_golden(market: Path, truth: Truth, seed: int, end: datetime) -> None:
    """Write `golden/` of a market that has members, jobs and impressions; the same arguments give the same bytes.

    Args:
        market: the folder of its tables.
        truth: of the market.
        seed: of the sample and the graders' noise.
        end: when the market ends, which is the time of the grades.
    """
    policy, folder = load_policy(), market / "golden"
    pairs = sample_pairs(market, policy, PAIRS, seed)
    asked = ([pair.member.id if pair.member else "" for pair in pairs], [pair.job.id for pair in pairs])
    fit = truth.of_pairs(*asked, [pair.query for pair in pairs])
    true = fit.grade()
    write_pairs(folder, pairs)
    for number, grader in enumerate(GRADERS):
        rng = np.random.default_rng([seed, 18, number])
        given = {"grade": _astray(rng, true)}
        for name in DIMENSIONS:
            if name in fit._fields:
                given[name] = _astray(rng, np.rint(4 * getattr(fit, name)).astype(np.int8))
        rows = [{name: int(grades[i]) for name, grades in given.items()} | {"note": NOTE} for i in range(len(pairs))]
        write_sheet(folder, grader, pairs, policy.version, rows)
    well = np.random.default_rng([seed, 18, len(GRADERS)]).random(len(pairs)) < DECIDES_WELL
    decisions = []
    for i, decision in enumerate(adjudicate(folder)):
        if decision.grade is None:
            lower = min(int(given.rpartition(" ")[2]) for given in decision.grades.split("; "))
            decision = decision._replace(grade=int(true[i]) if well[i] else lower, decided_by=ADJUDICATOR, note=NOTE)
        decisions.append(decision)
    write_adjudicated(folder, pairs, decisions)
    accept_policy(folder, EVERY_VERSION, GRADERS[0], end)
    (folder / "README").write_text(_README)


def _astray(rng: np.random.Generator, true: np.ndarray) -> np.ndarray:
    """Grades, some of them one step up or down, which at an end of the scale is inwards.

    Quadratic kappa is one less the mean squared difference, here twice the share that is astray, over what chance
    gives, about twice the variance.
    """
    share = (1 - KAPPA) * true.var()
    step = np.where(rng.random(len(true)) < 0.5, 1, -1)
    step = np.where(true == GRADES[0], 1, np.where(true == GRADES[-1], -1, step))
    return np.where(rng.random(len(true)) < share, true + step, true)
