"""The scripts of `examples/` run as they are, on the embedded default, and show what their first lines promise."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.records import Job
from sources.validate import validate

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOWN = {
    "explanation.py": ["Registered Nurse\n    Its text is", "It is in the place where you are", "+0.50 same_city"],
    "own_csv.py": ["2 fit, 1 do not", "expiry_before_posting", "missing_field", "'id': '1'"],
    "own_judge.py": ["shared_skills 3  Registered Nurse  Judgement(grade=4", "rubric           Welder"],
    "own_source.py": ["asked dense, terms, newest", "dense,newest"],
    "search_jobs.py": ["only in Denver", "   1  Registered Nurse"],
}
"""Script to what its output holds."""


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_shows_what_it_promises(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [text for text in SHOWN[name] if text not in done.stdout] == []


def test_the_board_to_copy_fits_and_shows_every_column_of_an_advert() -> None:
    report = validate(EXAMPLES / "board", datetime(2026, 3, 1, tzinfo=UTC))
    assert report.ok and list(report.tables) == ["members", "jobs", "events"]
    assert not any(table.findings for table in report.tables.values()) and not report.ignored_columns
    header = (EXAMPLES / "board" / "jobs.csv").read_text().splitlines()[0].split(",")
    assert set(header) == set(Job.model_fields) - {"industry", "hidden", "read_out"}
