"""A time is read as it was meant, and never as 1970 by accident."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from contracts.reading.times import TimeReading, order_told, read_time
from contracts.records import Job, Position

DAYS = st.dates(date(1930, 1, 1), date(2099, 12, 31))


def _day(year: int, month: int, day: int, *clock: int) -> datetime:
    return datetime(year, month, day, *clock, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        (20260430, _day(2026, 4, 30)),
        ("20260430", _day(2026, 4, 30)),
        (20260430.0, _day(2026, 4, 30)),
        ("20260430153000", _day(2026, 4, 30, 15, 30)),
        (45778, _day(2025, 5, 1)),
        ("45778.5", _day(2025, 5, 1, 12)),
        (2015, _day(2015, 1, 1)),
        ("2015", _day(2015, 1, 1)),
        ("2015-06", _day(2015, 6, 1)),
        ("06/2015", _day(2015, 6, 1)),
        ("25.05.2004", _day(2004, 5, 25)),
        ("05.06.2004", _day(2004, 6, 5)),
        ("25/05/2004", _day(2004, 5, 25)),
        ("05/25/2004", _day(2004, 5, 25)),
        ("05/05/2004", _day(2004, 5, 5)),
        ("2004/05/25", _day(2004, 5, 25)),
        ("25 May 2004", _day(2004, 5, 25)),
        ("May 25th, 2004", _day(2004, 5, 25)),
        ("25. Mai 2004", _day(2004, 5, 25)),
        ("25 de mayo de 2004", _day(2004, 5, 25)),
        ("2004年5月25日", _day(2004, 5, 25)),
        ("25/05/2004 10:30 PM", _day(2004, 5, 25, 22, 30)),
        ("Tue, 25 May 2004 10:00:00 GMT", _day(2004, 5, 25, 10)),
        ("2026-05-01T10:00:00+02:00", _day(2026, 5, 1, 8)),
        ("2026-05-01 10:00:00", _day(2026, 5, 1, 10)),
        ("2026-05-01 10:00 UTC", _day(2026, 5, 1, 10)),
        (1746057600, _day(2025, 5, 1)),
        ("1746057600000", _day(2025, 5, 1)),
        (date(2026, 5, 1), _day(2026, 5, 1)),
        ("31.12.25", _day(2025, 12, 31)),
        ("12/31/25", _day(2025, 12, 31)),
        ("01-MAY-26", _day(2026, 5, 1)),
        ("Feb-17", _day(2017, 2, 1)),
        ("Feb '17", _day(2017, 2, 1)),
        ("2026-05-01 10:00:00 EST", _day(2026, 5, 1, 15)),
        ("2026-05-01 10:00:00 CET", _day(2026, 5, 1, 9)),
        ("20260501T100000Z", _day(2026, 5, 1, 10)),
        ("/Date(1746057600000)/", _day(2025, 5, 1)),
        ("/Date(1746057600000+0200)/", _day(2025, 5, 1)),
        ({"$date": "2026-05-01T10:00:00Z"}, _day(2026, 5, 1, 10)),
        ({"$date": {"$numberLong": "1746057600000"}}, _day(2025, 5, 1)),
        ("01.05.2026 08:00 Uhr", _day(2026, 5, 1, 8)),
        ("Fr, 01.05.2026", _day(2026, 5, 1)),
        ("1 мая 2026", _day(2026, 5, 1)),
        ("1 maja 2026 r.", _day(2026, 5, 1)),
    ],
)
def test_a_cell_is_the_time_that_it_means(cell: object, time: datetime) -> None:
    assert read_time(cell) == time


@pytest.mark.parametrize(
    "cell",
    [
        *(0, "0", 1, 12, 99, 5_000, 99_999, 1_000_000, 20261301, -1, 1e30, 2015.5, True, None, "soon", "2026-13-01"),
        *("31.02.2026", "in May 2026", "yesterday", "1" * 400, "10:30", "2026-05 10:30", "٠", [2026]),
        *("2026-05-01 10:00:00 CST", {"$date": None}, {"date": "2026-05-01"}, "26-05-01", "Feb 17", "17-Feb"),
        *("/Date(99999999999999999999)/", "/Date(-1)/", "25 Dec 26"),
    ],
)
def test_what_is_no_time_is_refused(cell: object) -> None:
    with pytest.raises(PydanticCustomError) as refused:
        read_time(cell)
    assert refused.value.type == "bad_date"


@pytest.mark.parametrize(("order", "day"), [("day_first", (2026, 4, 3)), ("month_first", (2026, 3, 4))])
def test_a_date_that_has_two_readings_is_read_in_the_order_of_its_column(order: str, day: tuple) -> None:
    assert read_time("03/04/2026", TimeReading.model_validate({"dates": order})) == _day(*day)
    assert read_time("03/04/2026", TimeReading.model_validate({"orders": {"end": order}}), "end") == _day(*day)
    with pytest.raises(PydanticCustomError) as refused:
        read_time("03/04/2026")
    assert refused.value.type == "ambiguous_date"


@pytest.mark.parametrize(
    ("cell", "last"),
    [
        ("2026-11-29", _day(2026, 11, 30)),
        (20261129, _day(2026, 11, 30)),
        ("29 November 2026", _day(2026, 11, 30)),
        ("2026-11", _day(2026, 12, 1)),
        ("2026", _day(2027, 1, 1)),
        ("12/2026", _day(2027, 1, 1)),
    ],
)
def test_what_closes_on_a_day_is_open_through_it(cell: object, last: datetime) -> None:
    assert read_time(cell, closes=True) == last - timedelta(microseconds=1)


def test_a_day_begins_and_ends_where_the_board_is() -> None:
    berlin = TimeReading(zone="Europe/Berlin")
    assert read_time("2026-11-29", berlin) == _day(2026, 11, 28, 23)
    assert read_time("2026-11-29", berlin, closes=True) == _day(2026, 11, 29, 23) - timedelta(microseconds=1)
    assert read_time("2026-11-29T10:00:00Z", berlin, closes=True) == _day(2026, 11, 29, 10)
    with pytest.raises(ValidationError, match="Mars"):
        TimeReading(zone="Mars/Phobos")


@given(DAYS)
def test_every_way_to_write_a_day_is_that_day(day: date) -> None:
    first = TimeReading(dates="day_first")
    forms = ["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%d %B %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%Y/%m/%d"]
    meant = datetime.combine(day, datetime.min.time(), UTC)
    assert {read_time(day.strftime(form), first) for form in forms} == {meant}
    assert read_time((day - date(1899, 12, 30)).days) == meant


@given(DAYS)
def test_the_order_is_told_only_where_it_is_certain(day: date) -> None:
    certain = day.day > 12
    assert order_told(day.strftime("%d/%m/%Y")) == ("day_first" if certain else None)
    assert order_told(day.strftime("%m/%d/%Y")) == ("month_first" if certain else None)
    assert order_told(day.isoformat()) is None


@given(st.one_of(st.text(max_size=30), st.integers(), st.floats(), st.text("0123456789/.-: TZ", max_size=25)))
def test_any_cell_is_a_time_with_a_zone_or_refused(cell: object) -> None:
    try:
        moment = read_time(cell)
    except PydanticCustomError:
        return
    assert moment.tzinfo is not None
    assert (
        moment.year != 1970 or "1970" in str(cell) or (isinstance(cell, int | float) or str(cell).strip()[:2] == "25")
    )


def test_a_job_that_expires_on_the_day_it_was_posted_is_a_job() -> None:
    job = Job(id="j", title="Nurse", updated_at="2026-05-01", posted_at="2026-05-01T09:00:00Z", expires_at="2026-05-01")
    assert job.expires_at == _day(2026, 5, 2) - timedelta(microseconds=1)


def test_the_years_of_a_position_are_years() -> None:
    held = Position(title="Nurse", start=2015, end="2019-06-01")
    assert (held.start, held.end) == (_day(2015, 1, 1), _day(2019, 6, 1))


def test_a_year_of_two_digits_that_may_stand_first_is_told_by_the_column() -> None:
    with pytest.raises(PydanticCustomError) as refused:
        read_time("26/05/01")
    assert refused.value.type == "ambiguous_date"
    assert read_time("26/05/01", TimeReading(dates="day_first")) == _day(2001, 5, 26)


@pytest.mark.parametrize(
    ("cell", "last"),
    [("2026-02-30", _day(2026, 3, 1)), ("31.04.2026", _day(2026, 5, 1)), ("31/06/2026", _day(2026, 7, 1))],
)
def test_what_closes_on_a_day_that_its_month_lacks_closes_with_the_month(cell: str, last: datetime) -> None:
    assert last - read_time(cell, closes=True) == timedelta(microseconds=1)
    with pytest.raises(PydanticCustomError):
        read_time(cell)


@pytest.mark.parametrize("word", ["closed", "Expired", "FILLED", "geschlossen", "Cerrado"])
def test_a_job_that_is_said_to_be_closed_closed_when_that_was_said(word: str) -> None:
    job = Job.model_validate({"id": "j", "title": "Cook", "updated_at": "2026-05-01T10:00:00Z", "expires_at": word})
    assert job.expires_at == job.updated_at
