"""Trained embeddings: what each step of training adds to recall, on O*NET's titles and on the job views.

    python -m benchmarks.embeddings --onet ../shared/data/onet --jobviews ../shared/data/jobviews

A request is a held-out one (titles of held-out occupations; each member's last view), its candidates are all jobs, and
ties count against a system. A step is compared with the same training without it; intervals are 95% over the broad
occupations that titles belong to and over members, not over seeds. Each training is kept under --out by what it is made
from, so that a run that was broken off goes on. What an encoder forgets is measured on the other set: that of the job
views is asked for O*NET's titles.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import result_file
from benchmarks.embeddings_data import SHORT, Search, Task, log_task, onet_task, recipe_workspace
from benchmarks.fusion import halves
from contracts.machine import cores
from contracts.progress import Progress
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.config import EncoderTraining
from models.encoder.contrast import truncate_dim
from models.encoder.export import export_encoder
from models.encoder.towers import train_encoder
from models.layers.backbone import Backbone, l2_normalize, mean_pool
from models.layers.folder import backbone_folder
from models.layers.sentences import MAX_TOKENS
from models.teachers.train import train_teacher
from models.training.device import autocast, device_of
from models.training.rows import by_length
from models.training.states import BATCH_TOKENS
from replay.measures import mean_estimates
from retrieval.encoder import TextEncoder
from retrieval.engines.hits import Hits, top_k
from retrieval.words.terms import best
from rolecall.console import show_progress

NAME = "embeddings"
KNOBS = Path(__file__).parent / "embeddings.yaml"
SIZES: Mapping[str, Mapping[str, int]] = {
    "full": {"titles": 2_000, "requests": 2_000, "lists": 300, "pairs": 1_000},
    "small": {"titles": 64, "requests": 40, "lists": 8, "pairs": 64},
}
"""titles: of O*NET to learn from; requests: held-out ones of each set; lists: of O*NET's teacher; pairs: of the log's
positives that are learned from."""
DEPTHS = (10, 100)
MERGED = 1_000
"""Jobs of either engine that the hybrid merges, half of its places each."""
JOB_VIEWS, MARKET = "job views", "simulated market"
BM25, MINILM = "BM25", "MiniLM"
IN_BATCH, EASY, LONGER, CURRICULUM = "in-batch", "+ easy negatives", "+ one epoch more", "+ curriculum, K = 32"
TOGETHER = "Matryoshka"
WIDTHS = (128, 64)
SHARE: Mapping[str, Any] = {"easy_share": 0.5}
AGAIN: Mapping[str, Any] = {**SHARE, "epochs": 1, "learning_rate": 2e-5, "hard_rate": 1.0, "seed": 1}
"""One epoch from the encoder with easy negatives, in other batches: the same for each of the steps that follow it."""
HARD: Mapping[str, Any] = {**AGAIN, "epochs": 0, "hard_epochs": 1}


@dataclass(frozen=True)
class Variant:
    """knobs: of the training; base: the variant that it begins as, MiniLM where empty; above: the one that it is
    compared with; lists: whether judged lists are learned from."""

    name: str
    knobs: Mapping[str, Any]
    base: str = EASY
    above: str = LONGER
    lists: bool = False


VARIANTS = (
    Variant(IN_BATCH, {}, base="", above=MINILM),
    Variant(EASY, SHARE, base="", above=IN_BATCH),
    Variant(LONGER, AGAIN, above=EASY),
    Variant(CURRICULUM, {**HARD, "hardest": 32}),
    Variant("+ curriculum, K = 1", {**HARD, "hardest": 1}),
    Variant("+ curriculum, K = 1, anchored", {**HARD, "hardest": 1, "anchor": 0.1}),
    Variant("+ mined margin", {**AGAIN, "margin_weight": 1.0}, lists=True),
    Variant("+ distillation", {**AGAIN, "distil_weight": 1.0}, lists=True),
    Variant(TOGETHER, {**AGAIN, "dims": WIDTHS}),
)
HYBRIDS = (MINILM, EASY, LONGER, CURRICULUM, "+ distillation")
HYBRID, SERVED = f"hybrid of {BM25} and ", f"{LONGER}, INT8 as served"
ABOVE = {
    **{variant.name: variant.above for variant in VARIANTS},
    **{HYBRID + name: name for name in HYBRIDS},
    **{f"{TOGETHER}, cut to {width}": f"{LONGER}, cut to {width}" for width in WIDTHS},
    SERVED: LONGER,
}
"""System -> the one that it is compared with."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--onet", type=Path, help="a folder of O*NET tables, where you have it")
    parser.add_argument("--jobviews", type=Path, help="the public job-views folder, where you have it")
    parser.add_argument("--market", action="store_true", help="a simulated market too")
    parser.add_argument("--size", choices=tuple(SIZES), default="full", help="small: a smoke run; writes nothing")
    parser.add_argument("--out", type=Path, default=Path("artifacts/embeddings"), help="where encoders are kept")
    parser.add_argument("--params", type=Path, default=KNOBS, help="the recipe's knobs for the logs")
    options = parser.parse_args(argv)
    show_progress(quiet=False)
    torch.set_num_threads(cores())
    made: list[dict[str, Any]] = []
    other: Search | None = None
    for task in _tasks(options):
        made += climb(task, options.out, options.size == "small", other)
        other = other or task.search
        print(result_file.as_table(made), flush=True)
        if options.size == "full":  # after each set: what comes later may fail
            result_file.write(
                NAME, result_file.command_line("benchmarks.embeddings"), made, simulated=False, publish=options.publish
            )


def _tasks(options: argparse.Namespace) -> Iterator[Task]:
    size, out = SIZES[options.size], options.out
    if options.onet:
        task = onet_task(options.onet, out, size["titles"], size["requests"], size["lists"])
        train_teacher(task.lists, "policy", SHORT)
        yield task
    if options.jobviews:
        workspace = recipe_workspace(out, "jobviews", options.params, options.jobviews)
        yield log_task(JOB_VIEWS, workspace, "click", size["requests"], size["pairs"])
    if options.market:
        workspace = recipe_workspace(out, "market", options.params, None)
        yield log_task(MARKET, workspace, "click", size["requests"], size["pairs"])


def climb(task: Task, out: Path, small: bool, other: Search | None) -> list[dict[str, Any]]:
    """The rows of one set: every system's recall, and what it adds to the one that it is compared with.

    other: requests of another set, by which to see what the encoders have forgotten.
    """
    folders = {MINILM: backbone_folder()}
    for variant in VARIANTS:
        folders[variant.name] = _train(task, variant, out, folders, small)
    about = {"case": task.search.case, "simulated": task.search.name == MARKET}
    made = [row | about for row in rows_of(_measured(task.search, folders, out), ABOVE, task.search.groups)]
    if other is not None:
        kept = {name: found_by(other, vectors_of(folder, other, out)) for name, folder in folders.items()}
        about["case"] = f"forgetting: {other.name} by encoders of the {task.search.name}"
        made += [row | about for row in rows_of(kept, dict.fromkeys(list(kept)[1:], MINILM), other.groups)]
    return made


def _measured(search: Search, folders: Mapping[str, Path], out: Path) -> dict[str, np.ndarray]:
    """System -> what it finds, as in `found_by`."""
    values = {BM25: found_by(search, words=True)}
    for name, folder in folders.items():
        vectors = vectors_of(folder, search, out)
        values[name] = found_by(search, vectors)
        if name in HYBRIDS:
            values[HYBRID + name] = found_by(search, vectors, words=True)
        for width in WIDTHS if name in (LONGER, TOGETHER) else ():
            short = [truncate_dim(torch.from_numpy(whole), width).numpy() for whole in vectors]
            values[f"{name}, cut to {width}"] = found_by(search, short)
    values[SERVED] = found_by(search, served_vectors(folders[LONGER], search))
    return values


def _train(task: Task, variant: Variant, out: Path, folders: Mapping[str, Path], small: bool) -> Path:
    knobs = dict(variant.knobs)
    if variant.lists:
        knobs |= {"lists": task.lists.root, "teacher": task.teacher}
    if variant.base:
        knobs["backbone"] = folders[variant.base]
    config = EncoderTraining.model_validate(knobs | ({"batch": 16} if small else {}))
    logging.getLogger("rolecall").info("%s: %s", task.search.name, variant.name)
    return train_encoder(out / "towers", task.positives, config)


# --- what is found ---------------------------------------------------------------------------------------------------


def vectors_of(folder: Path, search: Search, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, H) of requests and (m, H) of jobs, float32 from the arithmetic of training; kept under `out`."""
    path = out / "vectors" / f"{folder.name}-{search.version}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        backbone, staged = Backbone(folder).eval(), path.with_suffix(".staged.npz")
        np.savez(
            staged,
            allow_pickle=False,
            **{
                name: _encode(backbone, folder, texts)
                for name, texts in (("requests", search.requests), ("jobs", search.jobs))
            },
        )
        staged.replace(path)
    with np.load(path) as kept:
        return kept["requests"], kept["jobs"]


def _encode(backbone: Backbone, folder: Path, texts: Sequence[str]) -> np.ndarray:
    tokens = token_ids(open_tokenizer(folder, MAX_TOKENS), texts)
    vectors = np.zeros((len(texts), backbone.hidden), np.float32)
    progress = Progress("encode", "texts", len(texts))
    with torch.inference_mode(), autocast(device_of(backbone)):
        for some in by_length(np.array([len(ids) for ids in tokens], np.int64), BATCH_TOKENS):
            ids, mask = (torch.from_numpy(array) for array in pad([tokens[i] for i in some]))
            vectors[some] = l2_normalize(mean_pool(backbone(ids, mask).float(), mask)).numpy()
            progress.add(len(some))
    return vectors


def served_vectors(folder: Path, search: Search) -> tuple[np.ndarray, np.ndarray]:
    """By the exported graph in INT8."""
    with tempfile.TemporaryDirectory() as scratch:
        export_encoder(Path(scratch) / "encoder", folder, "int8")
        encoder = TextEncoder(Path(scratch) / "encoder", threads=cores())
        return encoder.encode(search.requests, "request"), encoder.encode(search.jobs, "job")


def found_by(search: Search, vectors: Sequence[np.ndarray] | None = None, words: bool = False) -> np.ndarray:
    """(n, depths) float64: the share of each request's jobs that are found, by vectors, by words, or by both merged."""
    values = np.zeros((len(search.requests), len(DEPTHS)))
    merged = vectors is not None and words
    for i, (relevant, excluded) in enumerate(zip(search.relevant, search.excluded, strict=True)):
        open_to = np.ones(len(search.jobs), bool)
        open_to[excluded] = False
        rows, lists = np.flatnonzero(open_to).astype(np.int32), []
        if words:
            lists.append(best(search.terms.scores(search.words[i]), MERGED if merged else len(rows), open_to))
        if vectors is not None:
            scores = (vectors[1] @ vectors[0][i])[rows]
            lists.append(top_k(scores, MERGED, rows) if merged else Hits(rows, scores))
        hits = halves(lists, max(DEPTHS)) if merged else lists[0]
        ranks = np.array([_rank(hits, row) for row in relevant.tolist()])
        values[i] = [(ranks <= depth).mean() for depth in DEPTHS]
    return values


def _rank(hits: Hits, row: int) -> float:
    """From 1, behind all that score as high; infinite where it was not found."""
    place = np.flatnonzero(hits.rows == row)
    return float(np.count_nonzero(hits.scores >= hits.scores[place[0]])) if len(place) else np.inf


def rows_of(
    values: Mapping[str, np.ndarray], above: Mapping[str, str], groups: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Rows of each system, and of the paired difference from the one that `above` names; groups: of the requests."""
    names = [f"recall@{depth}" for depth in DEPTHS]
    for system, found in values.items():
        tables = [(names, found)]
        if system in above:
            tables.append(([f"{name} above {above[system]}" for name in names], found - values[above[system]]))
        for metrics, table in tables:
            for metric, estimate in zip(metrics, mean_estimates(table, seed=0, groups=np.array(groups)), strict=True):
                yield {
                    "system": system,
                    "metric": metric,
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "unit": "",
                }


if __name__ == "__main__":
    main()
