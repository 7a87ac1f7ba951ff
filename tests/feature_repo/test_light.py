"""Feast is imported without PyTorch, and PyTorch is there for who asks for it afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASKED = """
import sys
from feature_repo.light import import_feast
from feature_repo.trusted import parsed_registry
import pathlib, tempfile
empty = pathlib.Path(tempfile.mkdtemp()) / "registry.db"
empty.write_bytes(b"")
{first}
parsed_registry(empty)
print("feast" in sys.modules, "torch" in sys.modules)
import torch
print(torch.zeros(2).sum().item())
import_feast()
print("torch" in sys.modules)
import typeguard
print(typeguard.typechecked.__module__, typeguard.typechecked is sys.modules["feast.field"].typechecked)
"""


@pytest.mark.parametrize(("first", "told"), [("", "True False"), ("import torch", "True True")])
def test_feast_comes_without_torch_and_takes_none_away(first: str, told: str) -> None:
    pytest.importorskip("torch")
    ran = subprocess.run([sys.executable, "-c", ASKED.format(first=first)], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:4] == [told, "0.0", "True", "typeguard False"]
