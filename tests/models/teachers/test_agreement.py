"""A teacher that does not follow its judge is refused before anything is distilled from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import NotAgreed
from contracts.tables import write_part
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.agreement import served_agreement
from models.teachers.train import train_teacher
from models.training.lists import held_served
from models.training.metrics import quadratic_kappa
from models.training.rows import read_rows
from tests.make import refused
from tests.models.student.test_served import served_table


@pytest.fixture
def served(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    write_part(workspace.training, served_table(20))
    return workspace


def blind(tiny: Path, **more: object) -> TeacherConfig:
    """It reads texts that tell no grade, and no match."""
    plain = {"backbone": tiny, "frozen_layers": 1, "epochs": 1, "match": False, "max_pairs": 16, "served_pairs": 0}
    return TeacherConfig.model_validate({**plain, **more})


def golden(workspace: Workspace, kappa: float) -> None:
    """The judge's kappa with people, as labelling leaves it."""
    workspace.grades.mkdir(parents=True)
    workspace.judge_report.write_text(json.dumps({"golden": {"judge": {"quadratic": {"value": kappa}}}}))


def test_a_blind_teacher_is_refused_by_the_absolute_least_without_a_golden_set(served: Workspace, tiny: Path) -> None:
    with refused(NotAgreed, "0.400", "served candidates", "least_kappa: ", where="policy teacher"):
        train_teacher(served, "policy", blind(tiny))
    assert not (served.teachers / "policy" / "CURRENT").exists()
    assert not (served.scores / "policy" / "CURRENT").exists()


def test_it_is_refused_by_a_share_of_what_the_judge_agrees_with_people(served: Workspace, tiny: Path) -> None:
    golden(served, 0.8)
    with refused(NotAgreed, "0.720", "0.800", "least_kappa_share: "):
        train_teacher(served, "policy", blind(tiny, least_kappa=0))


def test_the_cure_of_the_message_works_and_trains_nothing_again(served: Workspace, tiny: Path) -> None:
    golden(served, 0.8)
    with pytest.raises(NotAgreed) as caught:
        train_teacher(served, "policy", blind(tiny))
    share = float(str(caught.value).rsplit("least_kappa_share: ", 1)[1].split("}")[0])
    (folder,) = (path for path in (served.teachers / "policy").iterdir() if path.is_dir())
    changed = (folder / "model.safetensors").stat().st_mtime_ns
    with refused(NotAgreed, "0.720"):
        train_teacher(served, "policy", blind(tiny))
    assert train_teacher(served, "policy", blind(tiny, least_kappa_share=share)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == changed


def test_a_teacher_of_engagement_is_not_held_to_the_judge(served: Workspace, tiny: Path) -> None:
    train_teacher(served, "policy", blind(tiny, least_kappa=0))
    folder = train_teacher(served, "click", blind(tiny))
    assert "served_kappa_valid" not in json.loads((folder / "metrics.json").read_text())


def test_grades_that_are_the_judges_own_agree_wholly(served: Workspace) -> None:
    rows = read_rows(served.training)
    logits = np.full((len(rows), 1), np.nan)
    pairs = np.concatenate(held_served(rows))
    share = np.clip(rows.target("relevance")[pairs], 1e-3, 1 - 1e-3)
    logits[pairs, 0] = np.log(share / (1 - share))
    figures = served_agreement(rows, ("relevance",), logits)
    assert figures == {
        "served_kappa_valid": pytest.approx(1),
        "served_spearman_valid": pytest.approx(1),
        "served_pairs_valid": len(pairs),
    }
    assert served_agreement(rows, ("view",), logits) == {}


def test_quadratic_kappa_is_that_of_sklearn() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    judge = rng.integers(0, 5, 300)
    other = np.clip(judge + rng.integers(-2, 3, 300), 0, 4)
    expected = cohen_kappa_score(other, judge, weights="quadratic")
    assert quadratic_kappa(other / 4 + 0.1, judge / 4) == pytest.approx(expected)
    assert np.isnan(quadratic_kappa(np.ones(3), np.ones(3)))
