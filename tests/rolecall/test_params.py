"""What is wrong with a knob is told with its name, where its value came from, and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import BadInput
from rolecall.params import load_params


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text("student: {epochs: 3}\n")
    return path


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ROLECALL_INDEX__ENGINE", "fais", r"^ROLECALL_INDEX__ENGINE: index\.engine: .*\(found 'fais'\)"),
        ("ROLECALL_STUDENT__EPOCHS", "-1", r"^ROLECALL_STUDENT__EPOCHS: student\.epochs: .*\(found -1\)"),
        ("ROLECALL_INDEX__FAISS__EFSEARCH", "9", r"^ROLECALL_INDEX__FAISS__EFSEARCH: .*no such knob.*mean ef_search"),
        ("ROLECALL_ENCODER__TRAIN", "{epoch: 2}", r"^ROLECALL_ENCODER__TRAIN: encoder\.train\.epoch: .*mean epochs"),
        (
            "ROLECALL_RETRIEVAL__RECOMMEND__LINKS",
            "0.9",
            r"params\.yaml and ROLECALL_RETRIEVAL__RECOMMEND__LINKS: .*shares add",
        ),
        ("ROLECALL_LABEL__JUDGE", "{kind: rubric, model: 5}", r"^ROLECALL_LABEL__JUDGE: label\.judge\.rubric\.model: "),
        ("ROLECALL_STUDNT", "{epochs: 1}", r"^ROLECALL_STUDNT: no section 'studnt' \(one of student\)"),
        ("ROLECALL_INDX__ENGINE", "faiss", r"^ROLECALL_INDX__ENGINE: no section 'indx' \(one of index\)"),
        ("ROLECALL_NOTHING__LIKE_IT", "1", r"no section 'nothing' \(one of seed, simulate, ingest"),
    ],
)
def test_a_wrong_variable_of_the_environment_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=said):
        load_params(file)


def test_a_wrong_knob_of_the_file_is_named_with_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLECALL_INDEX__ENGINE", "faiss")
    file.write_text("student: {epoch: 3}\n")
    with pytest.raises(BadInput, match=r"params\.yaml: student\.epoch: no such knob \(did you mean epochs\?\)"):
        load_params(file)


def test_another_program_may_have_a_variable_that_begins_alike(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLECALL_SERVICE_HOST", "10.0.0.1")
    assert load_params(file).student.epochs == 3
