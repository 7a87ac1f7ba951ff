"""Pay in words is read as it was meant, and compared by one number."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.reading.pay import PERIODS_A_YEAR, all_yearly, read_pay, yearly
from contracts.records import Job, Preferences


@pytest.mark.parametrize(
    ("text", "low", "high", "currency", "period"),
    [
        ("$40,000 - $50k a year", 40_000, 50_000, "USD", "year"),
        ("20-25 €/hour", 20, 25, "EUR", "hour"),
        ("40-50k", 40_000, 50_000, None, None),
        ("USD 60,000 to USD 80,000 annually", 60_000, 80_000, "USD", "year"),
        ("$20 per hour - $25 per hour", 20, 25, "USD", "hour"),
        ("$15.50 an hour", 15.5, 15.5, "USD", "hour"),
        ("up to 50k", None, 50_000, None, None),
        ("from $20/hr", 20, None, "USD", "hour"),
        ("£30k+", 30_000, None, "GBP", None),
        ("1.234,56 € pro Monat", 1_234.56, 1_234.56, "EUR", "month"),
        ("ab 3.000 € im Monat", 3_000, None, "EUR", "month"),
        ("40.000 EUR", 40_000, 40_000, "EUR", None),
        ("CHF 80’000 – 90’000", 80_000, 90_000, "CHF", None),
        ("35 000 € brut/an", 35_000, 35_000, "EUR", "year"),
        ("300€/Tag", 300, 300, "EUR", "day"),
        ("R$ 5.000,00 por mês", 5_000, 5_000, "BRL", "month"),
        ("12-15 LPA", 1_200_000, 1_500_000, "INR", None),
        ("5万-8万円", 50_000, 80_000, "JPY", None),
        ("3000 monthly", 3_000, 3_000, None, "month"),
    ],
)
def test_pay_in_words_is_read(text: str, low: float, high: float, currency: str, period: str) -> None:
    assert read_pay(text) == (low, high, currency, period)


@pytest.mark.parametrize("text", ["DOE", "", "competitive", "40 hours per week, $20", "1-2-3", "$" * 500, "9" * 500])
def test_what_names_no_one_pay_is_none(text: str) -> None:
    assert read_pay(text) is None


def _job(**fields: object) -> Job:
    return Job.model_validate({"id": "j", "title": "Cook", "updated_at": "2026-05-01"} | fields)


def test_one_cell_fills_both_ends_with_currency_and_period() -> None:
    job = _job(salary_min="20-25 €/hour")
    assert (job.salary_min, job.salary_max, job.currency, job.salary_period) == (20, 25, "EUR", "hour")
    assert job.yearly_pay == (41_600, 52_000)


def test_what_a_column_says_of_its_own_is_kept() -> None:
    job = _job(salary_min="$40k", salary_max="$50,000 a year", currency="CAD", salary_period="year")
    assert (job.salary_min, job.salary_max, job.currency, job.salary_period) == (40_000, 50_000, "CAD", "year")
    assert _job(salary_max="$40k to $50k", salary_min=30_000).salary_min == 30_000
    assert _job(salary_min="40.000").salary_min == 40_000


@pytest.mark.parametrize(
    ("wish", "yearly_pay"),
    [("$25 an hour", 52_000), ("from 60k", 60_000), ("55000", 55_000), (55_000, 55_000), (25, None), ("", None)],
)
def test_the_pay_that_a_member_wishes_for_is_by_the_year(wish: object, yearly_pay: float | None) -> None:
    assert Preferences.model_validate({"salary_min": wish}).yearly_pay == yearly_pay


def test_less_than_anybody_is_paid_in_a_year_is_not_compared() -> None:
    assert _job(salary_min=20, salary_max=25).yearly_pay == (None, None)
    assert _job(salary_min=20, salary_max=25, salary_period="hour").yearly_pay == (41_600, 52_000)
    assert yearly(None, "year") is None


@given(st.lists(st.tuples(st.none() | st.floats(0, 1e9), st.sampled_from(sorted(PERIODS_A_YEAR))), max_size=20))
def test_many_amounts_are_compared_as_each_of_them(pay: list[tuple[float | None, str]]) -> None:
    amounts = np.array([math.nan if amount is None else amount for amount, _ in pay], np.float64)
    expected = [math.nan if (one := yearly(*each)) is None else one for each in pay]
    np.testing.assert_allclose(all_yearly(amounts, [period for _, period in pay]), expected)


@given(st.text(max_size=60) | st.text("0123456789.,k$€-–/ ahour", max_size=40))
def test_any_text_is_pay_in_order_or_none(text: str) -> None:
    pay = read_pay(text)
    if pay is not None and pay.low is not None and pay.high is not None:
        assert 0 <= pay.low <= pay.high
