"""Registries find classes that are built in, registered by a file, or declared by another package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from contracts.plugins import Registry, load_plugin
from tests.make import refused


def registry() -> Registry[object]:
    return Registry("rolecall.toys", {"text": "contracts.text.verbalizer:Verbalizer", "broken": "contracts.none:None"})


def test_a_built_in_class_is_imported_when_asked_for() -> None:
    assert registry().get("text").__name__ == "Verbalizer"


def test_an_unknown_name_is_refused_with_the_names_that_there_are() -> None:
    with refused(BadInput, "'txt'", "text"):
        registry().get("txt")


def test_a_class_that_cannot_be_imported_is_not_ready() -> None:
    with refused(NotReady, "'broken'"):
        registry().get("broken")


def test_two_classes_of_one_name_are_refused() -> None:
    toys = registry()
    with refused(BadInput, "'text'"):
        toys.register("text")(int)


def test_a_class_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "other_board-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other-board\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[rolecall.toys]\nkite = other_board:Kite\n")
    (tmp_path / "other_board.py").write_text("class Kite:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    toys = registry()
    assert toys.names() == ("text", "broken", "kite")
    assert toys.get("kite").__name__ == "Kite"
    monkeypatch.delitem(sys.modules, "other_board")


def test_a_file_registers_its_classes_once_however_often_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "toy_of_a_file.py"
    file.write_text("class Toy:\n    pass\n")
    assert load_plugin(str(file)) is load_plugin(str(file))
    with refused(NotReady, "absent.py"):
        load_plugin(str(tmp_path / "absent.py"))
