"""Clicks depend on position, fit and taste in the stated way."""

import numpy as np
import polars as pl

from simulator import Truth, behaviour
from simulator.behaviour import EXAMINATION_POWER
from simulator.population import Members
from simulator.truth import dimensions


def _shown(events: pl.DataFrame) -> pl.DataFrame:
    keys = ["request_id", "job_id"]
    views = events.filter(action="view").select(*keys, view=pl.lit(1))
    return events.filter(action="impression").join(views, on=keys, how="left").with_columns(pl.col("view").fill_null(0))


def _attraction(truth: Truth, shown: pl.DataFrame) -> np.ndarray:
    m = shown["member_id"].str.slice(1).cast(pl.Int64).to_numpy()
    j = shown["job_id"].str.slice(1).cast(pl.Int64).to_numpy()
    intents = [truth.catalogue.intent(query) if query else None for query in shown["query"]]
    work = truth.jobs.occupation[j]
    asked = np.array([np.nan if i is None else i.relatedness[w] for i, w in zip(intents, work, strict=True)])
    city = np.array([-1 if i is None else i.city for i in intents])
    found = dimensions(truth.members, truth.jobs, m, j, truth.catalogue, asked, city)
    times = shown["time"].dt.timestamp("us").to_numpy()
    return behaviour.attraction(found, behaviour.taste(truth.members, truth.jobs, m, j, times))


def test_position_bias_is_recovered_from_the_log(truth: Truth, events: pl.DataFrame) -> None:
    """Views over expected attraction, by position, fall as position ** -EXAMINATION_POWER."""
    shown = _shown(events).with_columns(attraction=_attraction(truth, _shown(events)))
    by = shown.group_by("position").agg(pl.col("view").sum(), pl.col("attraction").sum()).sort("position")
    examined = (by["view"] / by["attraction"]).to_numpy()
    slope = np.polyfit(np.log(by["position"].to_numpy()), np.log(examined), 1)[0]
    assert abs(slope + EXAMINATION_POWER) < 0.12
    assert abs(examined[0] - 1.0) < 0.08


def test_rates_are_those_of_a_real_board(events: pl.DataFrame) -> None:
    count = {action: len(events.filter(action=action)) for action in ("impression", "view", "apply", "hire", "dismiss")}
    assert 0.09 < count["view"] / count["impression"] < 0.2
    assert 0.2 < count["apply"] / count["view"] < 0.38
    assert 0 < count["hire"] < count["apply"]
    assert 0 < count["dismiss"] < count["view"]


def test_a_curiosity_draws_clicks_that_the_fit_does_not_explain(truth: Truth, events: pl.DataFrame) -> None:
    shown = _shown(events).filter(pl.col("surface") == "recommendation")
    m = shown["member_id"].str.slice(1).cast(pl.Int64).to_numpy()
    j = shown["job_id"].str.slice(1).cast(pl.Int64).to_numpy()
    fit = truth.fits(shown["member_id"].to_list(), shown["job_id"].to_list())
    view = shown["view"].to_numpy()
    curious = truth.members.curious[m] == truth.jobs.occupation[j]
    poor = fit <= 1
    assert view[poor & curious].mean() > 3 * view[poor & ~curious].mean()


def test_views_rise_with_the_fit(truth: Truth, events: pl.DataFrame) -> None:
    shown = _shown(events)
    fit = truth.fits(shown["member_id"].to_list(), shown["job_id"].to_list(), shown["query"].to_list())
    rates = [shown["view"].to_numpy()[fit == grade].mean() for grade in range(5)]
    assert rates == sorted(rates)


def test_latent_arrays_survive_their_table(truth: Truth) -> None:
    again = Members.from_table(truth.members.to_table())
    np.testing.assert_array_equal(again.skills, truth.members.skills)
    np.testing.assert_array_equal(again.salary_min, truth.members.salary_min)
