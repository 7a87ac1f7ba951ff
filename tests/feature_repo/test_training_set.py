"""Training rows see their own past, and nothing else."""

from __future__ import annotations

import logging

import pyarrow as pa
import pytest

from contracts.errors import MissingColumn, NotReady
from contracts.examples import TRAINING
from contracts.tables import parts, read_table, write_part
from contracts.text.work import VOCABULARY, Vocabulary, read_vocabulary
from contracts.workspace import Workspace
from feature_repo.store import training_set
from tests.feature_repo.conftest import put_activity, put_examples, put_text
from tests.make import refused


def rows(workspace: Workspace) -> list[dict]:
    training_set(workspace)
    return read_table(workspace.training).to_pylist()


def test_a_row_holds_the_texts_of_its_time(applied: Workspace) -> None:
    put_text(applied, "member_text", ("ann", "a head nurse", 5, 5))
    put_text(applied, "job_text", ("j1", "Head nurse wanted", 5, 5))
    put_examples(applied, ("ann", "j1", 3), ("ann", "j1", 6))
    before, after = rows(applied)
    assert (before["request_text"], before["job_text"]) == ("viewed: j1 in Austin | a nurse", "Nurse wanted")
    assert (after["request_text"], after["job_text"]) == ("viewed: j1 in Austin | a head nurse", "Head nurse wanted")


def test_the_table_is_what_the_teachers_expect(applied: Workspace) -> None:
    put_examples(applied, ("ann", "j1", 3), ("bob", "j2", 3))
    training_set(applied)
    assert read_table(applied.training).schema.equals(TRAINING)


def test_planted_future_changes_no_row(applied: Workspace) -> None:
    put_examples(applied, ("ann", "j1", 3), ("bob", "j2", 3))
    before = rows(applied)
    put_text(applied, "member_text", ("ann", "gets j1", 3.1, 3.1), ("bob", "gets j2", 2, 3.1))
    put_text(applied, "job_text", ("j1", "for ann", 3.1, 3.1), ("j2", "for bob", 2, 9))
    put_activity(applied, ("ann", "j1", 3.1, 3.1), ("bob", "j2", 2, 3.1))
    assert rows(applied) == before


def test_a_member_without_text_is_a_request_without_it(applied: Workspace) -> None:
    put_examples(applied, ("nobody", "j1", 3), ("", "j1", 3))
    assert [row["request_text"] for row in rows(applied)] == ["", ""]


def test_a_pair_whose_job_had_no_text_is_left_out_and_counted(
    applied: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    put_text(applied, "job_text", ("j3", "Later", 5, 5))
    put_examples(applied, ("ann", "j3", 3), ("ann", "j1", 3))
    with caplog.at_level(logging.WARNING, "rolecall"):
        assert training_set(applied) == 1
    assert "1 of 2 pairs left out" in caplog.text


def test_no_pair_left_is_an_error(applied: Workspace) -> None:
    put_examples(applied, ("ann", "unheard of", 3))
    with refused(NotReady):
        training_set(applied)


def test_a_second_join_replaces_the_first(applied: Workspace) -> None:
    put_examples(applied, ("ann", "j1", 3), ("ann", "j2", 3))
    write_part(applied.training, pa.table({"left": ["over"]}), "99999")
    training_set(applied)
    assert len(parts(applied.training)) == 1


def test_examples_of_another_version_are_named(applied: Workspace) -> None:
    write_part(applied.examples, pa.table({"list_id": ["l"]}))
    with refused(MissingColumn, "event_timestamp"):
        training_set(applied)


def test_without_examples_the_cure_is_named(applied: Workspace) -> None:
    with refused(NotReady, "rolecall label"):
        training_set(applied)


def test_the_table_of_work_of_the_examples_comes_along(applied: Workspace) -> None:
    """So that a student never reads the match of one table by another, though `label` ran again meanwhile."""
    put_examples(applied, ("ann", "j1", 3))
    own = Vocabulary(levels={"senior": ("senior",)})
    (applied.examples / VOCABULARY).write_text(own.model_dump_json(), "utf-8")
    training_set(applied)
    (applied.examples / VOCABULARY).write_text(Vocabulary().model_dump_json(), "utf-8")
    assert read_vocabulary(applied.training) == own
