"""A line of log has a bound, whatever an error or a stranger puts into it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.logger import MAX_FIELD_CHARS, MAX_FIELDS, MAX_ITEMS, bounded, log

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_a_bounded_value_is_small_and_json(value: Any) -> None:
    found = json.dumps(bounded(value), ensure_ascii=False)
    if not isinstance(value, int):
        assert len(found) <= (2 * MAX_ITEMS + 2) * (6 * (MAX_FIELD_CHARS + 3) + 6)


def test_a_line_is_cut_and_stays_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    many = {f"field_{i}": "x" for i in range(100)}
    with caplog.at_level(logging.WARNING, "rolecall.service"):
        log.warning("odd", error="é" * 600, at=["y"] * 1_000, deep={"a": {"b": "z" * 600}}, **many)
    [record] = caplog.records
    line = json.loads(record.getMessage())
    assert len(record.getMessage()) < 10_000
    assert len(line) <= MAX_FIELDS
    assert line["event"] == "odd"
    assert line["error"] == "é" * MAX_FIELD_CHARS + "..."
    assert line["at"][-1] == "..." and len(line["at"]) == MAX_ITEMS + 1


def test_a_line_break_in_a_value_begins_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rolecall.service"):
        log.warning("odd", error='one\n{"event": "forged"}')
    assert "\n" not in caplog.records[0].getMessage()
