"""The page on releases names the formats that the code writes."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "release.md"


def test_the_numbers_of_formats_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| [\w ]+ \| (\d+) \| `(\w+)` in `([\w.]+)`", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 6
    assert {module: int(number) for number, _, module in rows} == {
        module: getattr(import_module(module), name) for _, name, module in rows
    }
