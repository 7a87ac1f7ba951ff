"""Pay in a query: "over 80k", "$30/h", "ab 50.000 €"."""

from __future__ import annotations

import re

from contracts.reading.pay import PERIODS_A_YEAR, Pay, read_pay
from contracts.reading.spellings import spelled
from retrieval.filters.filters import Filter, Range
from retrieval.queries.chips import Chip, Understood
from retrieval.queries.known import Known
from retrieval.queries.typed import Span, Typed
from retrieval.queries.values import kind_of

_SIGN = r"(?:(?:US|CA|AU|NZ|R|C|A)?[$€£₹]|(?:USD|EUR|GBP|CAD|AUD|CHF|INR|BRL)\b)"
_TIMES = r"(?:k|K|tsd\.?|mil|lakhs?|lpa|LPA)(?![^\W\d_])"
_NAMED = r"(?:[$€£]|(?:USD|EUR|GBP|CHF|BRL|eur|usd|gbp|chf|euros?|dollars?|pounds|reais)(?![^\W\d_]))"
_AMOUNT = rf"(?:{_SIGN}\s?)?\d[\d.,']*(?:\s?{_TIMES})?(?:\s?{_NAMED})?"
_PER = r"\s?(?:/\s?|per |pro |por |par |an |a |die |la |je |de l')(?P<period>[^\W\d_]+)"
_PAY = re.compile(
    rf"(?<![\w.,$€£-])(?P<amount>{_AMOUNT}(?:\s?(?:-|–|—|to|bis|até|hasta|à|a)\s?{_AMOUNT})?\+?)(?:{_PER})?(?![\w-])"
)
_IS_MONEY = re.compile(rf"{_SIGN}|{_NAMED}|\d\s?{_TIMES}")
_NO_PAY = re.compile(r"401\s?[kK]|\b[1-9]\s?[kK]\b")
"""A pension plan, and the resolution of a screen."""
_BARE = 10_000
"""An amount from which on a number behind "over" is pay without a sign or a period."""
_PAID = (5_000.0, 1_000_000.0)
"""By the year; other amounts are no pay of one person, but in `_SMALL` currencies."""
_SMALL = frozenset({"INR", "JPY", "KRW", "HUF", "IDR", "VND", "CLP", "COP"})
_DOLLARS = frozenset({"usd", "cad", "aud", "nzd", "sgd", "hkd"})
_GUESSED = ((500.0, "hour"), (10_000.0, "month"))
"""Below which amount pay without a period is by the hour, or by the month; else it is by the year."""
_LEAST_MONTHLY = 1_000.0


def read_amounts(typed: Typed, known: Known, currency: str) -> None:
    """Read the first pay of a query. currency: of the board, folded; a dollar sign means its dollars."""
    for match in _PAY.finditer(typed.text):
        span = typed.overlapping(*match.span())
        if span is None or _NO_PAY.fullmatch(match["amount"].strip()):
            continue
        bounds = (known.lexicon.at_least, known.lexicon.at_most)
        bound = next((found for one in bounds if (found := typed.before(span.first, one))), None)
        whole = Span(bound.first, span.end) if bound else span
        pay = _read(match, typed.slice(bound) if bound else "", currency)
        if pay is None:
            continue
        filter, value, label = pay
        chip = Chip(
            id=f"pay:{value}",
            text=typed.slice(whole),
            field="pay",
            kind=kind_of("pay", known),
            value=value,
            label=label,
        )
        typed.take(whole, Understood(chip, filter), from_words=True, from_query=True)
        return


def _read(match: re.Match[str], bound: str, currency: str) -> tuple[Filter, str, str] | None:
    """The filter, value and label of a pay; None where the words mean no pay."""
    period = spelled("salary_period", match["period"]) if match["period"] else None
    text = match["amount"] + (f" per {period}" if period else "")
    pay = read_pay(f"{bound} {text}".strip())
    if pay is None or (match["period"] and not period):
        return None
    amounts = [amount for amount in (pay.low, pay.high) if amount is not None]
    money = bool(_IS_MONEY.search(match["amount"]))
    if not money and not (bound and (max(amounts) >= _BARE or (period and period != "year"))):
        return None
    by = period or next((name for below, name in _GUESSED if max(amounts) < below), "year")
    if by == "month" and not period and min(amounts) < _LEAST_MONTHLY:
        return None
    low, high = (None if amount is None else amount * PERIODS_A_YEAR[by] for amount in (pay.low, pay.high))
    named = pay.currency or ""
    if named == "USD" and currency in _DOLLARS and "US" not in match["amount"].upper():
        named = currency.upper()
    if not all(
        _PAID[0] <= amount <= (_PAID[1] if named not in _SMALL else 1e9) for amount in (low, high) if amount is not None
    ):
        return None
    return _filter(pay, low, high, named or currency.upper())


def _filter(pay: Pay, low: float | None, high: float | None, currency: str) -> tuple[Filter, str, str]:
    """What jobs must pass: pay at most the least that is asked for, or more; one amount is the least."""
    of = currency or None
    if low == high:
        high = None
    clauses = []
    if low is not None:
        clauses.append(Range(attribute="salary_max", at_least=low, currency=of))
    if high is not None:
        clauses.append(Range(attribute="salary_min", at_most=high, currency=of))
    value = f"{'' if low is None else f'{low:.0f}'}-{'' if high is None else f'{high:.0f}'}"
    told = [f"at least {low:,.0f}"] if low is not None else []
    told += [f"at most {high:,.0f}"] if high is not None else []
    label = f"pays {' and '.join(told)} {currency} a year".replace("  ", " ")
    return Filter(clauses=tuple(clauses)), value, label
