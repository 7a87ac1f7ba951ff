"""The head learns what pairs teach and nothing else: the same from the same, as it came where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from models.config import HeadTraining
from models.encoder.head import train_head
from models.encoder.positives import Positives

DIM, TRADES = 12, 6


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def trades() -> tuple[np.ndarray, np.ndarray, Positives]:
    """Requests and jobs of trades: the trade is said faintly in the first numbers, the rest is loud noise."""
    rng = np.random.default_rng(0)
    trade = np.arange(10 * TRADES) % TRADES
    requests, jobs = (
        unit(np.concatenate([0.4 * np.eye(TRADES)[trade], rng.standard_normal((len(trade), DIM - TRADES))], axis=1))
        for _ in range(2)
    )
    pairs = [(f"r{r}", f"j{j}", f"t{t}") for r, t in enumerate(trade) for j, u in enumerate(trade) if t == u]
    asked, taken, askers = zip(*pairs, strict=True)
    positives = Positives.of(asked, taken, [1.0] * len(pairs), askers, [])
    order = [int(text[1:]) for text in positives.requests], [int(text[1:]) for text in positives.jobs]
    return requests[order[0]], jobs[order[1]], positives


def recall(requests: np.ndarray, jobs: np.ndarray, positives: Positives) -> float:
    best = np.argsort(-(requests @ jobs.T), axis=1)[:, :10]
    took = dict(zip(positives.request.tolist(), positives.asker.tolist(), strict=True))
    return float(np.mean([np.isin(best[r], positives.taken[who]).mean() for r, who in took.items()]))


def test_what_was_taken_is_found_by_a_faint_sign(trades: tuple) -> None:
    requests, jobs, positives = trades
    head = train_head(requests, jobs, positives, HeadTraining(learning_rate=0.05))
    assert head.shape == (DIM, DIM) and head.dtype == np.float32
    after = recall(unit(requests @ head.T), unit(jobs @ head.T), positives)
    assert after > 0.9 > 0.5 > recall(requests, jobs, positives)


def test_the_same_pairs_give_the_same_head_and_another_seed_another(trades: tuple) -> None:
    heads = [train_head(*trades, HeadTraining(epochs=2, seed=seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(heads[0], heads[1])
    assert not np.allclose(heads[0], heads[2])


def test_without_an_epoch_it_is_the_identity_and_an_anchor_keeps_it_near(trades: tuple) -> None:
    identity = np.eye(DIM, dtype=np.float32)
    np.testing.assert_array_equal(train_head(*trades, HeadTraining(epochs=0)), identity)
    free, held = (train_head(*trades, HeadTraining(anchor=anchor)) for anchor in (0.0, 10.0))
    assert np.abs(held - identity).sum() < 0.3 * np.abs(free - identity).sum()
