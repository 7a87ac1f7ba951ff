"""The policy file: what it must hold, and how an error in it is told."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from policy import load_policy
from tests.make import refused

TEXT = resources.files("policy").joinpath("policy.yaml").read_text("utf-8")


def refusal(tmp_path: Path, text: str) -> str:
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


def test_a_file_is_read_anew_once_it_was_edited(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    versions = []
    for text in (TEXT, TEXT + "# mine\n", TEXT):
        path.write_text(text)
        versions.append(load_policy(path).version)
    assert versions[0] == versions[2] != versions[1]


def test_a_version_of_ones_own_is_refused_for_it_would_hide_the_next_edit(tmp_path: Path) -> None:
    message = refusal(tmp_path, f'version: "1.0"\n{TEXT}')
    assert "line 1: version: it is made of the file's content" in message and "remove it" in message


def test_a_missing_anchor_is_told_with_its_line_and_cure(tmp_path: Path) -> None:
    text = TEXT.replace("      2: About a third.\n", "")
    message = refusal(tmp_path, text)
    assert f"line {line_of(text, 'skills:')}: dimensions.skills" in message
    assert "no anchor for 2" in message
    assert "write a sentence for each anchor" in message


def test_weights_that_do_not_add_up_are_told_with_their_sum(tmp_path: Path) -> None:
    message = refusal(tmp_path, TEXT.replace("weight: 40", "weight: 45"))
    assert f"line {line_of(TEXT, 'dimensions:')}: dimensions: the weights add up to 105" in message
    assert "make them 100 together" in message


def test_an_unknown_dimension_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    text = TEXT.replace("\ndimensions:\n", "\ndimensions:\n  charm: {weight: 3}\n")
    message = refusal(tmp_path, text)
    assert f"line {line_of(text, 'charm:')}: dimensions.charm: unknown dimension 'charm'" in message
    assert "function, skills, seniority" in message


def test_a_rule_about_an_unknown_dimension_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("- when: {pay: {at_most: 0}}", "- when: {wage: {at_most: 0}}")
    message = refusal(tmp_path, text)
    assert f"line {line_of(text, '- when: {wage')}" in message
    assert "unknown dimension 'wage'" in message


def test_a_missing_dimension_is_told_with_how_to_leave_it_out(tmp_path: Path) -> None:
    start, end = TEXT.index("  pay:\n"), TEXT.index("  intent:\n")
    message = refusal(tmp_path, TEXT[:start] + TEXT[end:])
    assert "dimension 'pay' is missing (add it; with weight 0 it does not count)" in message


def test_an_unknown_field_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("    weight: 40\n", "    weight: 40\n    wieght: 4\n")
    message = refusal(tmp_path, text)
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
    message = refusal(tmp_path, TEXT.replace(good, bad))
    assert problem in message
    assert "line" in message


def test_a_field_that_stands_twice_is_told_with_the_second_line(tmp_path: Path) -> None:
    text = TEXT + "\nname: Another\n"
    assert f"line {text.count(chr(10))}: name stands twice" in refusal(tmp_path, text)


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    assert "line 2 is no YAML" in refusal(tmp_path, "name: x\n  cuts: [1\n")


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_a_file_without_fields_is_refused(tmp_path: Path, text: str) -> None:
    assert "not fields" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("? {a: 1}\n: 2\n", r"line {last}: a field's name is a mapping"),
        ("? [a]\n: 2\n", r"line {last}: a field's name is a sequence"),
        ("day: 2024-99-99\n", "no YAML: month must be"),
        ("loop: &a [*a]\n", "nests too deep"),
        ("1: 2\n", "1: "),
    ],
)
def test_yaml_that_is_no_policy_is_told(tmp_path: Path, more: str, problem: str) -> None:
    assert problem.replace("{last}", str(TEXT.count("\n") + 1)) in refusal(tmp_path, TEXT + more)


def test_a_folder_and_another_encoding_are_told(tmp_path: Path) -> None:
    with refused(BadInput, "--policy FILE", where=tmp_path):
        load_policy(tmp_path)
    (tmp_path / "own.yaml").write_bytes(TEXT.encode("utf-16"))
    with refused(BadInput, "UTF-8", where=tmp_path / "own.yaml"):
        load_policy(tmp_path / "own.yaml")


def test_an_example_that_is_no_record_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace("job: {title: Dishwasher}", "job: {tilte: Dishwasher}")
    message = refusal(tmp_path, text)
    assert "dimensions.function.examples.2.job" in message
    assert f"line {line_of(text, 'job: {tilte')}" in message


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path / "none.yaml"):
        load_policy(tmp_path / "none.yaml")


def test_an_example_that_the_criteria_score_otherwise_is_told_with_its_line(tmp_path: Path) -> None:
    start = TEXT.index("- because: Three of four.")
    text = TEXT[:start] + TEXT[start:].replace("score: 4", "score: 2", 1)
    line = text[: text.index("score: 2", start)].count("\n") + 1
    message = refusal(tmp_path, text)
    assert f"line {line}: dimensions.skills.examples.0.score: the example says 2, the criteria give 4" in message
    assert "correct the example, or the criteria" in message


def test_criteria_that_no_longer_give_what_an_example_says_are_told(tmp_path: Path) -> None:
    message = refusal(tmp_path, TEXT.replace("steps: [0.1, 0.3, 0.5, 0.75]", "steps: [0.1, 0.3, 0.5, 0.8]"))
    assert "dimensions.skills.examples.0.score: the example says 4, the criteria give 3" in message


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{when: {pay: {at_most: 0}}, grade_at_most: 3, because: x}", "it repeats rule 6, which allows at most 3"),
        ("{when: {pay: {at_most: 0}}, grade_at_most: 2, because: x}", "rules.5: it repeats rule 7"),
        (
            "{when: {pay: {at_most: 0}, place: {at_most: 0}}, grade_at_most: 2, because: x}",
            "rules.6: it never counts beside rule 5, which allows at most 2",
        ),
        ("{when: {industry: {at_most: 0}}, grade_at_most: 2, because: x}", "industry never scores below 1"),
        ("{when: {pay: {at_most: 1}}, grade_at_most: 4, because: x}", "at most 4 is no limit"),
    ],
)
def test_a_rule_that_can_never_lower_a_grade_is_told_with_its_line(tmp_path: Path, rule: str, problem: str) -> None:
    text = TEXT.replace("    because: it pays far less than they ask\n", f"    because: it pays less\n  - {rule}\n")
    message = refusal(tmp_path, text)
    assert problem in message
    named = "- when: {pay: {at_most: 0}}" if "rules.5" in problem else f"- {rule}"
    assert f"line {line_of(text, named)}: rules." in message


def test_rules_that_each_say_something_of_their_own_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    rule = "  - {when: {pay: {at_most: 1}, place: {at_most: 2}}, grade_at_most: 2, because: x}\n"
    path.write_text(TEXT.replace("rules:\n", f"rules:\n{rule}"), "utf-8")
    assert len(load_policy(path).rules) == len(load_policy().rules) + 1


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("by_distance: [4, 3, 1, 0]", "by_distance: [4, 1, 3, 0]", "the farther scores more than the nearer"),
        ("{same: 4, in_part: 3, other: 1}", "{same: 3, in_part: 4, other: 1}", "the farther scores more"),
        ("lead: [lead, principal]", "lead: [lead, experienced]", "'experienced' already tells the rung 'senior'"),
        ("[recruiter, talent", "[nurses, talent", "'nurses' is already work of kind 'nursing', there as 'nurse'"),
        ("      3: Half of them.\n", "      3: About a third.\n", "anchors 2 and 3 say the same"),
    ],
)
def test_what_cannot_be_meant_at_once_is_told_with_its_line(tmp_path: Path, good: str, bad: str, problem: str) -> None:
    assert TEXT.count(good) == 1
    message = refusal(tmp_path, TEXT.replace(good, bad))
    assert problem in message
    assert "line" in message
