"""The training table as trainers see it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, NotReady
from contracts.tables import write_part
from contracts.workspace import Workspace
from models.training.rows import by_length, read_rows
from tests.make import refused

Table = Callable[..., pa.Table]
Make = Callable[..., Workspace]


def test_an_unknown_label_is_nan_and_never_zero(labelled: Make) -> None:
    rows = read_rows(labelled(5).training)
    assert np.isnan(rows.target("hire")).all()
    assert set(np.unique(rows.target("view"))) == {0.0, 1.0}


def test_a_grade_is_a_soft_label(labelled: Make) -> None:
    assert set(np.unique(read_rows(labelled(10).training).target("relevance"))) <= {0.0, 0.25, 0.5, 0.75, 1.0}


def test_the_mean_grade_is_learned_where_the_judge_says_one(labelled: Make, table: Table) -> None:
    made = table(8)
    means = pa.array([None if i % 2 else 3.2 for i in range(len(made))], pa.float32())
    changed = made.set_column(made.schema.get_field_index("expected"), "expected", means)
    first, second = (read_rows(labelled(table=one, name=name).training) for one, name in ((made, "a"), (changed, "b")))
    assert first.version != second.version
    told = np.array([made["job_id"].to_pylist().index(job) % 2 == 0 for job in second.job_ids])
    assert np.allclose(second.target("relevance")[told], 0.8)
    assert np.array_equal(second.target("relevance")[~told], first.target("relevance")[~told])


def test_every_row_keeps_its_texts(labelled: Make, table: Table) -> None:
    made = table(8)
    rows = read_rows(labelled(table=made).training)
    texts = {(r["list_id"], r["job_id"]): (r["request_text"], r["job_text"]) for r in made.to_pylist()}
    for i in range(len(rows)):
        found = rows.requests[rows.request[i]], rows.jobs[rows.job[i]]
        assert found == texts[rows.list_ids[i], rows.job_ids[i]]


def test_version_does_not_depend_on_how_the_table_lies_on_disk(labelled: Make, table: Table) -> None:
    made = table(8)
    parts = labelled(table=made.slice(20), name="parts")
    write_part(parts.training, made.slice(0, 20))
    assert read_rows(parts.training).version == read_rows(labelled(table=made).training).version


def test_version_follows_a_changed_grade(labelled: Make, table: Table) -> None:
    made = table(8)
    grades = pa.array([3, *made["grade"].to_pylist()[1:]], pa.int8())
    changed = made.set_column(made.schema.get_field_index("grade"), "grade", grades)
    first, second = labelled(table=made), labelled(table=changed, name="changed")
    assert read_rows(first.training).version != read_rows(second.training).version


def test_rows_of_a_list_stay_together_in_the_order_they_were_given(labelled: Make) -> None:
    rows = read_rows(labelled(6).training)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    lists = rows.lists(shuffled)
    assert sorted(np.concatenate(lists)) == list(range(len(rows)))
    for of_list in lists:
        assert len(set(rows.list_ids[of_list])) == 1
        assert [row for row in shuffled if row in of_list] == of_list.tolist()


def test_only_the_chosen_rows_and_their_texts_are_left(labelled: Make) -> None:
    rows = read_rows(labelled(6).training)
    chosen = np.array([3, 17, 4])
    only = rows.only(chosen)
    assert len(only) == 3 and len(only.jobs) <= 3
    for i, row in enumerate(chosen):
        assert only.jobs[only.job[i]] == rows.jobs[rows.job[row]]
        assert only.requests[only.request[i]] == rows.requests[rows.request[row]]


def test_a_missing_column_is_named(labelled: Make, table: Table) -> None:
    workspace = labelled(table=table(5).drop(["grade"]))
    with refused(BadInput, "grade"):
        read_rows(workspace.training)


def test_mixed_text_versions_are_refused(labelled: Make, table: Table) -> None:
    made = table(5)
    versions = pa.array(["1-old"] + ["1-test"] * (len(made) - 1))
    mixed = made.set_column(made.schema.get_field_index("text_version"), "text_version", versions)
    with refused(BadInput, "1-old", "1-test"):
        read_rows(labelled(table=mixed).training)


def test_an_absent_table_is_not_ready(labelled: Make) -> None:
    with pytest.raises(NotReady):
        read_rows(labelled(5).root / "elsewhere")


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 500))
def test_batches_by_length_hold_every_row_once_and_stay_within_budget(lengths: list[int], budget: int) -> None:
    batches = list(by_length(np.array(lengths, np.int64), budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
