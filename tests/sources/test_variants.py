"""Dresses of one clean board: each gives the same records, or findings that say what differs; none silently."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import dresses
from benchmarks.dresses import Dress


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        Dress,
        names=st.sampled_from(list(dresses.NAMES)),
        words=st.sampled_from(list(dresses.WORDS)),
        date=st.sampled_from(dresses.DATES),
        form=st.sampled_from(dresses.FORMS),
        delimiter=st.sampled_from(dresses.DELIMITERS),
        encoding=st.sampled_from(dresses.ENCODINGS),
        separator=st.sampled_from(dresses.SEPARATORS),
    )
)
def test_no_dress_of_a_board_is_read_as_another_board_in_silence(
    tmp_path_factory: pytest.TempPathFactory, dress: Dress
) -> None:
    folder = tmp_path_factory.mktemp("dress")
    dresses.write(dress, folder)
    assert not dresses.compared(folder).silent


def test_a_plain_board_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("dress")
    dresses.write(Dress("plain", "plain", "%Y-%m-%d", "csv", ",", "utf-8", ";"), folder)
    assert dresses.compared(folder).outcome == "same"


def test_an_unknown_word_is_stated(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("dress")
    dresses.write(Dress("plain", "nonsense", "%Y-%m-%d", "jsonl", ",", "utf-8", ";"), folder)
    assert dresses.compared(folder).outcome == "stated"
