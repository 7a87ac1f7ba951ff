"""Pay in words is read as it was meant, and compared by one number."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.reading.pay import PERIODS_A_YEAR, all_yearly, currency_code, read_pay, yearly
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
        ("20 000–25 000 zł brutto/mies.", 20_000, 25_000, "PLN", "month"),
        ("DKK 40.000 pr. måned", 40_000, 40_000, "DKK", "month"),
        ("SEK 35 000/mån", 35_000, 35_000, "SEK", "month"),
        ("月給25万円", 250_000, 250_000, "JPY", "month"),
        ("연봉 4000만원", 40_000_000, 40_000_000, "KRW", "year"),
        ("120.000-150.000 руб.", 120_000, 150_000, "RUB", None),
        ("от 80 000 руб. в месяц", 80_000, None, "RUB", "month"),
        ("Rp 5.000.000", 5_000_000, 5_000_000, "IDR", None),
        ("6,00,000 - 8,00,000 PA", 600_000, 800_000, "INR", "year"),
        ("15-20 Lacs P.A.", 1_500_000, 2_000_000, "INR", "year"),
        ("5-8 millones COP", 5_000_000, 8_000_000, "COP", None),
        ("40,000 Canadian dollars", 40_000, 40_000, "CAD", None),
        ("$20/hr Mon-Fri", 20, 20, "USD", "hour"),
        ("$20 per hour/DOE", 20, 20, "USD", "hour"),
    ],
)
def test_pay_in_words_is_read(text: str, low: float, high: float, currency: str, period: str) -> None:
    assert read_pay(text) == (low, high, currency, period)


@pytest.mark.parametrize(
    "text",
    [
        "DOE",
        "",
        "competitive",
        "40 hours per week, $20",
        "1-2-3",
        "A12 TVöD",
        "TV-L E13",
        "₿ 3000",
        "$" * 500,
        "9" * 500,
    ],
)
def test_what_names_no_one_pay_is_none(text: str) -> None:
    assert read_pay(text) is None


@pytest.mark.parametrize(
    "text",
    ["$3,500 biweekly", "$900 bi-weekly", "$1,000 per shift", "£500 a fortnight", "3000 € / Einsatz",
     "2 000 руб. за смену"],
)  # fmt: skip
def test_pay_for_a_period_that_is_stated_and_not_known_is_not_read(text: str) -> None:
    assert read_pay(text) is None


@pytest.mark.parametrize(
    ("cell", "code"),
    [("US Dollars", "USD"), ("EURO (€)", "EUR"), ("USD (k)", "USD"), ("€ / EUR", "EUR"), ("Canadian Dollars", "CAD"),
     ("jamaican dollars", "JAMAICAN DOLLARS"), ("points", "POINTS")],
)  # fmt: skip
def test_a_currency_is_its_code_or_stays_as_it_is(cell: str, code: str) -> None:
    assert currency_code(cell) == code


@pytest.mark.parametrize(
    ("fields", "pay"),
    [
        ({"salary_min": "12.500", "salary_period": "HOUR", "currency": "GBP"}, (12.5, None)),
        ({"salary_min": "€12.500 per hour"}, (12.5, None)),
        ({"salary_min": "12.500-15.250 €/h"}, (12.5, 15.25)),
        ({"salary_min": "12.500", "currency": "GBP"}, (12_500, None)),
        ({"salary_min": "30.000 per hour", "currency": "IDR"}, (30_000, None)),
    ],
)
def test_a_dot_before_three_digits_is_a_decimal_point_where_thousands_cannot_be_meant(
    fields: dict[str, str], pay: tuple[float, float | None]
) -> None:
    job = _job(**fields)
    assert (job.salary_min, job.salary_max) == pay


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
