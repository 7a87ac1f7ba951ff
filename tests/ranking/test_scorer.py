from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BundleMismatch, ShapeMismatch
from ranking.scorer import BundleScorer, ItemEncoder
from tests.make import refused

TEXTS = ["nurse austin", "driver", "python developer austin nurse", ""]


def test_scores_of_a_batch_equal_one_by_one_scores(bundle: Path) -> None:
    scorer, items = BundleScorer(bundle, threads=1), ItemEncoder(bundle, threads=1).encode(TEXTS)
    prefix = scorer.prefix("driver austin")
    together = scorer.logits(prefix, items)
    assert together.shape == (4, 3) and together.dtype == np.float32
    alone = [scorer.logits(prefix, items[i : i + 1])[0] for i in range(4)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_items_do_not_depend_on_their_batch(bundle: Path) -> None:
    encoder = ItemEncoder(bundle, threads=1)
    np.testing.assert_allclose(encoder.encode(TEXTS)[1], encoder.encode(["driver"])[0], atol=1e-6)


def test_no_candidates_give_no_scores(bundle: Path) -> None:
    scorer = BundleScorer(bundle, threads=1)
    assert scorer.logits(scorer.prefix("nurse"), np.zeros((0, 2, 4), np.float32)).shape == (0, 3)
    assert ItemEncoder(bundle).encode([]).shape == (0, 2, 4)


def test_more_candidates_than_one_call_takes_are_all_scored(bundle: Path) -> None:
    scorer = BundleScorer(bundle, threads=1)
    items = np.random.default_rng(0).standard_normal((2_500, 2, 4)).astype(np.float32)
    prefix = scorer.prefix("nurse")
    scores = scorer.logits(prefix, items)
    assert scores.shape == (2_500, 3)
    np.testing.assert_allclose(scores[-1], scorer.logits(prefix, items[-1:])[0], atol=1e-5)


def test_a_long_request_is_cut_at_the_limit(bundle: Path) -> None:
    scorer = BundleScorer(bundle, threads=1)
    assert scorer.prefix("nurse " * 10_000).shape[3] == scorer.manifest.max_prefix_tokens


def test_item_tokens_of_another_shape_are_refused(bundle: Path) -> None:
    scorer = BundleScorer(bundle, threads=1)
    with refused(ShapeMismatch, (5, 3, 4), ("n", 2, 4), scorer.manifest.version):
        scorer.logits(scorer.prefix("nurse"), np.zeros((5, 3, 4), np.float32))


@pytest.mark.parametrize("kind", [BundleScorer, ItemEncoder])
def test_an_altered_bundle_is_refused(bundle: Path, tmp_path: Path, kind: type) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "score.onnx").write_bytes(b"x")
    with refused(BundleMismatch, "score.onnx", where=copy):
        kind(copy)
