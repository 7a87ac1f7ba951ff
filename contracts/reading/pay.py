"""Pay as adverts write it, "$40,000 - $50k a year" or "20-25 €/hour", and the one number by which it is compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from contracts.reading.spellings import is_missing, spelled, spelling_key, vocabulary

PERIODS_A_YEAR: dict[str, int] = {"year": 1, "month": 12, "week": 52, "day": 260, "hour": 2_080}
"""Full time: 52 weeks of 5 days of 8 hours. Pay is compared by the year, so 20 an hour is 41,600."""
LEAST_YEARLY = 1_000.0
"""Pay of less than this a year is none in any currency: most often an hour's, written without its period."""
MOST_YEARLY = 1_000.0 * PERIODS_A_YEAR["hour"]
"""Nobody is paid more than 1,000 an hour in a currency of `_DEAR`: such pay is another period's or currency's."""
MOST_APART = 100.0
"""The most by which the ends of one pay differ: 20 to 50,000 an hour are pay for two periods."""

CURRENCIES = {
    "us$": "USD", "usd$": "USD", "ca$": "CAD", "c$": "CAD", "cad$": "CAD", "a$": "AUD", "au$": "AUD", "nz$": "NZD",
    "hk$": "HKD", "s$": "SGD", "sg$": "SGD", "mx$": "MXN", "r$": "BRL", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY",
    "円": "JPY", "元": "CNY", "₹": "INR", "rs": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₴": "UAH", "₦": "NGN",
    "₪": "ILS", "₫": "VND", "₱": "PHP", "฿": "THB", "zł": "PLN", "kč": "CZK", "fr": "CHF", "sfr": "CHF", "kr": "SEK",
    "nt$": "TWD", "₸": "KZT", "₾": "GEL", "₲": "PYG", "₡": "CRC", "₵": "GHS", "gh₵": "GHS", "₮": "MNT", "৳": "BDT",
    "៛": "KHR", "元人民币": "CNY", "人民币": "CNY", "rmb": "CNY", "원": "KRW", "руб": "RUB", "рублей": "RUB",
    "р": "RUB", "грн": "UAH", "тенге": "KZT", "тг": "KZT", "лв": "BGN", "лева": "BGN", "rp": "IDR", "rm": "MYR",
    "ft": "HUF", "lei": "RON", "ksh": "KES", "r": "ZAR", "aed": "AED", "dhs": "AED",
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "pound": "GBP", "pounds": "GBP",
    "sterling": "GBP", "rupees": "INR", "złotych": "PLN", "reais": "BRL", "yen": "JPY", "yuan": "CNY", "rand": "ZAR",
    "us dollar": "USD", "us dollars": "USD", "canadian dollar": "CAD", "canadian dollars": "CAD",
    "australian dollar": "AUD", "australian dollars": "AUD", "nz dollars": "NZD", "zealand dollar": "NZD",
    "zealand dollars": "NZD", "singapore dollar": "SGD", "singapore dollars": "SGD", "kong dollar": "HKD",
    "kong dollars": "HKD", "swiss franc": "CHF", "swiss francs": "CHF", "indian rupee": "INR", "indian rupees": "INR",
    "pakistani rupees": "PKR", "sri lankan rupees": "LKR", "mexican pesos": "MXN", "pesos mexicanos": "MXN",
    "usd": "USD", "eur": "EUR", "gbp": "GBP", "cad": "CAD", "aud": "AUD", "chf": "CHF", "inr": "INR", "jpy": "JPY",
}  # fmt: skip
"""What is written for a currency, case-folded -> its ISO 4217 code; the codes themselves are known too."""
_ALL_CODES = """
    AED AMD ARS AUD AZN BDT BGN BHD BOB BRL BWP BYN CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP ETB EUR GBP GEL GHS GTQ
    HKD HNL HUF IDR ILS INR IQD ISK JMD JOD JPY KES KHR KRW KWD KZT LBP LKR MAD MDL MKD MMK MNT MOP MUR MXN MYR NGN NIO
    NOK NPR NZD OMR PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD THB TND TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND
    XAF XOF ZAR ZMW
"""
_CODES = frozenset(_ALL_CODES.split())
_TIMES = {
    "k": 1e3, "tsd": 1e3, "thousand": 1e3, "mil": 1e3, "tys": 1e3, "тыс": 1e3, "ribu": 1e3, "rb": 1e3,
    "m": 1e6, "mio": 1e6, "mln": 1e6, "млн": 1e6, "juta": 1e6, "jt": 1e6, "million": 1e6, "millions": 1e6,
    "millón": 1e6, "millones": 1e6, "milhão": 1e6, "milhões": 1e6, "milioni": 1e6, "millionen": 1e6,
    "lakh": 1e5, "lakhs": 1e5, "lac": 1e5, "lacs": 1e5, "lpa": 1e5, "crore": 1e7, "crores": 1e7, "cr": 1e7,
    "千": 1e3, "万": 1e4, "萬": 1e4, "만": 1e4,
}  # fmt: skip
"""What stands behind an amount -> by how much it is more."""
_TIMES_WORDS = "|".join(word for word in _TIMES if word not in "千万萬만")
_AMOUNT = re.compile(rf"(\d++(?:[.,]\d++)*)(?:,-|\.-)?(?:\s*((?:{_TIMES_WORDS})(?![^\W\d_])|[千万萬만]))?")
_SYMBOL = re.compile(r"[^\W\d_]*[\u20a0-\u20cf$£¥฿৳៛円元원]|[^\W\d_]+")
_GLUED = re.compile(r"[a-z]+$")
_LAKHS = re.compile(r"\d\s*(?:lpa|lakh|lac)|(?<![\d,])\d{1,2}(?:,\d{2})+,\d{3}(?!\d)")
"""Amounts as India counts them: 5 lakhs, 6,00,000."""
_CODE = re.compile(r"(?<![A-Z])[A-Z]{3}(?![A-Z])")
_SPACED = re.compile(r"(?<=\d)[ '’](?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_DOTTED = re.compile(rf"(?<![\d.,]){_THOUSANDS.pattern}(?![\d.,])")
_PER = re.compile(r"(?:(?<!\bw)/|\b(?:per|pro|par|por|pr|за)\b\.?)\s*([^\W\d_]+)")
"""What stands before the period of pay."""
_DEAR = frozenset({"USD", "EUR", "GBP", "CHF", "CAD", "AUD", "NZD", "SGD"})
_WEEKDAY = "mon"
"""A period in schema.org's codes, and a day beside pay in words."""
_DASH = re.compile(r"[-–—~〜−]")
_JOINING = frozenset(
    {"to", "bis", "a", "and", "und", "y", "et", "e", "tot", "do", "until", "hasta", "ate", "till", "til", "до"}
)
_EACH = frozenset({"per", "pro", "par", "por", "je", "an", "a", "al", "pr"})
"""Words between the ends of a range, as `spelling_key` has them: what joins the ends, and what stands by a period."""
_LONGEST = 200


ENDS = ("salary_min", "salary_max")


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


_UNITS = {"currency": Pay._fields.index("currency"), "salary_period": Pay._fields.index("period")}
"""A job's field for what is said beside an amount -> its place in `Pay`."""


def read_pay(text: str) -> Pay | None:
    """The pay in a text; None where it names no amount, more than two, or two that are no range, and where its period
    or currency is stated and not known: it is not compared as what it is not.

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
    if says_other_period(words) or _is_strange(words) or any(_is_a_name(plain, match) for match in found):
        return None
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


def says_other_period(text: str) -> bool:
    """Whether a text states for which period it pays, and that is none of `PERIODS_A_YEAR`: "biweekly", "per shift"."""
    said = spelling_key(text).split()
    if _says("other_period", said):
        return True
    if _period(said) is not None:
        return False
    behind = [word for word in _PER.findall(text.casefold()) if word not in CURRENCIES and word.upper() not in _CODES]
    return bool(behind) and not any(spelling_key(word) in _EACH for word in behind)


def _is_strange(words: str) -> bool:
    """Whether a text has the sign of a currency that is not known."""
    if words.isascii():
        return False
    return any(sign not in CURRENCIES and unicodedata.category(sign) == "Sc" for sign in words)


def _is_a_name(text: str, amount: re.Match[str]) -> bool:
    """Whether a number is part of a name, as of the pay grades E13 and A12: letters of no currency stand before it."""
    letters = _GLUED.search(text, 0, amount.start())
    return letters is not None and letters[0] not in CURRENCIES and letters[0].upper() not in _CODES


def currency_code(text: str) -> str:
    """The ISO 4217 code that a text stands for, as "€", "eur", "US$" or "US Dollars" do; any other text as it is, in
    upper case."""
    name = text.strip().casefold()
    if name in CURRENCIES or len(name) == len("eur"):
        return CURRENCIES.get(name, name.upper())
    said = spelling_key(name).split()
    named = {CURRENCIES[pair] for pair in _pairs(said) if pair in CURRENCIES}
    if not named and len(said) <= 2:
        known = (
            CURRENCIES.get(word) or (word.upper() if word.upper() in _CODES else "") for word in _SYMBOL.findall(name)
        )
        named = {code for code in known if code} if "dollar" not in name else set()
    return named.pop() if len(named) == 1 else name.upper()


def is_impossible(amount: float | None, period: str, currency: str) -> bool:
    """Whether nobody is paid so: over `MOST_YEARLY` by the year, for a shorter period, in a dear currency."""
    return (
        amount is not None and period != "year" and currency in _DEAR and amount * PERIODS_A_YEAR[period] > MOST_YEARLY
    )


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
    field to refuse, and so do two cells that state two currencies or periods.
    """
    cells = {name: value[name] for name in ENDS if isinstance(value.get(name), str)}
    words = {name: cell for name, cell in cells.items() if not _is_number(cell)}
    if not words:
        return value
    read = {name: pay for name, cell in words.items() if (pay := read_pay(cell))}
    if any(len({pay[at] for pay in read.values()} - {None}) > 1 for at in _UNITS.values()):
        return value
    filled = dict(value)
    for name, pay in read.items():
        other = "salary_max" if name == "salary_min" else "salary_min"
        ends = {"salary_min": pay.low, "salary_max": pay.high}
        if pay.low == pay.high:
            filled[name] = ends[name]
        else:
            filled.pop(name)
            missing = value.get(other) in (None, "")
            filled |= {end: amount for end, amount in ends.items() if amount is not None and (end == name or missing)}
        for field, at in _UNITS.items():
            given = filled.get(field)
            if pay[at] is not None and (not given or (isinstance(given, str) and is_missing(given))):
                filled[field] = pay[at]
    return _with_decimals(filled, words.values())


def _with_decimals(filled: dict[str, Any], cells: Iterable[str]) -> dict[str, Any]:
    """The pay with 12.500 read as 12.5 where nobody is paid 12,500 for the period."""
    if not any(_DOTTED.search(cell) for cell in cells):
        return filled
    period = spelled("salary_period", str(filled.get("salary_period") or "year"))
    currency = currency_code(str(filled.get("currency") or "USD"))
    for name in ENDS:
        amount = filled.get(name)
        if period and isinstance(amount, float) and is_impossible(amount, period, currency):
            filled[name] = amount / 1_000
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
    said = [word for word in said if word != _WEEKDAY]
    for words in (_pairs(said), said):  # "an hour" is an hour, though "an" alone is a year in French
        periods = {known[word] for word in words if word in known}
        if periods:
            return periods.pop() if len(periods) == 1 else None
    return None


def _currency(text: str, words: str) -> str | None:
    """The currency of a text: a code in capitals, or a symbol or name among its words in lower case."""
    codes = [code for code in _CODE.findall(text) if code in _CODES]
    symbols = _SYMBOL.findall(words)
    names = [CURRENCIES[name] for name in (*_pairs(symbols), *symbols) if name in CURRENCIES]
    lakhs = ["INR"] if _LAKHS.search(text.casefold()) else []
    return next(iter([*codes, *names, *lakhs]), None)


def _says(field: str, said: list[str]) -> bool:
    return not vocabulary(field).keys().isdisjoint((*said, *_pairs(said)))
