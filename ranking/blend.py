"""The blend: a weighted sum of the student's logits and the pair's features, learned list by list, that orders jobs.

Linear, so that each result can be explained by its parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.bundle import Blend
from contracts.errors import BadInput, ShapeMismatch
from contracts.examples import PAIR_FEATURES
from ranking.listwise import fit_listwise

RELEVANCE = "relevance"


def fit_blend(
    features: np.ndarray, names: Sequence[str], list_ids: np.ndarray, gains: np.ndarray, l2: float = 1e-3
) -> Blend:
    """Weights that put the gains of each list on top.

    Args:
        features: (n, F) finite float.
        names: F names of the features.
        list_ids: (n,) of any type that sorts.
        gains: (n,) non-negative, NaN where not known.
        l2: Penalty on the weights of standardised features.

    Raises:
        ShapeMismatch, BadInput, TrainingFailed: As `ranking.listwise.fit_listwise`.
    """
    if features.ndim != 2 or features.shape[1] != len(names):
        raise ShapeMismatch(f"features {features.shape} for {len(names)} names", cure="name each column")
    linear = fit_listwise(features, list_ids, gains, l2)
    weights, means, scales = (tuple(values.tolist()) for values in linear)
    return Blend(names=tuple(names), weights=weights, means=means, scales=scales)


def weighed(blend: Blend, weight: float, name: str = RELEVANCE) -> Blend:
    """The blend with one of its inputs weighed more, by `weight` lengths of the vector of its weights."""
    added = weight * float(np.linalg.norm(blend.weights))
    weights = (w + added * (of == name) for of, w in zip(blend.names, blend.weights, strict=True))
    return blend.model_copy(update={"weights": tuple(weights)})


def apply_blend(blend: Blend, features: np.ndarray) -> np.ndarray:
    """(n,) float64 final scores of features (n, F) in the order of `blend.names`."""
    return contributions(blend, features).sum(axis=1)


def blend_inputs(names: Sequence[str], features: np.ndarray, logits: np.ndarray, tasks: Sequence[str]) -> np.ndarray:
    """The columns that a blend reads.

    Args:
        names: Of `PAIR_FEATURES` and `tasks`.
        features: (n, len(PAIR_FEATURES)) pair features.
        logits: (n, len(tasks)) of the student.
        tasks: Of the student, in the order of `logits`.

    Returns:
        (n, len(names)) float32.

    Raises:
        BadInput: A name is neither a pair feature nor a task.
    """
    columns = {name: features[:, i] for i, name in enumerate(PAIR_FEATURES)}
    columns |= {task: logits[:, i] for i, task in enumerate(tasks)}
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise BadInput(f"the blend reads {', '.join(unknown)}", cure=f"of {', '.join(columns)}")
    return np.stack([columns[name] for name in names], axis=1).astype(np.float32)


def contributions(blend: Blend, features: np.ndarray) -> np.ndarray:
    """(n, F) float64: what each input adds to the final score, weight x (value - mean) / scale."""
    if features.ndim != 2 or features.shape[1] != len(blend.names):
        problem = f"features are {features.shape}, the blend reads {len(blend.names)}: {blend.names}"
        raise ShapeMismatch(problem, cure="give a column for each, in this order")
    return (features - np.array(blend.means)) / np.array(blend.scales) * np.array(blend.weights)
