"""No pinned version is one that an advisory of the list names, unless it says why that may stay."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_pinned_version_is_affected(audit: ModuleType) -> None:
    assert audit.main(ROOT / "constraints.txt") == 0


def test_a_pin_in_a_bad_range_fails_and_one_that_is_accepted_does_not(audit: ModuleType, tmp_path: Path) -> None:
    old = tmp_path / "constraints.txt"
    old.write_text("# a comment\nfeast==0.62.1\nJinja2[x]==3.1.6 ; python_version > '3'\ndiskcache==5.6.3\n")
    assert audit.pinned(old.read_text())["jinja2"] == Version("3.1.6")
    assert audit.main(old) == 1
    old.write_text("feast==0.67.0\ndiskcache==5.6.3\n")
    assert audit.main(old) == 0


def test_a_reason_that_stands_for_nothing_is_found(audit: ModuleType) -> None:
    advisory = {"package": "x", "id": "CVE-1", "affected": "<2", "about": "a", "accepted": "b"}
    assert list(audit.problems({"x": Version("1")}, [advisory])) == []
    assert len(list(audit.problems({"x": Version("2")}, [advisory]))) == 1
