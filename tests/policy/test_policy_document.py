"""The policy file: what it must hold, and how an error in it is told."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from policy import RubricJudge, load_policy
from policy.document import DIMENSIONS

TEXT = resources.files("policy").joinpath("policy.yaml").read_text("utf-8")


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput) as caught:
        load_policy(path)
    return str(caught.value)


def line_of(text: str, start: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if line.strip().startswith(start))


def test_the_built_in_policy_loads_and_a_copy_is_the_same_version(tmp_path: Path) -> None:
    path = tmp_path / "copy.yaml"
    path.write_text(TEXT, "utf-8")
    assert load_policy(path) == load_policy()


def test_any_edit_is_another_version(tmp_path: Path) -> None:
    path = tmp_path / "edited.yaml"
    path.write_text(TEXT.replace("name: Job match", "name: Our match"), "utf-8")
    assert load_policy(path).version != load_policy().version


def test_the_judge_scores_every_worked_example_as_the_policy_says() -> None:
    policy = load_policy()
    judge = RubricJudge(policy)
    for name in DIMENSIONS:
        for example in getattr(policy.dimensions, name).examples:
            found = judge.grade(example.member, example.job, example.query).dimensions[name]
            assert found == example.score, f"{name}: {example.because}"


def test_a_missing_anchor_is_told_with_its_line_and_cure(tmp_path: Path) -> None:
    text = TEXT.replace("      2: About a third.\n", "")
    message = refused(tmp_path, text)
    assert f"line {line_of(text, 'skills:')}: dimensions.skills" in message
    assert "no anchor for 2" in message
    assert "write a sentence for each anchor" in message


def test_weights_that_do_not_add_up_are_told_with_their_sum(tmp_path: Path) -> None:
    message = refused(tmp_path, TEXT.replace("weight: 40", "weight: 45"))
    assert f"line {line_of(TEXT, 'dimensions:')}: dimensions: the weights add up to 105" in message
    assert "make them 100 together" in message


def test_an_unknown_dimension_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    text = TEXT.replace("\ndimensions:\n", "\ndimensions:\n  charm: {weight: 3}\n")
    message = refused(tmp_path, text)
    assert f"line {line_of(text, 'charm:')}: dimensions.charm: unknown dimension 'charm'" in message
    assert "function, skills, seniority" in message


def test_a_rule_about_an_unknown_dimension_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("- when: {pay: {at_most: 0}}", "- when: {wage: {at_most: 0}}")
    message = refused(tmp_path, text)
    assert f"line {line_of(text, '- when: {wage')}" in message
    assert "unknown dimension 'wage'" in message


def test_a_missing_dimension_is_told_with_how_to_leave_it_out(tmp_path: Path) -> None:
    start, end = TEXT.index("  pay:\n"), TEXT.index("  intent:\n")
    message = refused(tmp_path, TEXT[:start] + TEXT[end:])
    assert "dimension 'pay' is missing (add it; with weight 0 it does not count)" in message


def test_an_unknown_field_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("    weight: 40\n", "    weight: 40\n    wieght: 4\n")
    message = refused(tmp_path, text)
    assert f"line {line_of(text, 'wieght')}: dimensions.function.wieght: unknown field 'wieght'" in message


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("steps: [0.1, 0.3, 0.5, 0.75]", "steps: [0.1, 0.5, 0.3, 0.75]", "do not ascend"),
        ("cuts: [1.2, 1.9, 2.5, 3.2]", "cuts: [1.2, 1.9, 2.5, 5]", "do not rise"),
        ("grade_at_most: 3", "grade_at_most: 7", "less than or equal to 4"),
        ("weight: 40", "weight: many", "valid number"),
        ("[payroll, human resources]", "[payroll, juggling]", "'juggling', which is no kind of work"),
    ],
)
def test_a_value_that_makes_no_sense_is_told(tmp_path: Path, good: str, bad: str, problem: str) -> None:
    assert TEXT.count(good) == 1
    message = refused(tmp_path, TEXT.replace(good, bad))
    assert problem in message
    assert "line" in message


def test_a_field_that_stands_twice_is_told_with_the_second_line(tmp_path: Path) -> None:
    text = TEXT + "\nname: Another\n"
    assert f"line {text.count(chr(10))}: name stands twice" in refused(tmp_path, text)


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    assert "line 2 is no YAML" in refused(tmp_path, "name: x\n  cuts: [1\n")


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_a_file_without_fields_is_refused(tmp_path: Path, text: str) -> None:
    assert "not fields" in refused(tmp_path, text)


def test_an_example_that_is_no_record_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("job: {title: Dishwasher}", "job: {tilte: Dishwasher}")
    message = refused(tmp_path, text)
    assert "dimensions.function.examples.2.job" in message
    assert f"line {line_of(text, 'job: {tilte')}" in message


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"no policy file .*none\.yaml"):
        load_policy(tmp_path / "none.yaml")
