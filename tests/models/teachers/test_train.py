"""Teachers: what they learn from, what is masked, what makes a new version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.teachers import teacher_logits
from contracts.errors import BadInput, NotReady, TooFewGrades, TrainingFailed
from contracts.examples import TRAINING
from contracts.tables import read_table
from contracts.versions import current
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.fit_text import open_teacher
from models.teachers.pairs import JointPairs
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import member_folders, train_teacher
from models.training.lists import masked_targets, scored_rows, training_lists
from models.training.rows import read_rows
from tests.make import refused

Make = Callable[..., Workspace]
Table = Callable[..., pa.Table]


@pytest.fixture
def knobs(tiny: Path) -> TeacherConfig:
    return TeacherConfig(backbone=tiny, joint_layers=2, frozen_layers=1, epochs=1)


def test_policy_teacher_ranks_held_out_jobs_by_what_it_learned(distilled: Workspace) -> None:
    """Random scores have NDCG 0.62 on these lists."""
    assert metrics(distilled, "policy")["ndcg@10"] > 0.9


def test_click_teacher_tells_held_out_views_apart(distilled: Workspace) -> None:
    assert metrics(distilled, "click")["view_auc"] > 0.85


def test_a_task_without_labels_is_not_answered(distilled: Workspace) -> None:
    rows = read_rows(distilled.training)
    tasks, _ = read_scores(current_scores(distilled, "click"), rows, np.array([0]))
    assert tasks == ("view", "apply", "dismiss")


def test_train_and_test_pairs_are_scored(distilled: Workspace) -> None:
    rows = read_rows(distilled.training)
    _, logits = read_scores(current_scores(distilled, "policy"), rows, np.array([0]))
    assert set(rows.splits[np.isfinite(logits[:, 0])]) == {"train", "test"}


def test_a_rare_action_is_a_negative_only_beside_a_positive(labelled: Make) -> None:
    rows = read_rows(labelled(20).training)
    view, apply = masked_targets(rows, ("view", "apply")).T
    applied = np.isin(rows.list_ids, rows.list_ids[rows.target("apply") > 0])
    assert np.array_equal(np.isfinite(apply), applied)
    assert np.isfinite(view).all()


def test_lists_stay_whole_and_within_max_pairs(labelled: Make) -> None:
    rows = read_rows(labelled(20).training)
    lists = training_lists(rows, np.ones(len(rows), bool), max_pairs=20, seed=0)
    assert [len(of_list) for of_list in lists] == [6, 6, 6]
    assert set(rows.splits[np.concatenate(lists)]) == {"train"}


def test_the_click_teacher_waits_for_the_policy_teacher(labelled: Make, knobs: TeacherConfig) -> None:
    with refused(NotReady, "rolecall train policy"):
        train_teacher(labelled(10), "click", knobs)


def test_ungraded_pairs_train_no_policy_teacher(labelled: Make, knobs: TeacherConfig, table: Table) -> None:
    made = table(10)
    blank = made.set_column(made.schema.get_field_index("grade"), "grade", pa.nulls(len(made), pa.int8()))
    with refused(TooFewGrades, "relevance", "0 graded pairs", "least_graded"):
        train_teacher(labelled(table=blank), "policy", knobs)


def test_the_same_inputs_train_nothing_again(labelled: Make, knobs: TeacherConfig) -> None:
    workspace = labelled(10)
    first = train_teacher(workspace, "policy", knobs)
    changed = (first / "model.safetensors").stat().st_mtime_ns
    assert train_teacher(workspace, "policy", knobs) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == changed


def test_a_changed_knob_is_a_new_version_and_the_old_one_stays(labelled: Make, knobs: TeacherConfig) -> None:
    workspace = labelled(10)
    first = train_teacher(workspace, "policy", knobs)
    second = train_teacher(workspace, "policy", knobs.model_copy(update={"ranking_weight": 0.0}))
    assert first != second and first.is_dir()
    assert current_scores(workspace, "policy").stem == second.name
    train_teacher(workspace, "policy", knobs)
    assert current_scores(workspace, "policy").stem == first.name


def test_a_stored_teacher_scores_as_it_did_after_training(distilled: Workspace) -> None:
    rows = read_rows(distilled.training)
    test = np.flatnonzero(rows.splits == "test")
    _, before = read_scores(current_scores(distilled, "policy"), rows, test)
    stored = distilled.teachers / "policy" / current_scores(distilled, "policy").stem
    assert np.allclose(before[test], teacher_logits(stored, rows, test), atol=0.02)  # bfloat16


@pytest.mark.parametrize("frozen", [0, 1])
def test_scores_equal_those_of_the_plain_forward_pass(distilled: Workspace, tiny: Path, frozen: int) -> None:
    """A job's own reading and a request's are shared between pairs: the fast path."""
    rows = read_rows(distilled.training)
    torch.manual_seed(1)
    model = CrossEncoder(tiny, ("view", "apply"), joint_layers=1).eval()
    torch.nn.init.normal_(model.segment)
    pairs = JointPairs(rows, model, tiny, TeacherConfig(), frozen)
    chosen = np.random.default_rng(0).permutation(len(rows))[:150]
    found = np.full((len(rows), 2), np.nan, np.float32)
    with torch.inference_mode():
        for batch, logits in pairs.scores(chosen):
            found[batch] = logits.numpy()
        expected = pairs.logits(chosen).numpy()
    assert np.abs(found[chosen] - expected).max() < 1e-5


def test_place_in_the_list_is_not_scored(labelled: Make, table: Table, distilled: Workspace) -> None:
    """The same pairs shown at other positions get the same scores from the same teacher."""
    rows = read_rows(distilled.training)
    _, expected = read_scores(current_scores(distilled, "click"), rows, np.array([0]))
    moved = table(60)
    positions = pa.array([7 - p for p in moved["position"].to_pylist()], pa.int32())
    workspace = labelled(table=moved.set_column(moved.schema.get_field_index("position"), "position", positions))
    scored = np.isfinite(expected).all(1)
    stored = distilled.teachers / "click" / current_scores(distilled, "click").stem
    again = read_rows(workspace.training)
    found = teacher_logits(stored, again, np.arange(len(again)))
    assert np.allclose(found[scored], expected[scored], atol=0.02)


def test_a_policy_teacher_of_another_backbone_is_refused(labelled: Make, knobs: TeacherConfig, tmp_path: Path) -> None:
    import shutil

    from transformers import BertConfig, BertModel

    workspace = labelled(10)
    train_teacher(workspace, "policy", knobs)
    other = tmp_path / "other"
    config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    BertModel(config, add_pooling_layer=False).save_pretrained(other)
    shutil.copy(knobs.backbone / "tokenizer.json", other)  # type: ignore[operator]
    with refused(BadInput, "3 layers of 32", "2 of 16"):
        train_teacher(workspace, "click", knobs.model_copy(update={"backbone": other}))


def test_a_stopped_teacher_leaves_its_last_good_state_to_start_from(labelled: Make, knobs: TeacherConfig) -> None:
    workspace = labelled(20)
    broken = knobs.model_copy(update={"head_rate": 1e30, "precision": "float32"})
    with refused(TrainingFailed, "policy teacher", "of 3", "epoch 1", "lists r0"):
        train_teacher(workspace, "policy", broken)
    (stopped,) = (workspace.teachers / "policy").glob("*.stopped")
    assert not (workspace.teachers / "policy" / "CURRENT").exists()
    about = json.loads((stopped / "stopped.json").read_text())
    assert about["epoch"] == 1 and set(about["batch"].removeprefix("lists ").split(", ")) <= set(rows_of(workspace))
    model, _ = open_teacher(stopped)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    version = train_teacher(workspace, "policy", knobs)
    again = knobs.model_copy(update={"base": version, "learning_rate": 1e-9, "head_rate": 1e-9})
    continued = load_file(str(train_teacher(workspace, "policy", again) / "model.safetensors"))
    for name, value in load_file(str(version / "model.safetensors")).items():
        assert torch.allclose(continued[name], value, atol=0.1 if name == "reading.mix" else 1e-6), name


def test_ordinal_grades_give_probabilities(labelled: Make, knobs: TeacherConfig) -> None:
    workspace = labelled(40)
    steps = {"targets": "ordinal", "ranking": "pairwise", "epochs": 3, "learning_rate": 1e-3, "frozen_layers": 0}
    folder = train_teacher(workspace, "policy", knobs.model_copy(update=steps))
    assert metrics(workspace, "policy")["ndcg@10"] > 0.8
    model, config = open_teacher(folder)
    assert config.targets == "ordinal" and model.thresholds is not None
    rows = read_rows(workspace.training)
    train = np.flatnonzero(rows.splits == "train")
    _, logits = read_scores(current_scores(workspace, "policy"), rows, train)
    learned = 1 / (1 + np.exp(-logits[train, 0]))
    assert learned.mean() == pytest.approx(rows.target("relevance")[train].mean(), abs=0.15)


def test_a_base_that_is_none_is_refused(labelled: Make, knobs: TeacherConfig, tmp_path: Path) -> None:
    with refused(BadInput, "teacher.json"):
        train_teacher(labelled(10), "policy", knobs.model_copy(update={"base": tmp_path}))


def rows_of(workspace: Workspace) -> list[str]:
    return read_rows(workspace.training).list_ids.tolist()


def metrics(workspace: Workspace, kind: str) -> dict[str, float]:
    folder = workspace.teachers / kind
    return json.loads((folder / (folder / "CURRENT").read_text().strip() / "metrics.json").read_text())


def test_a_task_without_an_example_among_the_drawn_lists_is_not_learned(labelled: Make, tiny: Path) -> None:
    """Its rate would not be a number, nor would any loss after it."""
    workspace = labelled(20)
    rows = read_rows(workspace.training)
    drawn = training_lists(rows, np.isfinite(rows.targets).any(1), 1, seed=0)[0]
    table = read_table(workspace.training).to_pandas()
    chosen = set(rows.list_ids[drawn])
    table.loc[table["list_id"].isin(chosen), "apply"] = 0.0
    workspace = labelled(table=pa.Table.from_pandas(table, schema=TRAINING, preserve_index=False), name="rare")
    config = TeacherConfig(backbone=tiny, max_pairs=1, epochs=1, warm_start=False, frozen_layers=0)
    model, _ = load_teacher(train_teacher(workspace, "click", config))
    assert "apply" not in model.tasks and torch.isfinite(model.head.bias).all()


def test_an_ensemble_says_the_mean_of_its_members(labelled: Make, knobs: TeacherConfig) -> None:
    workspace = labelled(10)
    rows = read_rows(workspace.training)
    needed = scored_rows(rows)

    def said(changes: dict[str, int]) -> np.ndarray:
        train_teacher(workspace, "policy", knobs.model_copy(update=changes))
        return read_scores(current_scores(workspace, "policy"), rows, needed)[1][needed]

    alone = [said({"seed": seed}) for seed in (3, 4)]
    assert not np.allclose(*alone, atol=1e-4), "another seed is another teacher"
    assert np.allclose(said({"seed": 3, "seeds": 2}), np.mean(alone, axis=0), atol=1e-5)
    folder = current(workspace.teachers / "policy")
    assert folder is not None and len(member_folders(folder)) == 2
