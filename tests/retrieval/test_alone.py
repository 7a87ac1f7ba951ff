"""What the page says under "Alone" is run in a process of its own, in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("apache_beam", "faiss", "feast", "onnxruntime", "pandas", "torch", "transformers")


def run(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_example_runs_and_loads_nothing_heavy(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "search-alone.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    loaded = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    lines = run(f"{example}\n{loaded}", tmp_path).splitlines()
    assert lines == ["['developer', 'driver']", "['driver', 'nurse']", "[]"]


def test_names_are_loaded_when_they_are_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys, retrieval; print('numpy' in sys.modules); retrieval.any_of; "
        "print('retrieval.engines.exact' in sys.modules)"
    )
    assert run(code, tmp_path).split() == ["False", "False"]


def test_a_name_that_is_not_there_is_said_so() -> None:
    import retrieval

    assert {name for name in retrieval.__all__ if getattr(retrieval, name)} == set(retrieval.__all__)
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        _ = retrieval.anything
