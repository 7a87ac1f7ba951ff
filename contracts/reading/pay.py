"""Pay as adverts write it, "$40,000 - $50k a year" or "20-25 €/hour", and the one number by which it is compared."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from contracts.reading.spellings import is_spelled, spelling_key, vocabulary

PERIODS_A_YEAR: dict[str, int] = {"year": 1, "month": 12, "week": 52, "day": 260, "hour": 2_080}
"""Full time: 52 weeks of 5 days of 8 hours. Pay is compared by the year, so 20 an hour is 41,600."""
LEAST_YEARLY = 1_000.0
"""Pay of less than this a year is none in any currency: most often an hour's, written without its period."""

CURRENCIES = {
    "us$": "USD", "usd$": "USD", "ca$": "CAD", "c$": "CAD", "cad$": "CAD", "a$": "AUD", "au$": "AUD", "nz$": "NZD",
    "hk$": "HKD", "s$": "SGD", "sg$": "SGD", "mx$": "MXN", "r$": "BRL", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY",
    "円": "JPY", "元": "CNY", "₹": "INR", "rs": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₴": "UAH", "₦": "NGN",
    "₪": "ILS", "₫": "VND", "₱": "PHP", "฿": "THB", "zł": "PLN", "kč": "CZK", "fr": "CHF", "sfr": "CHF", "kr": "SEK",
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "pound": "GBP", "pounds": "GBP",
    "usd": "USD", "eur": "EUR", "gbp": "GBP", "cad": "CAD", "aud": "AUD", "chf": "CHF", "inr": "INR", "jpy": "JPY",
}  # fmt: skip
"""What is written for a currency, case-folded -> its ISO 4217 code; the codes themselves are known too."""
_ALL_CODES = """
    AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES KRW KWD MAD MXN MYR
    NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH USD UYU VND ZAR
"""
_CODES = frozenset(_ALL_CODES.split())
_TIMES = {
    "k": 1e3, "tsd": 1e3, "thousand": 1e3, "mil": 1e3, "m": 1e6, "mio": 1e6, "million": 1e6,
    "lakh": 1e5, "lakhs": 1e5, "lac": 1e5, "lpa": 1e5, "万": 1e4,
}  # fmt: skip
_AMOUNT = re.compile(
    r"(\d++(?:[.,]\d++)*)(?:,-|\.-)?(?:\s*((?:k|tsd|thousand|mil|mio|million|m|lakhs?|lac|lpa)(?![^\W\d_])|万))?"
)
_SYMBOL = re.compile(r"[^\W\d_]*[$€£¥₹₽₩₺₴₦₪₫₱฿円元]|[^\W\d_]+")
_CODE = re.compile(r"(?<![A-Z])[A-Z]{3}(?![A-Z])")
_SPACED = re.compile(r"(?<=\d)[ '’](?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_DASH = re.compile(r"[-–—~〜−]")
_JOINING = frozenset({"to", "bis", "a", "and", "und", "y", "et", "e", "tot", "do", "until", "hasta", "ate"})
_EACH = frozenset({"per", "pro", "par", "por", "je", "an", "a", "al"})
"""Words between the ends of a range, as `spelling_key` has them: what joins the ends, and what stands by a period."""
_LONGEST = 200


class Pay(NamedTuple):
    """What a text says of pay; None for what it does not say.

    Attributes:
        low: At least.
        high: At most; equal to `low` where the text names one amount.
        currency: ISO 4217.
        period: A key of `PERIODS_A_YEAR`.
    """

    low: float | None
    high: float | None
    currency: str | None
    period: str | None


def read_pay(text: str) -> Pay | None:
    """The pay in a text; None where it names no amount, more than two, or two that are no range.

    "40-50k" is 40,000 to 50,000; "up to 50k" has no lower end. Raises nothing, whatever the characters.
    """
    normal = _SPACED.sub("", unicodedata.normalize("NFKC", text[: _LONGEST + 1]))
    plain = normal.casefold()
    found = list(_AMOUNT.finditer(plain))
    if len(plain) > _LONGEST or not 1 <= len(found) <= 2:
        return None
    amounts = [_number(match[1]) * _TIMES.get(match[2] or "", 1.0) for match in found]
    words = _AMOUNT.sub(" ", plain)
    said = spelling_key(words).split()
    currency, period = _currency(normal, words), _period(said)
    if len(found) == 2:
        first, second = found
        if not _joins(plain[first.end() : second.start()]):
            return None
        if second[2] and not first[2] and amounts[0] < 1_000:  # "40-50k"
            amounts[0] *= _TIMES[second[2]]
        return Pay(min(amounts), max(amounts), currency, period)
    least = "+" in words or _says("at_least", said)
    most = not least and _says("at_most", said)
    return Pay(None if most else amounts[0], None if least else amounts[0], currency, period)


def currency_code(text: str) -> str:
    """The ISO 4217 code that a text stands for, as "€", "eur" or "US$" do; any other text as it is, in upper case."""
    name = text.strip().casefold()
    return CURRENCIES.get(name, name.upper())


def yearly(amount: float | None, period: str) -> float | None:
    """An amount by the year; None where that is below `LEAST_YEARLY`, and no pay anybody could mean."""
    if amount is None:
        return None
    by_year = amount * PERIODS_A_YEAR[period]
    return by_year if by_year >= LEAST_YEARLY else None


def all_yearly(amounts: np.ndarray, periods: list[str]) -> np.ndarray:
    """`yearly` of (n,) float64 amounts, NaN for None on both sides."""
    by_year = amounts * np.array([PERIODS_A_YEAR[period] for period in periods], np.float64)
    return np.where(by_year >= LEAST_YEARLY, by_year, np.nan)


def fill_pay(value: dict[str, Any]) -> dict[str, Any]:
    """A job's raw fields with the pay that it gives in words as numbers, currency and period.

    A cell that holds both ends fills both; what a column of its own says is kept. A text that is no pay stays, for the
    field to refuse.
    """
    cells = {name: value[name] for name in ("salary_min", "salary_max") if isinstance(value.get(name), str)}
    words = {name: cell for name, cell in cells.items() if not _is_number(cell)}
    if not words:
        return value
    filled = dict(value)
    for name, cell in words.items():
        pay = read_pay(cell)
        if pay is None:
            continue
        other = "salary_max" if name == "salary_min" else "salary_min"
        ends = {"salary_min": pay.low, "salary_max": pay.high}
        if pay.low == pay.high:
            filled[name] = ends[name]
        else:
            filled.pop(name)
            missing = value.get(other) in (None, "")
            filled |= {end: amount for end, amount in ends.items() if amount is not None and (end == name or missing)}
        for field, said in (("currency", pay.currency), ("salary_period", pay.period)):
            if said is not None and not filled.get(field):
                filled[field] = said
    return filled


def fill_wish(value: dict[str, Any]) -> dict[str, Any]:
    """A member's raw wishes with pay in words as the least that it says, by the year."""
    wish = value.get("salary_min")
    pay = None if not isinstance(wish, str) or _is_number(wish) else read_pay(wish)
    amount = None if pay is None else pay.high if pay.low is None else pay.low
    if pay is None or amount is None:
        return value
    return value | {"salary_min": amount * PERIODS_A_YEAR[pay.period or "year"]}


def _is_number(text: str) -> bool:
    """Whether a cell is a plain number, or blank. "40.000" is none: pay has no third decimal."""
    try:
        float(text)
    except ValueError:
        return not text.strip()
    return not _THOUSANDS.fullmatch(text.strip())


def _number(text: str) -> float:
    """ "1.234,56" and "1,234.56" are one number; a lone separator before three digits parts thousands."""
    last = max(text.rfind("."), text.rfind(","))
    digits = re.sub(r"\D", "", text)
    if last < 0 or (len(text) - last - 1 == 3 and not _mixed(text)) or text.count(text[last]) > 1:
        return float(digits)
    behind = len(re.sub(r"\D", "", text[last:]))
    return float(digits) / float(10**behind)


def _mixed(text: str) -> bool:
    return "." in text and "," in text


def _joins(text: str) -> bool:
    """Whether what stands between two amounts makes them a range: a dash or "to", with currencies and periods."""
    periods = vocabulary("salary_period")
    words = [word for word in _SYMBOL.findall(text) if word not in CURRENCIES and word.upper() not in _CODES]
    said = spelling_key(" ".join(words)).split()
    joined = _DASH.search(text) or not _JOINING.isdisjoint(said)
    return bool(joined) and all(word in _JOINING or word in _EACH or word in periods for word in said)


def _pairs(said: list[str]) -> list[str]:
    """Each two words that stand together, as one."""
    return [" ".join(pair) for pair in pairwise(said)]


def _period(said: list[str]) -> str | None:
    """The one period among the words; None where there are none or several."""
    known = vocabulary("salary_period")
    for words in (_pairs(said), said):  # "an hour" is an hour, though "an" alone is a year in French
        periods = {known[word] for word in words if word in known}
        if periods:
            return periods.pop() if len(periods) == 1 else None
    return None


def _currency(text: str, words: str) -> str | None:
    """The currency of a text: a code in capitals, or a symbol or name among its words in lower case."""
    codes = [code for code in _CODE.findall(text) if code in _CODES]
    names = [CURRENCIES[name] for name in _SYMBOL.findall(words) if name in CURRENCIES]
    lakhs = ["INR"] if re.search(r"\d\s*(?:lpa|lakh|lac)", text.casefold()) else []
    return next(iter([*codes, *names, *lakhs]), None)


def _says(field: str, said: list[str]) -> bool:
    return any(is_spelled(field, word) for word in (*said, *_pairs(said)))
