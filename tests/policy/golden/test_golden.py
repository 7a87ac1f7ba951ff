"""The golden set: agreement of its graders, adjudication, and the gate that a judge has to pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from contracts.errors import BadInput, JudgeFailed, NotAgreed, NotReady, OtherPolicy
from policy import Judgement, Pair, RubricJudge, Ungraded, load_policy
from policy.golden.agreement import agreement
from policy.golden.golden import (
    adjudicate,
    grader_agreement,
    has_golden,
    import_golden,
    load_golden,
    require_agreement,
)
from policy.golden.pairs import PAIRS, read_pairs, write_pairs
from policy.golden.sheets import (
    ACCEPTED,
    ADJUDICATED,
    accept_policy,
    read_adjudicated,
    read_sheets,
    write_adjudicated,
    write_sheet,
)
from tests.make import refused

POLICY = load_policy()
ANN = (4, 3, 2, 1, 0, 0, 2, 4)
BOB = (4, 3, 1, 1, 0, 3, 2, 4)
EVE = (0, 3, 2, 0, 4, 0, 1, 4)


def decide(folder: Path, grade: int) -> None:
    """Fill in the open rows, as a person would."""
    pairs = read_pairs(folder)
    decisions = [
        one if one.grade is not None else one._replace(grade=grade, decided_by="cat")
        for one in read_adjudicated(folder, pairs)
    ]
    write_adjudicated(folder, pairs, decisions)


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_pairs_come_back(tmp_path: Path, golden_pair: Callable) -> None:
    pairs = [golden_pair(0), golden_pair(1, member=None)]
    write_pairs(tmp_path, pairs)
    assert list(read_pairs(tmp_path)) == pairs


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2: Invalid JSON"),
        ('{"pair_id": "p9"}', "line 2: stratum: Field required"),
        ("{first}", "line 2: pair 'p0' stands twice"),
    ],
)
def test_a_line_of_pairs_that_does_not_fit_is_told(
    tmp_path: Path, golden_pair: Callable, line: str, problem: str
) -> None:
    write_pairs(tmp_path, [golden_pair(0)])
    first = (tmp_path / PAIRS).read_text()
    (tmp_path / PAIRS).write_text(first + line.replace("{first}", first))
    with pytest.raises(BadInput) as caught:
        read_pairs(tmp_path)
    assert problem in str(caught.value)


def test_a_pair_that_nobody_asked_for_is_refused(golden_pair: Callable) -> None:
    with pytest.raises(ValueError, match="needs a member or a query"):
        golden_pair(0, member=None)


# --- how far graders agree -------------------------------------------------------------------------------------------


def test_graders_agree_overall_by_stratum_by_kind_and_by_dimension(tmp_path: Path, write_golden: Callable) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    groups = grader_agreement(pairs, read_sheets(tmp_path, pairs))
    found = {(group.of, group.name): group.agreement for group in groups}
    assert list(found) == [
        ("all", ""),
        ("stratum", "recommendation"),
        ("stratum", "title"),
        ("kind", "aspirational"),
        ("kind", "existing"),
        ("dimension", "function"),
    ]
    odd = agreement(ANN[1::2], BOB[1::2])
    assert found["all", ""].quadratic == agreement(ANN, BOB).quadratic
    assert found["stratum", "title"].quadratic == found["kind", "aspirational"].quadratic == odd.quadratic


def test_of_three_graders_the_two_who_agree_least_count(tmp_path: Path, write_golden: Callable) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB, eve=EVE)
    overall = grader_agreement(pairs, read_sheets(tmp_path, pairs))[0]
    worst = min((agreement(ANN, EVE), agreement(BOB, EVE), agreement(ANN, BOB)), key=lambda one: one.quadratic.value)
    assert overall.agreement.quadratic == worst.quadratic
    assert "eve" in overall.graders


def test_a_score_that_one_grader_left_out_is_not_compared(tmp_path: Path, golden_pair: Callable) -> None:
    pairs = [golden_pair(i) for i in range(3)]
    write_sheet(tmp_path, "ann", pairs, "v1", [{"grade": 1, "pay": 4}, {"grade": 1}, {"grade": 1, "pay": 0}])
    write_sheet(tmp_path, "bob", pairs, "v1", [{"grade": 1, "pay": 4}, {"grade": 1, "pay": 0}, {"grade": 1}])
    found = {group.name: group.agreement for group in grader_agreement(pairs, read_sheets(tmp_path, pairs))}
    assert found["pay"].pairs == 1
    assert "skills" not in found


# --- adjudication ----------------------------------------------------------------------------------------------------


def test_equal_grades_are_taken_and_the_others_wait_for_a_person(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=BOB)
    found = adjudicate(tmp_path)
    assert [one.grade for one in found] == [4, 3, None, 1, 0, None, 2, 4]
    assert found[5].grades == "ann 0; bob 3"
    with refused(NotReady, "2 pairs", "'p2'"):
        load_golden(tmp_path, "v1")


def test_grades_that_are_close_enough_become_their_lower_median(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=BOB)
    assert [one.grade for one in adjudicate(tmp_path, 1)] == [4, 3, 1, 1, 0, None, 2, 4]
    write_golden(tmp_path / "three", ann=(2,), bob=(3,), eve=(3,))
    assert adjudicate(tmp_path / "three", 1)[0].grade == 3


def test_a_decision_stays_until_a_grader_thinks_again(tmp_path: Path, write_golden: Callable) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    adjudicate(tmp_path)
    decide(tmp_path, 2)
    assert [one.grade for one in adjudicate(tmp_path)][2:6] == [2, 1, 0, 2]
    assert list(load_golden(tmp_path, "v1").adjudicated) == [4, 3, 2, 1, 0, 2, 2, 4]
    write_sheet(tmp_path, "bob", pairs, "v1", [{"grade": grade} for grade in (*BOB[:5], 4, *BOB[6:])])
    with refused(BadInput, "'p5'", "golden adjudicate"):
        load_golden(tmp_path, "v1")
    assert [one.grade for one in adjudicate(tmp_path)][2:6] == [2, 1, 0, None]


def test_another_grade_in_a_row_that_needed_nobody_is_a_decision(tmp_path: Path, write_golden: Callable) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    adjudicate(tmp_path, differ_by=1)
    first, second, third, *rest = read_adjudicated(tmp_path, pairs)
    assert (first.decided_by, third.decided_by) == ("agreed", "median")
    write_adjudicated(tmp_path, pairs, [first._replace(grade=2, note="not so"), second, third._replace(grade=3), *rest])
    for differ_by in (1, 0):
        found = adjudicate(tmp_path, differ_by)
        assert [one.grade for one in found][:3] == [2, 3, 3]
        assert [(one.decided_by, one.note) for one in found][:2] == [("changed by hand", "not so"), ("agreed", "")]
    assert read_adjudicated(tmp_path, pairs)[2].decided_by == "changed by hand"


def test_a_set_that_nobody_adjudicated_is_not_ready(tmp_path: Path, write_golden: Callable) -> None:
    with refused(NotReady, tmp_path):
        load_golden(tmp_path, "v1")
    write_golden(tmp_path, ann=ANN, bob=BOB)
    with refused(NotReady, tmp_path, "golden adjudicate"):
        load_golden(tmp_path, "v1")


# --- versions --------------------------------------------------------------------------------------------------------


def test_grades_by_an_older_policy_are_refused_until_somebody_confirms_them(
    tmp_path: Path, write_golden: Callable
) -> None:
    write_golden(tmp_path, ann=ANN, bob=ANN)
    adjudicate(tmp_path)
    assert load_golden(tmp_path, "v1").policy_version == "v1"
    with refused(OtherPolicy, "'v1'", "v2", "--accept-policy"):
        load_golden(tmp_path, "v2")
    accept_policy(tmp_path, "v2", "cat")
    load_golden(tmp_path, "v2")
    with pytest.raises(OtherPolicy):
        load_golden(tmp_path, "v3")


# --- the gate --------------------------------------------------------------------------------------------------------


class Answers:
    """A judge whose outcomes are given."""

    name = "given"

    def __init__(self, outcomes: Sequence[Judgement | Ungraded]) -> None:
        self._outcomes, self.spent = outcomes, Counter[str]()

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        assert len(pairs) == len(self._outcomes)
        return list(self._outcomes)


def test_the_rubric_judge_passes_the_gate_of_a_simulated_market(graded: Path) -> None:
    golden = load_golden(graded, POLICY.version)
    found = require_agreement(golden, RubricJudge(POLICY))
    said = [RubricJudge(POLICY).grade(*pair.pair).grade for pair in golden.pairs]
    assert found.judge.quadratic == agreement(said, golden.adjudicated).quadratic
    assert sum(one.pairs for one in found.strata.values()) == found.pairs == len(golden.pairs)
    assert found.simulated
    assert "simulated graders" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["judge"]["quadratic"]["value"] == found.judge.quadratic.value


def test_a_judge_that_departs_from_the_golden_set_is_refused_with_the_reason(graded: Path) -> None:
    golden = load_golden(graded, POLICY.version)
    generous = POLICY.model_copy(update={"cuts": (0.1, 0.2, 0.3, 0.4), "rules": ()})
    with pytest.raises(NotAgreed) as caught:
        require_agreement(golden, RubricJudge(generous))
    message = str(caught.value)
    assert "judge 'rubric' and the golden set agree with quadratic kappa 0." in message
    assert "which is under 0.8; least in stratum '" in message
    assert caught.value.exit_code == 8
    require_agreement(golden, RubricJudge(generous), least=0.0)


def test_graders_who_do_not_agree_stop_every_judge(graded: Path) -> None:
    pairs, rng = read_pairs(graded), np.random.default_rng(0)
    write_sheet(
        graded, "guess", pairs, POLICY.version, [{"grade": int(grade)} for grade in rng.integers(0, 5, len(pairs))]
    )
    adjudicate(graded)
    decide(graded, 2)
    golden = load_golden(graded, POLICY.version)
    assert not golden.simulated
    perfect = Answers([Judgement(int(grade), "") for grade in golden.adjudicated])
    with refused(NotAgreed, "guess", "simulated-", "0."):
        require_agreement(golden, perfect)


def test_a_few_pairs_let_nobody_pass(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=ANN)
    adjudicate(tmp_path)
    with refused(NotAgreed, "8 golden pairs"):
        require_agreement(load_golden(tmp_path, "v1"), Answers([Judgement(grade, "") for grade in ANN]))


def test_pairs_without_a_grade_are_left_out_as_long_as_they_are_few(graded: Path) -> None:
    golden = load_golden(graded, POLICY.version)
    outcomes: list[Judgement | Ungraded] = [Judgement(int(grade), "") for grade in golden.adjudicated]
    few = len(outcomes) // 20
    outcomes[:few] = [Ungraded("prose")] * few
    found = require_agreement(golden, Answers(outcomes))
    assert (found.ungraded, found.judge.pairs, found.judge.quadratic.value) == (few, len(outcomes) - few, 1.0)
    assert sum(one.pairs for one in found.strata.values()) == len(outcomes) - few
    assert {one.exact for one in found.strata.values()} == {1.0}
    outcomes[few] = Ungraded("timeout")
    with refused(JudgeFailed, f"{few + 1} of {len(outcomes)}"):
        require_agreement(golden, Answers(outcomes))


# --- import ----------------------------------------------------------------------------------------------------------


def test_a_set_is_imported_with_its_agreement_and_can_be_loaded_there(graded: Path, tmp_path: Path) -> None:
    place = tmp_path / "workspace" / "golden"
    groups = import_golden(graded, place, POLICY.version)
    report = json.loads((place / "agreement.json").read_text())
    assert groups
    assert report["groups"][0]["quadratic"]["value"] == groups[0].agreement.quadratic.value
    assert (report["pairs"], report["simulated"]) == (len(read_pairs(graded)), True)
    assert load_golden(place, POLICY.version).pairs == read_pairs(graded)


def test_data_without_a_golden_set_leaves_none_of_a_former_one(graded: Path, tmp_path: Path) -> None:
    place = tmp_path / "workspace" / "golden"
    import_golden(graded, place, POLICY.version)
    assert import_golden(tmp_path / "elsewhere", place, POLICY.version) is None
    assert not has_golden(place)
    assert json.loads((place / "agreement.json").read_text()) == {"pairs": 0}


def test_a_set_that_does_not_fit_does_not_replace_the_former_one(graded: Path, tmp_path: Path) -> None:
    place = tmp_path / "workspace" / "golden"
    import_golden(graded, place, POLICY.version)
    (graded / ADJUDICATED).unlink()
    with pytest.raises(NotReady):
        import_golden(graded, place, POLICY.version)
    assert has_golden(place)


def test_a_copy_that_breaks_off_leaves_the_former_set(
    graded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "workspace" / "golden"
    import_golden(graded, place, POLICY.version)
    with monkeypatch.context() as broken:
        broken.setattr("policy.golden.golden.shutil.copyfile", Mock(side_effect=OSError("no space left")))
        with pytest.raises(OSError, match="no space left"):
            import_golden(graded, place, POLICY.version)
    assert load_golden(place, POLICY.version).pairs == read_pairs(graded)
    import_golden(graded, place, POLICY.version)
    assert [path.name for path in place.parent.iterdir()] == ["golden"]


def test_who_accepts_a_policy_is_kept_with_the_data(graded: Path, tmp_path: Path) -> None:
    (graded / ACCEPTED).unlink()
    place = tmp_path / "workspace" / "golden"
    with pytest.raises(OtherPolicy):
        import_golden(graded, place, "edited")
    import_golden(graded, place, "edited", accepted_by="cat")
    assert ",cat," in (graded / ACCEPTED).read_text()
    load_golden(place, "edited")
