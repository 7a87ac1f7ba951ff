"""Times as data write them: ISO 8601, 20260430, 25.05.2004, 25 May 2004, Excel's 45778, seconds since 1970.

Nothing is guessed: a number is a time only where one reading of it is plausible, and 03/04/2026 only where the column
or a person says whether the day stands first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from contracts.errors import UnreadableFile
from contracts.reading.spellings import is_spelled, month_of
from contracts.validation import typed
from contracts.values import FrozenModel

Precision = Literal["time", "day", "month", "year"]
DateOrder = Literal["day_first", "month_first"]

_YEARS = range(1900, 2200)
_SERIALS = range(10_000, 73_416)
"""Excel's day numbers from 1927 to 2100; lower ones are years or counts."""
_EXCEL_START = datetime(1899, 12, 30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_SECONDS = range(315_532_800, 4_102_444_800)
"""1980 to 2100."""

_ZONES = {
    "cest": "+0200", "cet": "+0100", "eest": "+0300", "eet": "+0200", "wet": "+0000", "msk": "+0300",
    "edt": "-0400", "est": "-0500", "mdt": "-0600", "mst": "-0700", "pdt": "-0700", "pst": "-0800",
    "jst": "+0900", "kst": "+0900", "hkt": "+0800", "sgt": "+0800", "aest": "+1000", "aedt": "+1100",
}  # fmt: skip
"""Short names of zones that mean one of them; CST, IST and BST mean several."""
_CLOCK = re.compile(
    r"(?:(?<=\d)T|[,\s])*(?<!\d)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s*([ap])\.?m\.?)?"
    rf"(?:\s*(z|(?:utc|gmt)?[+-]\d{{2}}:?\d{{2}}|utc|gmt|{'|'.join(_ZONES)}))?(?!\w)",
    re.IGNORECASE,
)
_YMD = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YM = re.compile(r"(\d{4})[-/.](\d{1,2})|(\d{1,2})[/.](\d{4})")
_EITHER_WAY = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_SHORT_YEAR = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{2})")
_MONTH_OF_SHORT_YEAR = re.compile(r"([^\W\d_]+)\.?\s*[-'’]\s*(\d{2})")
"""Excel's "Feb-17"."""
_DAY_OF_SHORT_YEAR = re.compile(r"(\d{1,2})[-/]([^\W\d_]+)[-/](\d{2})")
"""Oracle's "01-MAY-26"."""
_IN_PROGRAMS = re.compile(r"/Date\((\d{1,20})(?:[+-]\d{4})?\)/")
"""A time in the JSON of .NET: milliseconds since 1970."""
_CHARACTERS = str.maketrans({"年": "-", "月": "-", "日": "", "년": "-", "월": "-", "일": ""})
_PIECE = re.compile(r"\d+|[^\W\d_]+")
_NUMBER = re.compile(r"\d+(?:\.\d*)?")
_LONGEST = 80


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise PydanticCustomError("zone", "no time zone {name}; one like Europe/Berlin", {"name": name}) from error
    return name


class TimeReading(FrozenModel):
    """How times of a source are read where they do not say it themselves.

    Attributes:
        zone: Of times without one, and in which a day begins and ends.
        dates: The order of day and month where a column's own dates do not tell; None: such a date is not read.
        orders: Column -> its order, as its other dates tell it.
    """

    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    dates: DateOrder | None = None
    orders: Mapping[str, DateOrder] = Field(default_factory=dict)

    @cached_property
    def tz(self) -> tzinfo:
        return UTC if self.zone == "UTC" else ZoneInfo(self.zone)

    def order(self, column: str) -> DateOrder | None:
        """The order of day and month in a column."""
        return self.orders.get(column, self.dates)


PLAIN = TimeReading()
"""UTC, and no date whose order nobody tells."""


def saved_reading(path: Path) -> TimeReading:
    """The reading in a file, `PLAIN` where there is none.

    Raises:
        UnreadableFile: It holds no reading.
    """
    try:
        return TimeReading.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return PLAIN
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure="run `rolecall ingest` again") from error


class _Read(NamedTuple):
    """time: aware, or of the source's zone; precision: how much of it was said."""

    time: datetime
    precision: Precision


def read_time(value: object, reading: TimeReading = PLAIN, column: str = "", closes: bool = False) -> datetime:
    """The moment that a cell means, with a time zone.

    Args:
        value: A datetime, a date, a number or text.
        reading: The source's.
        column: For the order of day and month.
        closes: The time ends something: a day without a time of day is meant whole, and a month or year likewise. A day
            that its month lacks, as 31 April, is the month's last.

    Raises:
        PydanticCustomError: `bad_date`, or `ambiguous_date` where only the order of day and month is missing.
    """
    if isinstance(value, datetime) and value.tzinfo:  # of a record that is read again
        return value
    if isinstance(value, dict) and len(value) == 1:  # MongoDB's {"$date": {"$numberLong": "1746057600000"}}
        value = value.get("$date", value)
        value = value.get("$numberLong", value) if isinstance(value, dict) else value
    try:
        read = _read(value, reading.order(column))
    except PydanticCustomError:
        if not closes or (read_end := _month_without_day(value)) is None:
            raise
        read = read_end
    moment = _end(read) if closes else read.time
    return moment if moment.tzinfo else moment.replace(tzinfo=reading.tz)


def order_told(value: object) -> DateOrder | None:
    """The order of day and month that a cell proves, as 25/05/2004 does; None for any other."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    match = _EITHER_WAY.match(value.strip())
    if not match or match[2] == ".":
        return None
    first, second = int(match[1]), int(match[3])
    if first > 12 >= second:
        return "day_first"
    return "month_first" if second > 12 >= first else None


def _read(value: object, order: DateOrder | None) -> _Read:
    if isinstance(value, datetime):
        return _Read(value, "time")
    if isinstance(value, date):
        return _Read(datetime.combine(value, time()), "day")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _bad(value)
    if not isinstance(value, str):
        return _of_number(repr(value) if isinstance(value, float) else str(value), value)
    text = value.strip()
    if len(text) > _LONGEST:
        raise _bad(value)
    if text[4:5] == "-" or text[8:9] == "T":  # nearly all of them
        try:
            return _Read(datetime.fromisoformat(text), "day" if len(text) == len("2026-04-30") else "time")
        except ValueError:
            pass
    if _NUMBER.fullmatch(text):
        return _of_number(text, value)
    if programs := _IN_PROGRAMS.fullmatch(text):
        return _of_number(programs[1], value)
    return _of_text(unicodedata.normalize("NFKC", text).translate(_CHARACTERS), order, value)


def _of_number(digits: str, value: object) -> _Read:
    """20260430, 202604301530[00], 202604, 2026, an Excel day, seconds, milliseconds or microseconds since 1970."""
    whole, _, part = digits.partition(".")
    fraction = part.strip("0")
    if not whole.isascii() or not whole.isdigit() or len(whole) > 20:
        raise _bad(value)
    number = int(whole)
    if not fraction:
        for size, form, precision in _DIGITS:
            if len(whole) == size and int(whole[:4]) in _YEARS:
                try:
                    return _Read(datetime.strptime(whole, form), precision)
                except ValueError:
                    break
    if number in _SERIALS:
        days = _EXCEL_START + timedelta(days=float(digits))
        return _Read(days.replace(microsecond=0), "time" if fraction else "day")
    for scale in (1, 1_000, 1_000_000):
        if number // scale in _EPOCH_SECONDS:
            return _Read(_EPOCH + timedelta(seconds=float(digits) / scale), "time")
    raise _bad(value)


_DIGITS: tuple[tuple[int, str, Precision], ...] = (
    (14, "%Y%m%d%H%M%S", "time"),
    (12, "%Y%m%d%H%M", "time"),
    (8, "%Y%m%d", "day"),
    (6, "%Y%m", "month"),
    (4, "%Y", "year"),
)


def _of_text(text: str, order: DateOrder | None, value: object) -> _Read:
    clock = _CLOCK.search(text)
    rest = _without_words(text[: clock.start()] + " " + text[clock.end() :] if clock else text)
    day = _day(rest, order, value)
    if not clock:
        return day
    if day.precision != "day":
        raise _bad(value)
    return _Read(_at(day.time, clock, value), "time")


def _without_words(text: str) -> str:
    """A date without the words around it: "01.05.2026" of "Fri 01.05.2026 Uhr"."""
    text = text.strip(" ,")
    while " " in text:
        first, _, behind = text.partition(" ")
        before, _, last = text.rpartition(" ")
        if is_spelled("date_words", last) and not last[0].isdigit():
            text = before.strip(" ,")
        elif is_spelled("date_words", first) and not first[0].isdigit():
            text = behind.strip(" ,")
        else:
            break
    return text


def _at(day: datetime, clock: re.Match[str], value: object) -> datetime:
    hour, minute, second, fraction, half, zone = clock.groups()
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            raise _bad(value)
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    try:
        moment = day.replace(
            hour=hours,
            minute=int(minute),
            second=int(second or 0),
            microsecond=int((fraction or "0")[:6].ljust(6, "0")),
        )
        return moment if not zone else moment.replace(tzinfo=_zone(zone))
    except ValueError:
        raise _bad(value) from None


def _zone(text: str) -> tzinfo:
    offset = _ZONES.get(text.lower()) or text.upper().removeprefix("UTC").removeprefix("GMT").replace(":", "")
    return UTC if offset in ("", "Z") else datetime.strptime(offset, "%z").tzinfo or UTC


def _day(text: str, order: DateOrder | None, value: object) -> _Read:
    """A date without a time of day."""
    try:
        if match := _YMD.fullmatch(text):
            return _Read(datetime(int(match[1]), int(match[3]), int(match[4])), "day")
        if match := _EITHER_WAY.fullmatch(text):
            return _Read(_of_two(match, order, value), "day")
        if match := _SHORT_YEAR.fullmatch(text):
            if match[2] == "/" and int(match[1]) > 12 and order is None:  # 26/05/01 may begin with its year
                raise _ambiguous(value)
            return _Read(_of_two(match, order, value), "day")
        if (match := _DAY_OF_SHORT_YEAR.fullmatch(text)) and (month := month_of(match[2])):
            return _Read(datetime(_full_year(match[3]), month, int(match[1])), "day")
        if (match := _MONTH_OF_SHORT_YEAR.fullmatch(text)) and (month := month_of(match[1])):
            return _Read(datetime(_full_year(match[2]), month, 1), "month")
        if match := _YM.fullmatch(text.rstrip("-")):
            year, number = (match[1], match[2]) if match[1] else (match[4], match[3])
            return _Read(datetime(int(year), int(number), 1), "month")
        return _named(text, value)
    except PydanticCustomError:  # a ValueError too
        raise
    except ValueError:
        raise _bad(value) from None


def _of_two(match: re.Match[str], order: DateOrder | None, value: object) -> datetime:
    """The day of "25/05/2004"; between dots the day stands first everywhere."""
    first, dot, second, year = int(match[1]), match[2] == ".", int(match[3]), _full_year(match[4])
    if first > 12 or (dot and second <= 12):
        return datetime(year, second, first)
    if second > 12 or first == second:
        return datetime(year, first, second)
    if order is None:
        raise _ambiguous(value)
    return datetime(year, second, first) if order == "day_first" else datetime(year, first, second)


def _full_year(digits: str) -> int:
    """The year of "2026", or of "26" as POSIX reads it: 1969 to 2068."""
    year = int(digits)
    return year if len(digits) > 2 else year + (2000 if year < 69 else 1900)


def _month_without_day(value: object) -> _Read | None:
    """The month of a date whose day it lacks, as 2026-02-30; None for any other."""
    text = value.strip() if isinstance(value, str) else ""
    if match := _YMD.match(text):
        year, month, day = int(match[1]), int(match[3]), int(match[4])
    elif (match := _EITHER_WAY.match(text)) and int(match[1]) > 12:
        day, month, year = int(match[1]), int(match[3]), int(match[4])
    else:
        return None
    valid = year in _YEARS and 1 <= month <= 12 and 28 < day <= 31
    return _Read(datetime(year, month, 1), "month") if valid else None


def _named(text: str, value: object) -> _Read:
    """The day of "25 May 2004", "May 25th, 2004" or "Mai 2004"."""
    year = month = day = None
    for piece in _PIECE.findall(text):
        if not piece.isdigit():
            if (named := month_of(piece)) and month is None:
                month = named
            elif not is_spelled("date_words", piece):
                raise _bad(value)
        elif len(piece) == 4 and year is None:
            year = int(piece)
        elif len(piece) <= 2 and day is None:
            day = int(piece)
        else:
            raise _bad(value)
    if year is None or month is None:
        raise _bad(value)
    return _Read(datetime(year, month, day or 1), "day" if day else "month")


def _end(read: _Read) -> datetime:
    """The last microsecond of the day, month or year that was said."""
    start = read.time
    if read.precision == "time":
        return start
    if read.precision == "day":
        after = start + timedelta(days=1) if start.date() < date.max else datetime.max
    elif read.precision == "month":
        after = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    else:
        after = start.replace(year=start.year + 1)
    return after - timedelta(microseconds=1)


def _ambiguous(value: object) -> PydanticCustomError:
    what = f"{value!r} is two dates, by whether the day or the month stands first"
    return PydanticCustomError("ambiguous_date", "{what}", {"what": what})


def _bad(value: object) -> PydanticCustomError:
    shown = repr(value) if len(repr(value)) <= _LONGEST else f"a {type(value).__name__}"
    return PydanticCustomError("bad_date", "{what}", {"what": f"{shown} is no date"})
