"""Values of an advert in the words that a person reads."""

from __future__ import annotations

from datetime import UTC, datetime

_MARKS = {"USD": "$", "EUR": "€", "GBP": "£", "BRL": "R$", "JPY": "¥", "INR": "₹"}
_WAYS = {"onsite": "on site", "hybrid": "hybrid", "remote": "remote"}


def pay(low: float | None, high: float | None, currency: str, period: str) -> str:
    """ "$40,000 to $52,000 a year"; empty where neither is said."""
    said = list(dict.fromkeys(_amount(value, currency) for value in (low, high) if value is not None))
    if not said:
        return ""
    bound = "" if low is not None and high is not None else "from " if low is not None else "up to "
    return f"{bound}{' to '.join(said)} {'an' if period == 'hour' else 'a'} {period}"


def _amount(value: float, currency: str) -> str:
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return f"{_MARKS[currency]}{number}" if currency in _MARKS else f"{number} {currency}"


def age(posted: datetime | None, now: datetime) -> str:
    """ "today", "3 days ago"; past two months the date. Empty where it is not known."""
    if posted is None:
        return ""
    days = (now - posted.astimezone(UTC)).days
    if days < 1:
        return "today" if days == 0 else ""
    if days > 60:
        return f"on {posted:%-d %B %Y}"
    return "yesterday" if days == 1 else f"{days} days ago"


def likely(probability: float) -> str:
    """ "87%"; no probability is told as none or as all."""
    if probability > 0.99:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{probability:.0%}"


def kind(workplace: str | None, employment: str | None, seniority: str | None) -> str:
    """ "remote, full time, senior", of what is known."""
    said = (_WAYS.get(workplace or ""), (employment or "").replace("_", " "), seniority)
    return ", ".join(word for word in said if word)


def long_ago(then: datetime, now: datetime) -> str:
    """ "3 minutes ago", "2 hours ago", "5 days ago"."""
    seconds = max(0.0, (now - then).total_seconds())
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number:,} {name}{'' if number == 1 else 's'} ago"
    return "just now"


def duration(seconds: float | None) -> str:
    """ "0.4 ms", "12 ms", "1.5 s"; a dash where it is not known."""
    if seconds is None:
        return "–"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1_000:.1f} ms" if seconds < 0.01 else f"{seconds * 1_000:.0f} ms"


def number(value: float) -> str:
    """ "1,234" or "0.25"."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
