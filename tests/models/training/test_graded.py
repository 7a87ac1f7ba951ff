"""Too few grades, or grades of one kind of request where the log has more, are refused before a teacher learns them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pyarrow as pa
import pytest

from contracts.errors import TooFewGrades
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.train import train_teacher
from models.training.graded import require_grades
from tests.make import refused

Row = dict[str, object]


@pytest.fixture
def graded(labelled: Callable[..., Workspace], table: Callable[..., pa.Table]) -> Callable[..., Workspace]:
    """Twenty lists, twelve of them to train on, as `change` leaves each row (of list `number`)."""

    def make(change: Callable[[int, Row], Row]) -> Workspace:
        made = table(20)
        rows = [row | change(int(row["list_id"][1:]), row) for row in made.to_pylist()]
        return labelled(table=pa.Table.from_pylist(rows, schema=made.schema))

    return make


def searched(number: int) -> Row:
    """Every second request is a search."""
    return {"query": "nurse" if number % 2 else ""}


def without_grade(number: int, row: Row, kept: bool) -> Row:
    return searched(number) | {"grade": row["grade"] if kept else None}


def test_too_few_graded_pairs_are_refused_with_their_number_and_the_knobs(graded: Callable[..., Workspace]) -> None:
    few = graded(lambda number, row: without_grade(number, row, number < 3))
    with refused(TooFewGrades, "18 graded pairs", "least_graded is 30", "graded_lists of 12", where=few.training):
        train_teacher(few, "policy", TeacherConfig())
    require_grades(few.training, 18)


def test_where_all_lists_are_graded_more_of_the_board_is_the_cure(graded: Callable[..., Workspace]) -> None:
    whole = graded(lambda number, row: searched(number))
    with refused(TooFewGrades, "72 graded pairs", "load more jobs or a longer log"):
        require_grades(whole.training, 73)


@pytest.mark.parametrize(("kept", "kind"), [(1, "searches"), (0, "recommendations")])
def test_grades_of_one_kind_of_request_are_refused_where_the_log_has_both(
    graded: Callable[..., Workspace], kept: int, kind: str
) -> None:
    one_kind = graded(lambda number, row: without_grade(number, row, number % 2 == kept))
    with refused(TooFewGrades, "36 graded pairs", kind, "12 requests", "graded_lists of 12"):
        train_teacher(one_kind, "policy", TeacherConfig())


def test_grades_of_one_request_or_one_member_are_refused(graded: Callable[..., Workspace]) -> None:
    one = graded(lambda number, row: without_grade(number, row, number == 0))
    with refused(TooFewGrades, "6 graded pairs", "one request", "12 requests"):
        require_grades(one.training, 1)


def test_grades_of_one_member_are_refused(graded: Callable[..., Workspace]) -> None:
    def of_few(number: int, row: Row) -> Row:
        return without_grade(number, row, number < 8) | {"member_id": "m0" if number < 8 else f"m{number}"}

    with refused(TooFewGrades, "36 graded pairs", "one member", "graded_lists"):
        require_grades(graded(of_few).training, 1)


def test_a_log_of_one_kind_is_learned_from_and_said(
    graded: Callable[..., Workspace], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "rolecall"):
        require_grades(graded(lambda number, row: {}).training, 30)
    assert [record.args for record in caplog.records] == [("72", "recommendations")]


def test_nothing_is_said_of_a_log_of_both_kinds(
    graded: Callable[..., Workspace], caplog: pytest.LogCaptureFixture
) -> None:
    require_grades(graded(lambda number, row: searched(number)).training, 30)
    assert not caplog.records
