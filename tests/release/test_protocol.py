"""What a pair feature tells of how lists were made: a planted one is found, said and left out, an honest one stays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import somersd

from contracts.workspace import Workspace
from models.config import ExportConfig
from models.training.rows import read_rows
from release.held_out import HeldOut
from release.orders import fit_order
from release.protocol import FUTURE, left_out, measure_features, somers_d

Tables = Callable[..., pa.Table]
KEEP_ALL = ExportConfig(leave_out=())


@pytest.fixture
def held_out(labelled: Callable[..., Workspace], table: Tables) -> Callable[..., HeldOut]:
    """Lists whose first three jobs were shown, and whose others retrieval found; `planted`: feature -> (n,) values.

    Members chose among the shown alone.
    """

    def make(**planted: Callable[[pa.Table, np.ndarray], np.ndarray]) -> HeldOut:
        made = table(60)
        shown = made["position"].to_numpy() <= 3
        strata = pa.array(np.where(shown, "logged", "retrieved"))
        made = made.set_column(made.schema.get_field_index("stratum"), "stratum", strata)
        for name in ("view", "apply", "dismiss", "position"):
            kind = made.schema.field(name).type
            column = [value if told else None for value, told in zip(made[name].to_pylist(), shown, strict=True)]
            made = made.set_column(made.schema.get_field_index(name), name, pa.array(column, kind))
        for name, values in planted.items():
            column = pa.array(values(made, shown).astype(np.float32))
            made = made.set_column(made.schema.get_field_index(name), name, column)
        rows = read_rows(labelled(table=made).training)
        valid, test = (rows.of_splits(split) for split in ("valid", "test"))
        return HeldOut(rows, ("relevance",), valid, test, np.zeros((len(rows), 1), np.float32))

    return make


def noisy(flag: np.ndarray) -> np.ndarray:
    """A feature that mostly says a flag."""
    return flag + np.random.default_rng(0).normal(0, 0.3, len(flag))


def test_a_planted_feature_of_the_protocol_is_named_and_left_out_of_the_blend(
    held_out: Callable[..., HeldOut], caplog: pytest.LogCaptureFixture
) -> None:
    planted = held_out(same_company=lambda table, shown: noisy(shown))
    with caplog.at_level(logging.WARNING, "rolecall"):
        told = measure_features(planted, KEEP_ALL)
    assert told["same_company"].origin > 0.7 and abs(told["same_company"].fit) < 0.3
    assert told["same_company"].excess > KEEP_ALL.most_origin
    assert left_out(told) == ("same_company",)
    assert [record.args[0] for record in caplog.records] == ["same_company"]  # type: ignore[index]
    weights = {}
    for names in ((), left_out(told)):
        blend = fit_order(planted, KEEP_ALL.model_copy(update={"leave_out": names}), planted.valid)
        weights[names] = dict(zip(blend.names, blend.weights, strict=True))
    assert weights[()]["same_company"] > 0.1, "the blend would have learned it"
    assert "same_company" not in weights["same_company",]


def test_in_a_log_of_views_what_tells_the_jobs_of_the_future_is_left_out(held_out: Callable[..., HeldOut]) -> None:
    """Somebody had viewed every second job before; who was at it says nothing of the job."""

    def later(table: pa.Table, shown: np.ndarray) -> np.ndarray:
        return np.arange(len(table)) % 2

    views = held_out(unseen=later, days_since_view=lambda table, shown: noisy(later(table, shown)), dense=likes)
    views = replace(views, rows=replace(views.rows, position=np.zeros_like(views.rows.position)))
    told = measure_features(views, KEEP_ALL)
    assert left_out(told) == ("days_since_view", "unseen")
    assert told["unseen"].of == told["days_since_view"].of == FUTURE and told["unseen"].origin == 1
    assert told["dense"].choice > 0.5


def likes(table: pa.Table, shown: np.ndarray) -> np.ndarray:
    return np.nan_to_num(table["view"].to_numpy().astype(float))


def test_a_feature_that_tells_fit_stays_though_it_tells_the_origin_too(held_out: Callable[..., HeldOut]) -> None:
    def fits(table: pa.Table, shown: np.ndarray) -> np.ndarray:
        return table["grade"].cast(pa.float32()).fill_null(0).to_numpy() + 0.5 * shown

    told = measure_features(held_out(dense=fits), KEEP_ALL)
    assert told["dense"].fit > 0.7 and not told["dense"].left_out


def test_a_feature_that_tells_choice_among_the_shown_stays(held_out: Callable[..., HeldOut]) -> None:
    def chosen(table: pa.Table, shown: np.ndarray) -> np.ndarray:
        return np.nan_to_num(table["view"].to_numpy().astype(float)) * 2 + 0.5 * shown

    told = measure_features(held_out(recent=chosen), KEEP_ALL)
    assert told["recent"].choice > 0.7 and not told["recent"].left_out


def test_the_bound_is_a_knob_and_names_are_left_out_whatever_they_tell(held_out: Callable[..., HeldOut]) -> None:
    planted = held_out(same_company=lambda table, shown: noisy(shown))
    assert left_out(measure_features(planted, KEEP_ALL.model_copy(update={"most_origin": 1.0}))) == ()
    by_default = measure_features(planted, ExportConfig(most_origin=1.0))
    assert left_out(by_default) == ("days_since_view", "unseen")


def test_somers_d_is_that_of_scipy_within_a_list() -> None:
    rng = np.random.default_rng(1)
    features, target = rng.integers(0, 4, (12, 3)).astype(float), rng.integers(0, 3, 12).astype(float)
    expected = [somersd(target, column).statistic for column in features.T]
    np.testing.assert_allclose(somers_d(features, target, [np.arange(12)]), expected)
    target[3] = np.nan
    halves = [np.arange(6), np.arange(6, 12)]
    by_half = [somersd(target[r][np.isfinite(target[r])], features[r][np.isfinite(target[r]), 0]) for r in halves]
    assert somers_d(features, target, halves)[0] == pytest.approx(np.mean([half.statistic for half in by_half]))
    assert somers_d(features, np.zeros(12), halves).tolist() == [0, 0, 0]
