from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BundleMismatch, ShapeMismatch
from contracts.match import COMPARISONS
from ranking.explain import match_effects
from ranking.scorer import BundleScorer, ItemEncoder
from tests.make import refused
from tests.ranking.conftest import match_weights

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


def test_a_bundle_with_a_match_reads_it_and_takes_none_for_not_known(match_bundle: Path) -> None:
    scorer, items = BundleScorer(match_bundle, threads=1), ItemEncoder(match_bundle, threads=1).encode(TEXTS)
    prefix, match = scorer.prefix("nurse"), np.eye(len(COMPARISONS), dtype=np.uint8)[:4]
    plain = scorer.logits(prefix, items)
    assert np.array_equal(plain, scorer.logits(prefix, items, np.zeros((4, len(COMPARISONS)), np.uint8)))
    np.testing.assert_allclose(scorer.logits(prefix, items, match) - plain, match_weights()[:4], atol=1e-5)


def test_bins_of_other_jobs_are_refused(match_bundle: Path) -> None:
    scorer, items = BundleScorer(match_bundle, threads=1), ItemEncoder(match_bundle, threads=1).encode(TEXTS)
    with refused(ShapeMismatch, f"(3, {len(COMPARISONS)})", f"(4, {len(COMPARISONS)})"):
        scorer.logits(scorer.prefix("nurse"), items, np.zeros((3, len(COMPARISONS)), np.uint8))


def test_a_bundle_without_a_match_reads_none(bundle: Path) -> None:
    scorer, items = BundleScorer(bundle, threads=1), ItemEncoder(bundle, threads=1).encode(TEXTS)
    match = np.ones((4, len(COMPARISONS)), np.uint8)
    prefix = scorer.prefix("nurse")
    assert np.array_equal(scorer.logits(prefix, items, match), scorer.logits(prefix, items))


def test_effects_are_what_a_comparison_adds_when_all_others_stay(match_bundle: Path) -> None:
    scorer, items = BundleScorer(match_bundle, threads=1), ItemEncoder(match_bundle, threads=1).encode(TEXTS)
    match = np.zeros(len(COMPARISONS), np.uint8)
    match[[0, 3, 6]] = 6, 4, 2
    effects = match_effects(scorer, "nurse", items[0], match)
    expected = {COMPARISONS[i].name: match[i] * match_weights()[i, 0] for i in (0, 3, 6)}
    assert {effect.name: effect.effect for effect in effects} == pytest.approx(expected, abs=1e-4)
    assert [abs(effect.effect) for effect in effects] == sorted((abs(e.effect) for e in effects), reverse=True)
    assert {effect.words for effect in effects} == {"skills: most", "level: the same", "workplace: wished"}
    assert match_effects(scorer, "nurse", items[0], np.zeros(len(COMPARISONS), np.uint8)) == ()
