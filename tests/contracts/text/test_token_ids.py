"""One way from text to padded ids."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import NotReady, UnreadableFile
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from tests.make import refused


@given(st.lists(st.lists(st.integers(1, 9), max_size=7), max_size=9))
def test_padding_gives_back_each_sequence_by_its_mask(sequences: list[list[int]]) -> None:
    ids, mask = pad(sequences)
    assert [row[m.astype(bool)].tolist() for row, m in zip(ids, mask, strict=True)] == sequences


def test_a_long_text_is_cut_and_a_short_one_is_not_padded(tiny: Path) -> None:
    long, short = token_ids(open_tokenizer(tiny, 8), ["nurse " * 50, "nurse"])
    assert (len(long), len(short)) == (8, 3)


def test_a_folder_without_a_tokenizer_or_with_a_broken_one_is_named(tmp_path: Path) -> None:
    with refused(NotReady, "tokenizer.json"):
        open_tokenizer(tmp_path, 8)
    (tmp_path / "tokenizer.json").write_text("{}")
    with refused(UnreadableFile, "tokenizer.json"):
        open_tokenizer(tmp_path, 8)
