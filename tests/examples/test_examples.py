"""The scripts of `examples/` run as they are, on the embedded default, and show what their first lines promise."""

from __future__ import annotations

import json
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


NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
RUN = """
import contextlib, io, json, runpy, sys, traceback
for script in sys.argv[1:]:
    sys.path[0] = script.rpartition("/")[0]
    shown, error = io.StringIO(), ""
    with contextlib.redirect_stdout(shown):
        try:
            runpy.run_path(script, run_name="__main__")
        except BaseException:
            error = traceback.format_exc()
    print(json.dumps([shown.getvalue(), error]), flush=True)
"""
"""Each script as `python script` would, in one process: the libraries, which take seconds, are loaded once."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Script -> what it printed, and the error it ended with."""
    command = [sys.executable, "-c", RUN, *(str(EXAMPLES / name) for name in NAMES)]
    place = tmp_path_factory.mktemp("examples")
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, timeout=300, check=True)
    return dict(zip(NAMES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_shows_what_it_promises(name: str, shown: dict[str, tuple[str, str]]) -> None:
    said, error = shown[name]
    assert not error
    assert [text for text in SHOWN[name] if text not in said] == []


def test_the_board_to_copy_fits_and_shows_every_column_of_an_advert() -> None:
    report = validate(EXAMPLES / "board", datetime(2026, 3, 1, tzinfo=UTC))
    assert report.ok and list(report.tables) == ["members", "jobs", "events"]
    assert not any(table.findings for table in report.tables.values()) and not report.ignored_columns
    header = (EXAMPLES / "board" / "jobs.csv").read_text().splitlines()[0].split(",")
    assert set(header) == set(Job.model_fields) - {"industry", "hidden", "read_out"}
