"""`rolecall rules`: check and show a file of rules, try one on a log, and count what members say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from tests.make import refused

RULES = """\
rules:
  - name: far
    reason: too_far
    action: remove
    enabled: true
    surfaces: [recommendation]
    when: {place: {beyond: region}}
    because: It is far.
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(RULES)
    return path


def test_check_says_that_a_file_holds_together_or_what_is_wrong(rolecall: Callable[..., str], file: Path) -> None:
    assert "hold together: 1 rules; enabled: far" in rolecall("rules", "check", file)
    file.write_text(RULES.replace("action: remove", "action: hide"))
    with refused(BadInput, "line 4", "'hide'", where=file):
        rolecall("rules", "check", file)


def test_show_prints_the_rules_in_force(rolecall: Callable[..., str], tmp_path: Path, file: Path) -> None:
    told = rolecall("rules", "show", "-w", tmp_path)
    assert "on   closed (remove, answers closed)" in told and "off  too_far (demote, answers too_far)" in told
    assert "far (remove" not in told and told.splitlines()[0].endswith("(built in)")
    file.rename(tmp_path / "rules.yaml")
    assert rolecall("rules", "show", "-w", tmp_path).splitlines()[0].endswith(f"({tmp_path / 'rules.yaml'})")
    own = json.loads(rolecall("rules", "show", "-w", tmp_path, "--json"))
    assert [(rule["name"], rule["enabled"]) for rule in own["rules"]] == [("far", True)]


def test_params_name_a_file_too(rolecall: Callable[..., str], tmp_path: Path, file: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(f"rules: {{file: {file}}}\n")
    assert "on   far" in rolecall("--params", params, "rules", "show", "-w", tmp_path)


def test_try_names_what_is_missing(rolecall: Callable[..., str], tmp_path: Path, file: Path) -> None:
    with refused(BadInput, "'near'", "far"):
        rolecall("rules", "try", "--rule", "near", "--rules", file, "-w", tmp_path)
    with refused(NotReady, tmp_path, "rolecall index"):
        rolecall("rules", "try", "--rule", "far", "--rules", file, "-w", tmp_path)


def test_feedback_without_events_says_so(rolecall: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(NotReady):
        rolecall("rules", "feedback", "-w", tmp_path)


def test_the_tables_for_people() -> None:
    from collections import Counter

    from replay.feedback import Feedback
    from replay.rule_trial import Example, Trial
    from retrieval.rules.rules import load_rules
    from rolecall.commands.rules import _as_table, _lines

    shown = Counter(shown=1_000, viewed=100, dismissed=20, answered=5)
    trial = Trial(load_rules().named("too_far"), 50, 40, shown, Counter(shown=200, viewed=1), [Example("r", "j", "")])
    lines = _lines(trial)
    assert lines[1] == "It applies to 40 of 50 logged requests."
    rows = {line.rsplit(maxsplit=3)[0].strip(): line.split()[-3:] for line in lines[3:-1]}
    assert rows["shown"] == ["200", "1,000", "20.0%"] and rows["for too_far"] == ["0", "5", "0.0%"]
    assert rows["hired"] == ["0", "0", "-"] and lines[-1].split() == ["request", "r", "job", "j", "passed", "over"]
    told = _as_table(
        Feedback({"too_far": 3}, {"too_far": {"search": 3}}, {"too_far": {"dense": 2}}, {"search": 9, "dense": 8})
    )
    unsaid = Feedback({"too_far": 3}, {"too_far": {"search": 3}}, {"too_far": {"not said": 3}}, {"search": 9})
    assert _as_table(unsaid).splitlines()[0].split() == ["dismissed", "share", "search", "source", "not", "said"]
    assert [line.split() for line in told.splitlines()] == [
        ["dismissed", "share", "search", "dense"],
        ["too_far", "3", "100.0%", "3", "2"],
        ["all", "that", "was", "shown", "9", "8"],
    ]
