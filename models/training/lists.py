"""Which pairs are learned from: the targets that have a say, lists drawn up to a number of pairs, held-out metrics."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from contracts.tasks import EMPLOYER_TASKS, ENGAGEMENT_TASKS
from models.training.metrics import auc, mean_ndcg
from models.training.rows import Rows

RARE: tuple[str, ...] = tuple(task for task in ENGAGEMENT_TASKS if task != "view")
"""A shown job is a negative for a rare action only in a list that holds a positive."""
LEAST_OUTCOMES = 30
"""Positives among the training pairs from which a task of employers is learned."""
HELD_SERVED = 20
"""Served candidates of a validation request that teachers score."""
SCORED_SPLITS = ("train", "test")
"""The student learns from the first and is compared on the second; validation lists calibrate by their labels."""


def masked_targets(rows: Rows, tasks: Sequence[str]) -> np.ndarray:
    """(n, tasks) float32 targets, NaN where unknown, or where a rare action has no positive in the list.

    Nothing is known of a task of employers with fewer than `LEAST_OUTCOMES` positives to learn from.
    """
    targets = np.stack([rows.target(task) for task in tasks], axis=1)
    _, which = np.unique(rows.list_ids, return_inverse=True)
    for column, task in enumerate(tasks):
        if task in RARE:
            taken = np.zeros(which.max(initial=-1) + 1, bool)
            taken[which[(targets[:, column] > 0) & rows.listed]] = True
            targets[~taken[which], column] = np.nan
        if task in EMPLOYER_TASKS and np.nansum(targets[rows.of_splits("train"), column]) < LEAST_OUTCOMES:
            targets[:, column] = np.nan
    return targets


def told_apart(tasks: Sequence[str], targets: np.ndarray) -> tuple[str, ...]:
    """The tasks whose known targets (n, tasks) differ: nothing is learned of `hire` where nobody reports hires."""
    return tuple(
        task for task, known in zip(tasks, targets.T, strict=True) if len(np.unique(known[np.isfinite(known)])) > 1
    )


def scored_rows(rows: Rows) -> np.ndarray:
    """(m,) the numbers of the rows that teachers score, ascending: the lists of `SCORED_SPLITS` and `held_served`."""
    return np.unique(np.concatenate([rows.of_splits(*SCORED_SPLITS), *held_served(rows)]))


def held_served(rows: Rows, split: str = "valid", most: int = HELD_SERVED) -> list[np.ndarray]:
    """Row numbers of some graded served candidates of each request of a split that has such, drawn by its list alone.

    Nobody learns from those of validation requests, so they tell how far a ranker follows the judge, or another ranker.
    """
    return [cut_list(rows, of_list, most, 0) for of_list in served_lists(rows, split)]


def served_lists(rows: Rows, split: str) -> list[np.ndarray]:
    """Row numbers of the graded pairs of each list of a split that holds graded served ones."""
    graded = np.isfinite(rows.target("relevance"))
    served = graded & ~rows.listed
    lists = rows.lists(np.flatnonzero(graded & (rows.splits == split)))
    return [of_list for of_list in lists if served[of_list].any()]


def served_training_lists(rows: Rows, max_pairs: int, list_size: int, seed: int) -> list[np.ndarray]:
    """Some graded candidates of training requests as retrieval serves them, drawn by seed.

    Args:
        rows: The training set.
        max_pairs: Pairs at most, of as many requests as they suffice for.
        list_size: Pairs of a request at most.
        seed: Of the draw.

    Returns:
        Row numbers of each request.
    """
    lists = served_lists(rows, "train")
    order = np.random.default_rng(seed).permutation(len(lists))
    return [cut_list(rows, lists[i], list_size, seed) for i in order[: max_pairs // list_size]]


def cut_list(rows: Rows, of_list: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of a list's row numbers, ascending, whatever other lists there are."""
    name = zlib.crc32(str(rows.list_ids[of_list[0]]).encode())
    return np.sort(np.random.default_rng((seed, name)).permutation(of_list)[:most])


def training_lists(rows: Rows, usable: np.ndarray, max_pairs: int, seed: int) -> list[np.ndarray]:
    """Training lists, drawn by seed.

    Args:
        rows: The training set.
        usable: (n,) bool, the rows that a list may hold.
        max_pairs: Pairs at most; one list at least.
        seed: Of the draw.

    Returns:
        Row numbers of each list.
    """
    train = rows.of_splits("train")
    lists = rows.lists(train[usable[train]])
    order = np.random.default_rng(seed).permutation(len(lists))
    pairs = np.cumsum([len(lists[i]) for i in order])
    return [lists[i] for i in order[: max(1, int(np.searchsorted(pairs, max_pairs, "right")))]]


def padded(values: np.ndarray, lists: Sequence[np.ndarray], fill: float) -> np.ndarray:
    """(lists, longest, ...) from the values of the lists' rows one after the other, `fill` where a list is over."""
    lengths = np.array([len(rows) for rows in lists])
    present = np.arange(lengths.max()) < lengths[:, None]
    out = np.full((*present.shape, *values.shape[1:]), fill, values.dtype)
    out[present] = values
    return out


def held_out_metrics(rows: Rows, tasks: Sequence[str], logits: np.ndarray) -> dict[str, float]:
    """NDCG@10 by grades and AUC by what members did, over the lists of the test split, where labels allow it.

    Args:
        rows: The training set.
        tasks: In the order of the columns.
        logits: (n, tasks) of all n rows; those of other splits are not read.
    """
    test = rows.of_splits("test")
    metrics = {}
    for column, task in enumerate(tasks):
        if task == "relevance":
            metrics["ndcg@10"] = mean_ndcg(logits[:, column], rows.target(task), rows.lists(test))
        else:
            metrics[f"{task}_auc"] = auc(logits[test, column], rows.target(task)[test])
    return {name: value for name, value in metrics.items() if np.isfinite(value)}
