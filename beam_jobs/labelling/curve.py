"""The learning curve: how far a learner agrees with the judge after so many graded pairs, on requests held out.

The learner is a light one, boosted trees on the match bins alone, so that a curve takes seconds. The student reads the
text too and may go on where this one stands still; where this one still climbs, more pairs help the student as well.
Held-out pairs that were drawn for a budget weigh with their inverse inclusion probability, so kappa speaks of all
candidates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.labelling.match_trees import NAME, MatchTrees
from contracts.errors import NotReady
from contracts.examples import SERVED
from contracts.match import MATCH_VERSION, match_column
from contracts.tables import read_table
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from models.training.metrics import interval, mean_interval, mean_spearman, resamples
from policy.types import GRADES

HELD_SHARE = 0.2
"""Share of the training requests, the last ones, that is held out where no valid or test request was graded."""
FEWEST = 2
"""Requests of the first point."""
COLUMNS = ["list_id", "event_timestamp", "split", "stratum", "grade", "match", "inclusion"]


class Point(FrozenModel):
    """Agreement with the judge after so many pairs.

    Attributes:
        pairs: Graded pairs that were learned from, on average over the draws of requests.
        requests: Their requests.
        kappa: Quadratic, of the learner's grades with the judge's on held-out pairs.
        kappa_low: Lower end of its 95% interval over held-out requests.
        kappa_high: Upper end.
        spearman: Mean rank correlation within held-out requests.
        spearman_low: Lower end of its interval.
        spearman_high: Upper end.
        money: What the pairs cost; None where no price is known.
    """

    pairs: int
    requests: int
    kappa: float
    kappa_low: float
    kappa_high: float
    spearman: float
    spearman_low: float
    spearman_high: float
    money: float | None


class Curve(FrozenModel):
    """A learning curve.

    Attributes:
        learner: What learned.
        judge: Who graded.
        held_requests: Held-out requests.
        held_pairs: Their graded pairs.
        held_split: Of which splits they are.
        points: From the fewest pairs to all.
        gain: Kappa that the last doubling of the pairs brought; gain_low, gain_high: its interval. None at one point.
    """

    learner: str
    judge: str
    held_requests: int
    held_pairs: int
    held_split: str
    points: tuple[Point, ...]
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


class _Pairs:
    """Graded pairs of the stratum `SERVED`, as arrays, and the row numbers of each request."""

    def __init__(self, table: pl.DataFrame) -> None:
        table = table.sort("event_timestamp", "list_id", maintain_order=True)
        self.bins = match_column(table.select("match").to_arrow())
        self.grades = table["grade"].to_numpy().astype(np.int64)
        self.weights = 1 / table["inclusion"].fill_null(1.0).to_numpy().astype(np.float64)
        self.splits = table["split"].to_numpy()
        names = table["list_id"].to_numpy()
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        self.lists = np.split(np.arange(len(names)), starts[1:])


def learning_curve(workspace: Workspace, most_points: int = 6, draws: int = 3, seed: int = 0) -> Curve:
    """Agreement of the light learner with the judge at 1, 1/2, 1/4, ... of the graded training requests.

    Args:
        workspace: With examples.
        most_points: Sizes at most.
        draws: Orders of the training requests over which each point is a mean.
        seed: Of these orders.

    Raises:
        NotReady: No served candidates of enough requests were graded.
    """
    table = pl.DataFrame(read_table(workspace.examples, COLUMNS))
    pairs = _Pairs(table.filter((pl.col("stratum") == SERVED) & pl.col("grade").is_not_null()))
    train, held, held_split = _split(pairs)
    if len(train) < FEWEST or len(held) < FEWEST:
        cure = "label with `served_lists`, or with a budget (`served_pairs`), and then again"
        raise NotReady(
            f"graded candidates of {len(train) + len(held)} requests", where=str(workspace.examples), cure=cure
        )
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(train)) for _ in range(draws)]
    sizes = _sizes(len(train), most_points)
    rows = np.concatenate(held)
    money = _price(workspace)
    points, drawn_kappas = [], []
    for size in sizes:
        found = [_measured(pairs, [train[i] for i in order[:size]], held) for order in orders]
        number = round(float(np.mean([one[0] for one in found])))
        kappas = np.mean([one[1] for one in found], axis=0)
        spearmans = np.mean([one[2] for one in found], axis=0)
        low, high = interval(kappas[1:, None])[:, 0]
        points.append(
            Point(
                pairs=number,
                requests=size,
                kappa=float(kappas[0]),
                kappa_low=float(low),
                kappa_high=float(high),
                spearman=float(np.nanmean(spearmans)),
                spearman_low=mean_interval(spearmans)[0],
                spearman_high=mean_interval(spearmans)[1],
                money=None if money is None else money * number,
            )
        )
        drawn_kappas.append(kappas)
    curve = Curve(
        learner=NAME,
        judge=_judge(workspace),
        held_requests=len(held),
        held_pairs=len(rows),
        held_split=held_split,
        points=tuple(points),
    )
    if len(points) < 2:
        return curve
    gains = drawn_kappas[-1] - drawn_kappas[-2]
    low, high = interval(gains[1:, None])[:, 0]
    return curve.model_copy(update={"gain": float(gains[0]), "gain_low": float(low), "gain_high": float(high)})


def graded_pairs(workspace: Workspace) -> pa.Table:
    """The bins and the grade of each served pair that was graded: what a later round may take as its `label.guide`."""
    table = read_table(workspace.examples, ["stratum", "grade", "match"])
    graded = table.filter((pc.field("stratum") == SERVED) & pc.field("grade").is_valid()).select(["grade", "match"])
    return graded.replace_schema_metadata({"match_version": MATCH_VERSION})


def curve_lines(curve: Curve) -> list[str]:
    """The curve as lines for people."""
    told = any(point.money is not None for point in curve.points)
    head = f"{'pairs':>9} {'requests':>9}  {'quadratic kappa':<22} {'Spearman in a request':<22}"
    lines = [head + (f" {'money':>9}" if told else "")]
    for point in curve.points:
        kappa = f"{point.kappa:.3f} [{point.kappa_low:.3f}, {point.kappa_high:.3f}]"
        spearman = f"{point.spearman:.3f} [{point.spearman_low:.3f}, {point.spearman_high:.3f}]"
        cost = f" {point.money:>9,.2f}" if point.money is not None else ""
        lines.append(f"{point.pairs:>9,} {point.requests:>9,}  {kappa:<22} {spearman:<22}{cost}")
    lines.append(
        f"{curve.learner}, against {curve.judge} on {curve.held_pairs:,} pairs of {curve.held_requests:,} held-out "
        f"requests ({curve.held_split}); 95% intervals over these requests"
    )
    if curve.gain is not None:
        stops = "more pairs still help" if (curve.gain_low or 0) > 0 else "no more than chance: time to stop paying"
        bounds = f"[{curve.gain_low:+.3f}, {curve.gain_high:+.3f}]"
        lines.append(f"the last doubling of the pairs brought {curve.gain:+.3f} {bounds} of kappa: {stops}")
    return lines


def quadratic_kappas(tables: np.ndarray) -> np.ndarray:
    """(m,) quadratic kappa of m tables (m, 25): weights of pairs by the learner's grade (rows) and the judge's.

    NaN where all pairs have one grade. Source: Cohen, Weighted kappa (Psychological Bulletin 70, 1968).
    """
    grades = len(GRADES)
    seen = tables.reshape(-1, grades, grades).astype(np.float64)
    cost = np.square(np.subtract.outer(np.arange(grades), np.arange(grades)))
    expected = seen.sum(2)[:, :, None] * seen.sum(1)[:, None, :] / np.maximum(seen.sum((1, 2)), 1e-12)[:, None, None]
    by_chance = (cost * expected).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(by_chance > 0, 1 - (cost * seen).sum((1, 2)) / by_chance, np.nan)


def grade_cuts(scores: np.ndarray, grades: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(4,) scores from which grades 1 to 4 are given, so that each grade has the share that the judge gave it.

    Args:
        scores: (n,) float of training pairs.
        grades: (n,) int of the judge.
        weights: (n,) float, what each pair stands for.
    """
    order = np.argsort(scores, kind="stable")
    passed = np.cumsum(weights[order]) / weights.sum()
    below = np.array([weights[grades < grade].sum() for grade in GRADES[1:]]) / weights.sum()
    places = np.searchsorted(passed, below - 1e-12)
    edges = scores[order]
    return np.array(
        [
            -np.inf if share <= 0 else edges[place + 1] if place + 1 < len(edges) else np.inf
            for place, share in zip(places, below, strict=True)
        ]
    )


def _measured(
    pairs: _Pairs, train: Sequence[np.ndarray], held: Sequence[np.ndarray]
) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of training pairs; kappa on all held-out requests and on each resample of them; Spearman of each."""
    rows, held_rows = np.concatenate(train), np.concatenate(held)
    trees = MatchTrees().fit(pairs.bins[rows], pairs.grades[rows])
    scores = np.zeros(len(pairs.grades))
    scores[rows], scores[held_rows] = (trees.predict(pairs.bins[of]) for of in (rows, held_rows))
    cuts = grade_cuts(scores[rows], pairs.grades[rows], pairs.weights[rows])
    said = np.searchsorted(cuts, scores, side="right")
    cells = said * len(GRADES) + pairs.grades
    tables = np.stack([np.bincount(cells[of], pairs.weights[of], len(GRADES) ** 2) for of in held])
    counts = np.concatenate([np.ones((1, len(held))), *resamples(len(held), seed=0)])
    spearmans = np.array([mean_spearman(scores, pairs.grades, [of]) for of in held])
    return len(rows), quadratic_kappas(counts @ tables), spearmans


def _split(pairs: _Pairs) -> tuple[list[np.ndarray], list[np.ndarray], str]:
    """Training requests, held-out ones, and what these are."""
    split = [str(pairs.splits[of_list[0]]) for of_list in pairs.lists]
    train = [of_list for of_list, name in zip(pairs.lists, split, strict=True) if name == "train"]
    held = [of_list for of_list, name in zip(pairs.lists, split, strict=True) if name != "train"]
    if held:
        return train, held, "valid and test"
    last = len(train) - round(HELD_SHARE * len(train))
    return train[:last], train[last:], "the last training requests"


def _sizes(lists: int, most: int) -> list[int]:
    """Requests of each point, each the double of the one before."""
    sizes = [round(lists / 2**i) for i in range(most)]
    return sorted({size for size in sizes if size >= FEWEST})


def _price(workspace: Workspace) -> float | None:
    """Money for a pair as `label` last found it."""
    path = workspace.judge_cost
    return json.loads(path.read_text()).get("money_per_pair") if path.is_file() else None


def _judge(workspace: Workspace) -> str:
    path = workspace.judge_report
    return json.loads(path.read_text())["grader"] if path.is_file() else "the judge"
