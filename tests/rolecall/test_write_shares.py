"""Chosen shares go into the params file, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import BadInput
from rolecall.params import load_params, write_shares
from tests.make import refused

MIX = {"dense": 0.7, "recent": 0.1, "terms": 0.1, "popular": 0.1, "links": 0.0}


@pytest.mark.parametrize(
    "text",
    [
        "# knobs\nseed: 3\nretrieval:\n  recommend: {dense: 0.1}\n  # a word\n  duplicates: 0.9\nlabel: {}\n",
        "# knobs\nseed: 3\nretrieval:\n  duplicates: 0.9\nlabel: {train_lists: 7}\n",
        "# knobs\nseed: 3\nlabel: {train_lists: 7}",
    ],
)
def test_the_shares_are_read_back_and_the_rest_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    before = load_params(path)
    assert write_shares(path, {"recommend": MIX}) == path
    after = load_params(path)
    assert after.retrieval.recommend == MIX
    wanted = before.retrieval.model_copy(update={"recommend": MIX})
    assert after == before.model_copy(update={"retrieval": wanted})
    lines = path.read_text().splitlines()
    assert [line for line in text.splitlines() if "recommend" not in line and line not in lines] == []


def test_a_file_that_is_not_there_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_shares(None, {"search": MIX})
    assert load_params().retrieval.search == MIX


@pytest.mark.parametrize("text", ["retrieval: {duplicates: 0.9}\n", "retrieval:\n  search:\n    dense: 0.5\n"])
def test_a_section_in_another_form_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with refused(BadInput, "retrieval", where=path):
        write_shares(path, {"search": MIX})
    assert path.read_text() == text
