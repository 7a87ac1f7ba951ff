"""Pay in the sentences of an advert: "Pay Rate: $28 - $31/hr"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from contracts.reading.pay import PERIODS_A_YEAR, Pay, read_pay, says_other_period
from contracts.text.adverts.cues import labels, listed
from contracts.text.words import words

_SIGN = r"(?:US|CA|AU|NZ|R|C|A)?[$€£₹]|\b(?:USD|EUR|GBP|CAD|AUD|CHF|INR|BRL)\s?"
_AMOUNT = rf"(?:{_SIGN})\s?\d[\d.,]*(?:\s?[kK]\b)?|\b\d[\d.,]*(?:\s?[kK]\b)?\s?(?:€|£|EUR\b|[Ee]uros?\b|USD\b|CHF\b|zł)"
_RANGE = re.compile(
    rf"(?:\b\d[\d.,]*(?:\s?[kK]\b)?\s?(?:-|–|—|bis)\s?)?(?:{_AMOUNT})"
    rf"(?:\s*(?:/|per|an|a)?\s*(?:hour|hr|year|yr|h)?\.?\s*(?:-|–|—|to|bis|and|und|a|à|y|e)\s*"
    rf"(?:{_AMOUNT}|\d[\d.,]*(?:\s?[kK]\b)?))?"
)
_HAS_MONEY = re.compile(r"[$€£₹]|\b(?:USD|EUR|GBP|CAD|AUD|CHF|INR|BRL|[Ee]uros?|zł)\b")
_BEHIND = re.compile(r"[\s/]*(?:[^\s.,;|()\d]+[\s/]*){0,3}")
_GLUED = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a line end is gone: "per hourOur client"."""
_WORDS_BEHIND = 3
_PAID = range(5_000, 1_000_001)
"""By the year; other amounts are no pay of one person."""
_LEAST_SALARY = 10_000
"""An amount from which on pay without a period is by the year."""
_BEFORE_CHARS = 60
"""Before an amount, in which words are looked for that say what it is."""


def pay_told(description: str, sentences: Iterable[str]) -> Pay | None:
    """The pay that the sentences of a description name, with its period: behind a label, else the first."""
    found: Pay | None = None
    if not _HAS_MONEY.search(description):
        return None
    for sentence in sentences:
        if not _HAS_MONEY.search(sentence):
            continue
        sentence = _GLUED.sub(" ", sentence)
        for match in _RANGE.finditer(sentence):
            before = words(sentence[max(0, match.start() - _BEFORE_CHARS) : match.start()])
            around = before + words(sentence[match.end() : match.end() + _BEFORE_CHARS // 2])
            if listed("not_pay").find(around):
                continue
            labelled = any(hit.value == "pay" for hit in labels().find(before))
            pay = _read(sentence, match, labelled)
            if pay and labelled:
                return pay
            found = found or pay
    return found


def _read(sentence: str, match: re.Match[str], labelled: bool) -> Pay | None:
    text = match[0].rstrip(" .,-–—")
    behind = _BEHIND.match(sentence, match.end())
    following = re.split(r"[\s/]+", behind[0].strip(" /") if behind else "")
    if says_other_period(" ".join((text, *following))):
        return None
    pay = None
    for size in range(min(_WORDS_BEHIND, len(following)), -1, -1):
        pay = read_pay(" ".join((text, *following[:size])))
        if pay and pay.period:
            break
    if pay is None:
        return None
    period = pay.period or ("year" if labelled and (pay.high or pay.low or 0) >= _LEAST_SALARY else None)
    if period is None or (period != "hour" and not labelled):
        return None
    amounts = [amount * PERIODS_A_YEAR[period] for amount in (pay.low, pay.high) if amount is not None]
    if not amounts or not all(int(amount) in _PAID for amount in amounts):
        return None
    return pay._replace(period=period)
