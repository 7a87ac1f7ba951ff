"""What the graph of the market tells beside the texts, on lists of held-out requests.

`python -m benchmarks.graph_teacher` takes a simulated market in which what members like depends on companies and on
what others open (`simulator.effects`), or with `--jobviews FOLDER` the job-views data, up to the text teacher, and
trains each rung of the graph teacher on it. Beside them stand item-kNN, a control that puts first what nobody has
opened yet, and, in the market, an oracle that reads what was planted off the log. Measured on the candidates of each
held-out request of which something was opened, with 95% intervals over members, by how many jobs the member had opened
before; in the market also on the candidates that were shown, since the log cannot say whether others were liked. G1 is
learned once more without its auxiliary tasks. Members who have opened nothing are few in a log, so the same requests
are asked again as if their members had opened nothing before: what the graph then loses against the texts is a figure.

The text teacher's own time is that of its stage in the recipe. With `--student` students are distilled: from the text
teacher alone, with the scores of G0 or of G1 in place of its own, and once more with what that rung makes of the
member's neighbourhood as of the request (`benchmarks.graph_student`). A rung that is trained already costs nothing,
and nothing is said of its time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import result_file
from benchmarks.embeddings_data import recipe_workspace
from benchmarks.graph_scores import as_if_new, tasks_and_config
from benchmarks.graph_student import TELLING, student_of, students, told_student
from contracts.tables import read_table
from contracts.workspace import Workspace
from models.teachers.graph.config import GraphConfig, Rung
from models.teachers.graph.market import Market
from models.teachers.graph.structure import MEETINGS, Neighbourhood
from models.teachers.graph.teacher import GraphTeacher
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.lists import scored_rows
from models.training.rows import Rows, read_rows
from ranking.listwise import fit_listwise
from rolecall.costs import read_costs
from rolecall.params import Params, load_params
from simulator.effects import Moments, planted
from simulator.truth import Truth

ON_MARKET = "python -m benchmarks.graph_teacher"
COMMAND = f"{ON_MARKET} --student"
ON_VIEWS = "python -m benchmarks.graph_teacher --jobviews FOLDER"
MARKET, JOB_VIEWS = "simulated market with planted effects", "job views"
RUNGS: tuple[Rung, ...] = ("G0", "G1", "G2")
TEXT, ORACLE, KNN, UNOPENED = "text teacher", "oracle", "item-kNN", "what nobody opened yet"
PLAIN = "G1 without auxiliary tasks"
"""The second of the rungs, learned without the masked neighbour and the member's skills."""
ALONE = {told_student(rung): student_of(rung) for rung in TELLING}
ABOVE_ALONE = "above distillation alone"
DEGREES = (("no opened job", 0, 1), ("1 to 4 opened jobs", 1, 5), ("5 or more opened jobs", 5, 10**9))
NEW = "members as if they had opened nothing"
K, RESAMPLES, TASK = 10, 1_000, "view"
METRICS = (f"recall@{K}", f"ndcg@{K}")
DAY = 86_400_000_000


def list_figures(rows: Rows, logits: np.ndarray, lists: Sequence[np.ndarray]) -> np.ndarray:
    """(lists, 2) float64: recall@10 and NDCG@10 of what was opened; jobs of equal score share their places' mean.

    Raises:
        ValueError: A score is no number: it would count as above all.
    """
    if not np.isfinite(logits[np.concatenate([np.zeros(0, np.int64), *lists])]).all():
        raise ValueError("a system scored a job of these lists as no number")
    opened, found = np.nan_to_num(rows.target(TASK)), np.zeros((len(lists), 2))
    gains = np.where(np.arange(10_000) < K, 1 / np.log2(np.arange(10_000) + 2), 0.0)
    for i, of_list in enumerate(lists):
        scores, good = logits[of_list], opened[of_list] > 0
        above = (scores[:, None] < scores).sum(axis=1)
        equal = (scores[:, None] == scores).sum(axis=1)
        places = [slice(a, a + e) for a, e in zip(above[good], equal[good], strict=True)]
        within = np.minimum(np.maximum(K - above[good], 0) / equal[good], 1)
        found[i, 0] = within.sum() / good.sum()
        found[i, 1] = sum(gains[place].mean() for place in places) / gains[: good.sum()].sum()
    return found


def resampled(members: np.ndarray, seed: int = 0) -> np.ndarray:
    """(RESAMPLES, lists) float64 weights of lists, of samples of members with replacement."""
    distinct, of_list = np.unique(members, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)), RESAMPLES)
    return drawn[:, of_list].astype(np.float64)


def interval(values: np.ndarray) -> dict[str, float]:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return {"low": float(low), "high": float(high)}


def figure_rows(
    case: str,
    figures: dict[str, np.ndarray],
    members: np.ndarray,
    degrees: np.ndarray,
    metrics: Sequence[str] = METRICS,
    alone: bool = False,
) -> list[dict[str, Any]]:
    """Rows of all systems: figures, what each is above the text teacher, by degree, and shares of the oracle's gain.

    alone: of all requests together alone, and not by degree.
    """
    rows = []
    for group, low, high in (("all", 0, 10**9), *(() if alone else DEGREES)):
        chosen = (degrees >= low) & (degrees < high)
        if chosen.sum() < 10:
            continue
        weights = resampled(members[chosen])
        total = np.maximum(weights.sum(axis=1), 1)
        name = case if group == "all" else f"{case}, {group}"
        for system, values in figures.items():
            for metric in metrics:
                column = METRICS.index(metric)
                own, text = values[chosen, column], figures[TEXT][chosen, column]
                of_samples = weights @ own / total
                rows.append(
                    {"case": name, "system": system, "metric": metric, "value": own.mean()} | interval(of_samples)
                )
                for other, words in ((TEXT, f"above the {TEXT}'s"), (ALONE.get(system), ABOVE_ALONE)):
                    if other in figures and other != system:
                        gain = own - figures[other][chosen, column]
                        above = {"value": gain.mean()} | interval(weights @ gain / total)
                        rows.append({"case": name, "system": system, "metric": f"{metric}, {words}"} | above)
                if ORACLE in figures and system not in (TEXT, ORACLE) and group == "all":
                    gain, best = own - text, figures[ORACLE][chosen, column] - text
                    share = {"value": gain.mean() / best.mean()} | interval((weights @ gain) / (weights @ best))
                    rows.append(
                        {"case": name, "system": system, "metric": f"{metric}, share of the oracle's gain"} | share
                    )
        rows.append({"case": name, "system": "requests", "metric": "number", "value": int(chosen.sum())})
    return rows


def oracle_features(workspace: Workspace, rows: Rows, market: Market) -> np.ndarray:
    """(n, 2) float64: what the market planted on each pair; zeros where nobody in particular asked."""
    truth = Truth.load(workspace.root / "raw")
    asked = pl.DataFrame(read_table(workspace.training, ["list_id", "member_id"])).unique("list_id")
    ids = pl.DataFrame({"list_id": rows.list_ids}).join(asked, on="list_id", how="left", maintain_order="left")
    number = [pl.col(name).str.slice(1).cast(pl.Int64) for name in ("member_id", "job_id")]
    events = pl.DataFrame(read_table(workspace.root / "raw" / "events", ["member_id", "job_id", "time", "action"]))
    views = events.filter((pl.col("action") == "view") & (pl.col("member_id") != ""))
    opened = Moments(*(c.to_numpy() for c in views.select(*number, pl.col("time").dt.epoch("d").cast(pl.Int64))))
    known = np.flatnonzero((ids["member_id"] != "").to_numpy())
    who = ids["member_id"].str.slice(1).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    job = pl.Series(rows.job_ids).str.slice(1).cast(pl.Int64).to_numpy()
    effects = planted(
        len(truth.members), truth.jobs.company, opened, Moments(who[known], job[known], market.time[known] // DAY)
    )
    found = np.zeros((len(rows), 2))
    found[known] = np.stack(effects, axis=1)
    return found


def measure(
    case: str, workspace: Workspace, knobs: Params, simulated: bool, student: bool, rungs: Sequence[Rung] = RUNGS
) -> list[dict[str, Any]]:
    """The rows of one workspace."""
    rows = read_rows(workspace.training)
    scored = scored_rows(rows)
    text = _view(workspace, "click", rows)
    first = GraphTeacher(workspace, GraphConfig())
    first.version(rows)
    market = first.market(rows)
    test = rows.of_splits("test")
    lists = [of_list for of_list in rows.lists(test) if np.nansum(rows.target(TASK)[of_list]) > 0]
    heads = np.array([of_list[0] for of_list in lists])
    degrees = _opened_before(market, heads)
    opened = _opened_by_then(market, rows)
    logits = {TEXT: text, KNN: _item_knn(market, rows, scored), UNOPENED: -opened.astype(np.float64)}
    seconds, new = {}, {TEXT: text}
    for name, changed in variants(rungs).items():
        config = knobs.teacher("graph").model_copy(update=changed)
        trained = set((workspace.teachers / "graph").glob("*/metrics.json"))
        started = time.perf_counter()
        folder = train_teacher(workspace, "graph", config)
        if folder / "metrics.json" not in trained:
            seconds[name] = time.perf_counter() - started
        logits[name] = _view(workspace, "graph", rows)
        if name in ("G0", "G1"):
            new[name] = _as_if_new(workspace, folder, market, rows, lists)
    if simulated:
        effects = oracle_features(workspace, rows, market)
        inputs = np.column_stack([np.nan_to_num(text), effects])
        train = rows.of_splits("train")
        linear = fit_listwise(inputs[train], rows.list_ids[train], np.nan_to_num(rows.target(TASK)[train]), 0.01)
        logits[ORACLE] = inputs @ (linear.weights / linear.scales)
    if student:
        logits |= students(workspace, knobs, rows, market, [rung for rung in rungs if rung in TELLING], TASK)
    figures = {name: list_figures(rows, values, lists) for name, values in logits.items()}
    made = figure_rows(case, figures, market.member[heads], degrees)
    # Few members have opened nothing, so the others' requests are asked as if nothing were known of what they did.
    without = {name: list_figures(rows, values, lists) for name, values in new.items()}
    made += figure_rows(f"{case}: {NEW}", without, market.member[heads], np.zeros_like(degrees), alone=True)
    # A job of a log without adverts exists because it is opened at some time: what nobody opened yet, somebody will.
    name, counts = f"{case}: jobs that somebody had opened by then", opened
    metrics: Sequence[str] = METRICS
    if simulated:  # what was not shown counts as not opened above; a list that was shown is hardly longer than ten
        name, counts, metrics = f"{case}: jobs that were shown", np.isfinite(rows.target(TASK)), METRICS[1:]
    made += of_some(name, rows, lists, counts, logits, market.member[heads], degrees, metrics)
    if student:
        made += _arrived(case, figures, market.member[heads])
    click = next((cost["seconds"] for cost in read_costs(workspace) if cost["name"] == "click_teacher"), None)
    for rung, value in seconds.items():
        made.append({"case": case, "system": rung, "metric": "training and scoring", "value": value, "unit": "s"})
        if click:
            made.append({"case": case, "system": rung, "metric": "times the text teacher's", "value": value / click})
    return [{**row, "simulated": simulated, "value": float(row["value"])} for row in made]


def variants(rungs: Sequence[Rung]) -> dict[str, dict[str, Any]]:
    """Name -> knobs that differ, of each rung and of G1 without what it learns beside the lists."""
    found: dict[str, dict[str, Any]] = {rung: {"rung": rung} for rung in rungs}
    return found | ({PLAIN: {"rung": "G1", "masked": 0.0}} if "G1" in rungs else {})


def of_some(
    case: str,
    rows: Rows,
    lists: Sequence[np.ndarray],
    counts: np.ndarray,
    logits: dict[str, np.ndarray],
    members: np.ndarray,
    degrees: np.ndarray,
    metrics: Sequence[str],
) -> list[dict[str, Any]]:
    """As `figure_rows`, of lists without the candidates that do not count (n,); those in which nothing is left go."""
    kept = [of_list[counts[of_list]] for of_list in lists]
    chosen = np.array([np.nansum(rows.target(TASK)[of_list]) > 0 for of_list in kept])
    kept = [of_list for of_list, take in zip(kept, chosen, strict=True) if take]
    figures = {name: list_figures(rows, values, kept) for name, values in logits.items()}
    return figure_rows(case, figures, members[chosen], degrees[chosen], metrics)


def _arrived(case: str, figures: dict[str, np.ndarray], members: np.ndarray) -> list[dict[str, Any]]:
    """What students gain by the graph, of what the graph teacher does."""
    weights, found = resampled(members), []
    taught = {system: rung for rung in TELLING for system in (student_of(rung), told_student(rung))}
    for (system, rung), (column, metric) in product(taught.items(), enumerate(METRICS)):
        if system not in figures:
            continue
        gain = figures[system][:, column] - figures[student_of(TEXT)][:, column]
        whole = figures[rung][:, column] - figures[TEXT][:, column]
        share = {"value": gain.mean() / whole.mean()} | interval((weights @ gain) / (weights @ whole))
        found.append({"case": case, "system": system, "metric": f"{metric}, share_of_gain_in_student"} | share)
    return found


def _view(workspace: Workspace, teacher: str, rows: Rows) -> np.ndarray:
    tasks, logits = read_scores(current_scores(workspace, teacher), rows, scored_rows(rows))
    return logits[:, tasks.index(TASK)]


def _as_if_new(
    workspace: Workspace, folder: Path, market: Market, rows: Rows, lists: Sequence[np.ndarray]
) -> np.ndarray:
    """(n,) float32 views of the lists' pairs by a rung that knows of their members what their records say alone."""
    tasks, _ = tasks_and_config(folder)
    chosen = np.unique(np.concatenate([np.zeros(0, np.int64), *lists]))
    answered, text = read_scores(current_scores(workspace, "click"), rows, scored_rows(rows))
    found = np.full(len(rows), np.nan, np.float32)
    scored = as_if_new(folder, market, rows, text[:, [answered.index(task) for task in tasks]], chosen)
    found[chosen] = scored[:, tasks.index(TASK)]
    return found


def _opened_before(market: Market, rows: np.ndarray) -> np.ndarray:
    """(m,) int64: jobs that the member of each row had opened before its request."""
    opened, member = market.graph.adjacency["opened"], market.member[rows]
    known = opened.known(np.maximum(member, 0), market.time[rows]) - opened.starts[np.maximum(member, 0)]
    return np.where(member >= 0, known, 0)


def _opened_by_then(market: Market, rows: Rows) -> np.ndarray:
    """(n,) bool: whether somebody had opened each row's job before its request."""
    opened, job = market.graph.adjacency["~opened"], np.maximum(market.job, 0)
    return (opened.known(job, market.time) > opened.starts[job]) & (market.job >= 0)


def _item_knn(market: Market, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """(n,) float64: cosine of the jobs that the member opened with those that the job was opened with, as of then."""
    hood = Neighbourhood(market, chosen, GraphConfig().walks.model_copy(update={"fanout": 100, "half_life": 1e6}))
    found = np.full(len(rows), np.nan)
    found[chosen] = hood.meetings()[:, 2 * MEETINGS.index(("opened", "opened with"))]
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--params", type=Path, default=Path(__file__).with_suffix(".yaml"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/graph_teacher"), help="where workspaces are kept")
    parser.add_argument("--jobviews", type=Path, help="the folder that holds Job_Views.csv, in place of the market")
    parser.add_argument("--workspace", type=Path, help="one that has been through the recipe with these knobs")
    parser.add_argument("--student", action="store_true", help="distil the students too")
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    options = parser.parse_args(argv)
    knobs, real = load_params(options.params), options.jobviews is not None
    name, command = ("jobviews", ON_VIEWS) if real else ("simulated", COMMAND if options.student else ON_MARKET)
    if options.rungs != list(RUNGS):
        command += f" --rungs {' '.join(options.rungs)}"
    if options.workspace:
        command += " --workspace FOLDER"
    workspace = Workspace(options.workspace) if options.workspace else None
    workspace = workspace or recipe_workspace(options.out, name, options.params, options.jobviews)
    made = measure(JOB_VIEWS if real else MARKET, workspace, knobs, not real, options.student, options.rungs)
    result_file.write("graph_teacher", command, made, simulated=not real, publish=options.publish)


if __name__ == "__main__":
    main()
