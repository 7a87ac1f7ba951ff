"""The last phase of training: what only the match tells is learned by the match table, and other tasks stay."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import NotReady, UnreadableFile
from contracts.examples import PAIR_FEATURES, TRAINING
from contracts.match import MATCH_TYPE, SIZES
from contracts.tables import write_part
from contracts.text.work import Vocabulary
from contracts.workspace import Workspace
from models.config import StudentConfig, TeacherConfig
from models.student.distil import float_logits, load_student, train_student
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.lists import held_served, served_lists
from models.training.metrics import mean_spearman
from models.training.rows import read_rows
from tests.make import refused

TABLE = Vocabulary(work={"care": {"nurse": ("nurse",)}}, levels={"senior": ("senior",)})


def served_table(lists: int, per_list: int = 12) -> pa.Table:
    """Lists whose grades follow from two comparisons, and whose views follow from the text, which tells no grade."""
    rng = np.random.default_rng(0)
    rows, bins = [], []
    for number in range(lists):
        for job in range(per_list):
            match = [int(rng.integers(size)) for size in SIZES]
            trade = rng.choice(["nurse", "welder", "baker", "pilot"])
            share = (match[0] / (SIZES[0] - 1) + match[3] / (SIZES[3] - 1)) / 2
            rows.append(
                {
                    "list_id": f"r{number:04d}",
                    "member_id": "m",
                    "query": "",
                    "job_id": f"j{number}-{job}",
                    "event_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                    "split": ("train", "train", "train", "valid", "test")[number % 5],
                    "stratum": "served" if job % 3 and number % 5 != 4 else "logged",
                    "view": float(trade in ("nurse", "welder")),
                    "grade": round(4 * share),
                    "request_text": "headline: nurse",
                    "job_text": f"title: {trade}",
                    "text_version": "1-test",
                    **dict.fromkeys(PAIR_FEATURES, 0.0),
                }
            )
            bins.append(match)
    plain = pa.Table.from_pylist(rows, schema=pa.schema([field for field in TRAINING if field.name != "match"]))
    return plain.append_column("match", pa.array(bins, MATCH_TYPE))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("served"))
    write_part(workspace.training, served_table(30))
    (workspace.training / "vocabulary.json").write_text(TABLE.model_dump_json(), "utf-8")
    return workspace


def config(tiny: Path, **knobs) -> StudentConfig:
    plain = {"backbone": tiny, "distil": (), "epochs": 0, "item_tokens": 2, "served_epochs": 12, "served_rate": 6e-3}
    return StudentConfig.model_validate(plain | knobs)


def metrics(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.json").read_text())


def test_a_rule_that_bins_alone_tell_is_learned_with_the_match_alone(served: Workspace, tiny: Path) -> None:
    with_match, without = (metrics(train_student(served, config(tiny, match=match))) for match in (True, False))
    assert with_match["served_spearman_valid_before"] < 0.3 and with_match["served_spearman_valid"] > 0.8
    assert without["served_spearman_valid"] < 0.3


def test_other_tasks_stay_as_they_were(served: Workspace, tiny: Path) -> None:
    rows = read_rows(served.training)
    test = np.flatnonzero(rows.splits == "test")
    knobs = {"epochs": 4, "learning_rate": 1e-3}
    before, after = (train_student(served, config(tiny, served_epochs=epochs, **knobs)) for epochs in (0, 12))
    views, moved = ([float_logits(folder, rows, test)[:, column] for folder in (before, after)] for column in (1, 0))
    assert np.corrcoef(*views)[0, 1] > 0.95 and np.corrcoef(*moved)[0, 1] < 0.9
    assert metrics(after)["view_auc"] > 0.95 * metrics(before)["view_auc"]


def test_the_encoders_stay_as_they_were_and_a_seed_says_all(served: Workspace, tiny: Path) -> None:
    rows = read_rows(served.training)
    chosen = np.flatnonzero(rows.splits == "test")
    first = train_student(served, config(tiny, served_epochs=1))
    scores = float_logits(first, rows, chosen)
    start, learned = (load_student(f)[0] for f in (train_student(served, config(tiny, served_epochs=0)), first))
    same = {name for name, value in start.state_dict().items() if value.equal(learned.state_dict()[name])}
    assert {name for name in same if name.startswith(("prefix.", "item.", "queries", "focus"))} == {
        name for name in start.state_dict() if name.startswith(("prefix.", "item.", "queries", "focus"))
    }
    assert not any(name.startswith("score_layers") for name in same - {"score_layers"} if "key.bias" not in name)
    (first / "metrics.json").unlink()
    assert np.array_equal(float_logits(train_student(served, config(tiny, served_epochs=1)), rows, chosen), scores)


def test_the_student_keeps_the_table_that_its_match_was_read_by(served: Workspace, tiny: Path) -> None:
    kept = train_student(served, config(tiny, served_epochs=0))
    assert json.loads((kept / "student.json").read_text())["vocabulary"] == TABLE.model_dump(mode="json")
    path = served.training / "vocabulary.json"
    text = path.read_text()
    try:
        path.write_text("{")
        with refused(UnreadableFile, "rolecall label", where=path):
            train_student(served, config(tiny, served_epochs=0))
        path.unlink()
        with refused(NotReady, "vocabulary.json", "rolecall label"):
            train_student(served, config(tiny, served_epochs=0))
    finally:
        path.write_text(text)


def test_the_student_is_set_beside_its_teacher_on_served_pairs_that_nobody_learned_from(
    tmp_path: Path, tiny: Path
) -> None:
    workspace = Workspace(tmp_path)
    write_part(workspace.training, served_table(20))
    (workspace.training / "vocabulary.json").write_text(TABLE.model_dump_json(), "utf-8")
    train_teacher(workspace, "policy", TeacherConfig(backbone=tiny, epochs=1, frozen_layers=1, least_kappa=0))
    folder = train_student(workspace, config(tiny, distil=("policy",), served_epochs=2, warm_start=False))
    rows = read_rows(workspace.training)
    lists = held_served(rows)
    _, scores = read_scores(current_scores(workspace, "policy"), rows, np.concatenate(lists))
    relevance = np.full(len(rows), np.nan)
    for of_list in lists:
        relevance[of_list] = float_logits(folder, rows, of_list)[:, 0]
    expected = mean_spearman(relevance, scores[:, 0], lists)
    assert metrics(folder)["served_teacher_spearman_valid"] == pytest.approx(expected, abs=0.1)  # bfloat16


def test_a_list_without_a_graded_served_pair_is_no_served_list(served: Workspace) -> None:
    rows = read_rows(served.training)
    lists = served_lists(rows, "train")
    rows.strata[lists[0]] = "logged"
    rows.targets[lists[1], 0] = np.nan
    assert [of_list.tolist() for of_list in served_lists(rows, "train")] == [of_list.tolist() for of_list in lists[2:]]


def test_the_match_of_a_row_is_part_of_what_is_learned(served: Workspace, tmp_path: Path) -> None:
    table = served_table(5)
    assert read_rows(served.training).match.shape == (360, len(SIZES))
    versions = []
    unknown = pa.array([[0] * len(SIZES)] * table.num_rows, MATCH_TYPE)
    for name, of_table in (("a", table), ("b", table.set_column(table.num_columns - 1, "match", unknown))):
        write_part(tmp_path / name, of_table)
        versions.append(read_rows(tmp_path / name).version)
    assert versions[0] != versions[1] and not read_rows(tmp_path / "b").match.any()
