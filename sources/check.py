"""Raw row -> record, or the reason why not. The reasons are stable: dashboards and tests count by them.

A cell that does not fit costs the cell where its field is optional (`sources.repair`), with a finding that is counted;
it costs the row where its field is required.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from datetime import datetime, timedelta

from pydantic import ValidationError

from contracts.cleaning import clean_text, encoded_once
from contracts.reading.pay import ENDS, LEAST_YEARLY, MOST_APART, PERIODS_A_YEAR, is_impossible
from contracts.reading.spellings import is_missing
from contracts.reading.times import PLAIN, DateOrder, TimeReading
from contracts.records import RECORDS, Event, Grade, Job, Member, Record
from sources.date_orders import told_orders
from sources.findings import Finding, Findings, shape
from sources.reasons import CURES, explain_problem
from sources.repair import DROPPED, Repair, repaired
from sources.rows import BY_LOAD, RawRow, Reject, Source, raw_text

AHEAD = timedelta(days=1)
"""A time up to this far after `now` is accepted: clocks differ, and days end later elsewhere."""
MOST_DIGITS = 15
"""Of an id that a spreadsheet keeps as a number."""
_MOST_REPAIRS = 8
"""Of a row: a value that is mended may not fit another one."""


class RowChecker:
    """Checks the rows of a source and counts in `findings` what it changed in those that it takes.

    How a column writes day and month is learned from the file when the first date needs it.
    """

    def __init__(self, now: datetime, reading: TimeReading = PLAIN, source: Source | None = None) -> None:
        """now: timezone-aware; reading: of times; source: what the rows are read from, None where it cannot be read
        again."""
        self.now, self._reading, self._source = now, reading, source
        self._learned: dict[tuple[str, str], TimeReading] = {}
        self.findings = Findings()

    def check(self, row: RawRow) -> Record | Reject:
        """The record that a row holds, or a Reject with a reason, a message and the row's whole text.

        Times more than `AHEAD` after now are rejected; a job may be posted and may expire later.
        """
        for finding in row.findings:
            self.findings.add(finding, row.source, row.row)
        if row.value is None or row.reason:
            return reject(row, row.reason, row.detail)
        found: list[Finding] = []
        record = self._validated(row, found)
        if isinstance(record, Reject):
            return record
        name, time = _time(record)
        late = in_future(row, name, time, self.now)
        if late is not None:
            return late
        if isinstance(record, Job):
            record = _paid(record, found)
        for finding in (*found, *self._doubts(row, record)):
            self.findings.add(finding, row.source, row.row)
        return record

    def _validated(self, row: RawRow, found: list[Finding]) -> Record | Reject:
        value, model = dict(row.value or {}), RECORDS[row.table]
        for _ in range(_MOST_REPAIRS):
            try:
                return model.model_validate(value, context=self._reading_of(row))
            except ValidationError as error:
                problems = error.errors(include_url=False)
            if any(problem["type"] == "ambiguous_date" for problem in problems) and self._learn(row):
                continue
            repair = repaired(value, problems, model)
            if not isinstance(repair, Repair):
                return reject(row, *explain_problem(repair))
            value = repair.value
            found += repair.findings
        return reject(row, *explain_problem(problems[0]))

    def _reading_of(self, row: RawRow) -> TimeReading:
        return self._learned.get((row.table, row.source), self._reading)

    def _learn(self, row: RawRow) -> bool:
        """Read how the row's file writes dates; False where that was done before, or cannot be."""
        key = row.table, row.source
        if self._source is None or key in self._learned:
            return False
        orders: dict[str, DateOrder] = told_orders(self._source, row.table, row.source)
        self._learned[key] = self._reading.model_copy(update={"orders": orders})
        return bool(orders)

    def _doubts(self, row: RawRow, record: Record) -> list[Finding]:
        """What a job or member says that they can hardly mean, and is kept."""
        texts = ((name, cell) for name, cell in (row.value or {}).items() if isinstance(cell, str))
        found = [Finding(name, "encoded_twice", "", "repaired") for name, cell in texts if encoded_once(cell) != cell]
        if isinstance(record, Member) and record.preferences.salary_min and record.preferences.yearly_pay is None:
            amount = shape(record.preferences.salary_min)
            found.append(Finding("preferences.salary_min", "pay_without_period", amount, "kept, not compared"))
        if isinstance(record, Member):
            ends = [one.end for one in record.positions if one.start and one.end and one.end < one.start]
            found += [Finding("positions.end", "end_before_start", shape(end.isoformat()), "kept") for end in ends[:1]]
        if not isinstance(record, Job):
            return found
        if record.posted_at is not None and record.posted_at > self.now + AHEAD:
            found.append(Finding("posted_at", "date_in_future", shape(record.posted_at.isoformat()), "kept"))
        for name in ENDS:
            amount = getattr(record, name)
            if amount and amount * PERIODS_A_YEAR[record.salary_period] < LEAST_YEARLY:
                found.append(Finding(name, "pay_without_period", shape(amount), "kept, not compared"))
        return found


def _paid(job: Job, found: list[Finding]) -> Job:
    """The job without pay that nobody can mean: too much for its period, in a currency that it states, or so far apart
    that the upper end is for a longer period."""
    low, high, period = job.salary_min, job.salary_max, job.salary_period
    currency = job.currency if "currency" in job.model_fields_set else ""
    gone = [name for name in ENDS if is_impossible(getattr(job, name), period, currency)]
    if not gone and low and high and period != "year" and high > MOST_APART * low:
        gone = ["salary_max"]
    found += (Finding(name, "pay_impossible", shape(getattr(job, name)), DROPPED) for name in gone)
    return job.model_copy(update=dict.fromkeys(gone)) if gone else job


def check(row: RawRow, now: datetime, reading: TimeReading = PLAIN) -> Record | Reject:
    """The record of one row that stands alone, as `RowChecker.check`."""
    return RowChecker(now, reading).check(row)


def in_future(row: RawRow, name: str, time: datetime, now: datetime) -> Reject | None:
    """A Reject where a time of the row lies more than a day after `now`."""
    if time <= now + AHEAD:
        return None
    detail = f"{name} {time.isoformat()} is after {now.isoformat(timespec='seconds')}"
    return reject(row, "date_in_future", f"{detail}; {CURES['date_in_future']}")


def with_time(row: RawRow, now: datetime) -> tuple[RawRow, bool]:
    """The row, a member's or job's without `updated_at` with that of now; and whether it was without."""
    if row.value is None:
        return row, False
    filled = {name: now for name in BY_LOAD.get(row.table, ()) if is_missing(str(row.value.get(name, "")))}
    return (row._replace(value=row.value | filled), True) if filled else (row, False)


def named_id(row: RawRow) -> str | None:
    """The id that a row gives, as its record would have it; None where it gives none."""
    value = None if row.value is None else row.value.get("id")
    return None if value is None else clean_text(str(value)).strip() or None


def owner(row: RawRow) -> str:
    """The id of the member that a row is of, as its record would have it; empty where it names none."""
    name = {"members": "id", "events": "member_id", "grades": "member_id"}.get(row.table)
    value = None if row.value is None or name is None else row.value.get(name)
    return "" if value is None else clean_text(str(value)).strip()


def is_stranger(record: Record, ids_of: Callable[[str], Container[str]]) -> bool:
    """Whether a record is an event of nobody who is among the members, such as a visitor without an account."""
    return isinstance(record, Event) and record.member_id not in ids_of("members")


def check_known(row: RawRow, record: Record, ids_of: Callable[[str], Container[str]]) -> Reject | None:
    """A Reject where an event or grade names a job, or a grade a member, that is in no record.

    ids_of: table -> its ids. An event of an unknown member is a visitor's (`is_stranger`).
    """
    if not isinstance(record, Event | Grade):
        return None
    for table, reason, named in (
        ("members", "unknown_member", record.member_id),
        ("jobs", "unknown_job", record.job_id),
    ):
        if named and named not in ids_of(table):
            cure = f"ingest the {table[:-1]}, then run again"
            padded = _with_zeros(named, ids_of(table))
            if padded:
                cure = f"{padded!r} is: a spreadsheet took the id for a number; export its column as text"
            elif isinstance(record, Event) and table == "members":
                continue  # a visitor
            detail = f"{table[:-1]}_id {named!r} is not among the {table}; {cure}"
            return reject(row, reason, detail)
    return None


def _with_zeros(named: str, ids: Container[str]) -> str:
    """The id that a number was before it lost its leading zeros; empty where there is none."""
    padded = (named.zfill(size) for size in range(len(named) + 1, MOST_DIGITS + 1)) if named.isdecimal() else ()
    return next((text for text in padded if text in ids), "")


def _time(record: Record) -> tuple[str, datetime]:
    """The field that says when a record was true, and its time."""
    if isinstance(record, Event | Grade):
        return "time", record.time
    return "updated_at", record.updated_at  # type: ignore[attr-defined]  # Member and Job have it


def reject(row: RawRow, reason: str, detail: str) -> Reject:
    """The row as what the quarantine holds."""
    return Reject(row.table, row.source, row.row, reason, detail, raw_text(row), row.line)
