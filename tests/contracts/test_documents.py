from pathlib import Path

import pytest

from contracts.documents import parse, read_text, read_yaml, to_yaml, wrong
from contracts.errors import BadInput, NotReady
from contracts.values import FrozenModel
from tests.make import refused


class Knobs(FrozenModel):
    parts: tuple[str, ...] = ()
    size: int = 1


def test_a_part_that_does_not_fit_is_named_with_its_line():
    with refused(BadInput, "line 3", "parts.1", "2", where="knobs.yaml"):
        parse("parts:\n- a\n- 2\n", Knobs, "knobs.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("size: 1\nsize: 2\n", "line 2"),
        ("parts: [a\nsize: 2\n", "line 2"),
        ("parts: {? [a] : 1}\n", "line 1"),
        ("size: !!python/object:os.system x\n", "line 1"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(text: str, line: str):
    with refused(BadInput, line, where="knobs.yaml"):
        parse(text, Knobs, "knobs.yaml")


@pytest.mark.parametrize(
    "text",
    ["- a list", "", "size: 2024-99-99\n", "loop: &a [*a]\n", "a: \x01", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b"],
)
def test_a_document_without_fields_or_without_end_is_refused(text: str):
    with refused(BadInput, where="knobs.yaml"):
        parse(text, Knobs, "knobs.yaml")


def test_a_small_file_that_unfolds_to_millions_of_parts_is_refused():
    text = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    with refused(BadInput, "nests too deep", where="bomb.yaml"):
        read_yaml(text, "bomb.yaml")


def test_an_error_does_not_repeat_a_value_that_may_be_secret():
    with pytest.raises(BadInput) as caught:
        read_yaml("key: sk-1\nkey: sk-2\n", "--judge")
    assert "sk-" not in str(caught.value) + repr(caught.value.__cause__)


def test_words_that_yaml_1_1_takes_for_booleans_stay_what_they_were():
    content = read_yaml("a: yes\nb: 'on'\nc: 010\n", "it")
    assert content == {"a": True, "b": "on", "c": 8}
    assert read_yaml(to_yaml(content), "it") == content


def test_a_validator_gives_the_cure():
    error = wrong("two of them", "keep one")
    assert error.context == {"what": "two of them", "cure": "keep one"}


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path: Path):
    with refused(NotReady, tmp_path / "none.yaml"):
        read_text(tmp_path / "none.yaml")
    (tmp_path / "utf16.yaml").write_bytes("a: 1".encode("utf-16"))
    with refused(BadInput, where="utf16.yaml"):
        read_text(tmp_path / "utf16.yaml")
