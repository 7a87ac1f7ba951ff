"""What a teacher reads of a pair beside both texts: the match, by a second reading or as words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.examples import SERVED
from contracts.match import COMPARISONS, SIZES, match_text
from contracts.tables import write_part
from contracts.text.token_ids import open_tokenizer
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.pairs import JointPairs
from models.teachers.prompts import PromptTexts, decoder_frame
from models.teachers.reading import _kept_back, _mixture
from models.teachers.train import train_teacher
from models.training.lists import held_served, served_training_lists
from models.training.rows import Rows, read_rows
from tests.models.student.test_served import metrics, served_table


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Grades follow from two comparisons alone; two thirds of the pairs lie beside the lists."""
    workspace = Workspace(tmp_path_factory.mktemp("match"))
    write_part(workspace.training, served_table(60))
    return workspace


@pytest.fixture(scope="module")
def rows(served: Workspace) -> Rows:
    return read_rows(served.training)


def knobs(tiny: Path, **more: object) -> TeacherConfig:
    plain = {"backbone": tiny, "frozen_layers": 1, "epochs": 1, "head_rate": 1e-2, "reading_epochs": 60}
    return TeacherConfig.model_validate({**plain, "least_kappa": 0, **more})


def test_a_rule_that_bins_alone_tell_is_learned_with_the_match(served: Workspace, tiny: Path) -> None:
    with_match, without = (metrics(train_teacher(served, "policy", knobs(tiny, match=m))) for m in (True, False))
    assert with_match["served_kappa_valid"] > 0.5 > 0.3 > without["served_kappa_valid"]
    assert with_match["served_spearman_valid"] > 0.6


def test_candidates_as_served_are_learned_from_beside_the_lists(served: Workspace, rows: Rows, tiny: Path) -> None:
    drawn = served_training_lists(rows, 40, 5, seed=0)
    assert [len(of_list) for of_list in drawn] == [5] * 8
    assert set(rows.splits[np.concatenate(drawn)]) == {"train"} and SERVED in rows.strata[np.concatenate(drawn)]
    few = knobs(tiny, epochs=1, max_pairs=8, served_pairs=40, served_list_size=5)
    alone = few.model_copy(update={"served_pairs": 0})
    pairs = [metrics(train_teacher(served, "policy", one))["training_pairs"] for one in (few, alone)]
    assert pairs[0] == pairs[1] + 40


def test_what_is_measured_on_is_of_validation_requests_whatever_else_there_is(rows: Rows) -> None:
    held = held_served(rows, most=4)
    assert {len(of_list) for of_list in held} == {4} and set(rows.splits[np.concatenate(held)]) == {"valid"}
    fewer = rows.only(np.flatnonzero(np.isin(rows.list_ids, rows.list_ids[held[1]])))
    assert fewer.job_ids[held_served(fewer, most=4)[0]].tolist() == rows.job_ids[held[1]].tolist()


def test_the_mixture_is_learned_on_lists_that_neither_reading_has_read(rows: Rows) -> None:
    grades = rows.target("relevance")
    graded = np.flatnonzero((rows.splits == "train") & np.isfinite(grades))
    lists = rows.lists(graded)
    kept = _kept_back(rows, graded, np.concatenate(lists[:30]), seed=0)
    names = {rows.list_ids[of_list[0]] for of_list in kept}
    assert len(kept) == 4 and names <= {rows.list_ids[of_list[0]] for of_list in lists[30:]}
    assert _kept_back(rows, lists[0], lists[0], seed=0) == []


def test_the_mixture_weighs_what_tells_the_grade() -> None:
    rng = np.random.default_rng(0)
    told, noise = rng.normal(size=(2, 2_000))
    grades = 1 / (1 + np.exp(-(1.5 * told - 0.5)))
    assert _mixture(noise, told, grades) == pytest.approx([0, 1.5, -0.5], abs=0.02)
    assert _mixture(-told, told, grades)[0] == 0
    sure = _mixture(told, told, (told > 0).astype(np.float64))
    assert max(sure) < 20  # it would else grow without end


def test_unknown_bins_are_no_match_at_all(rows: Rows, tiny: Path) -> None:
    torch.manual_seed(0)
    model = CrossEncoder(tiny, ("relevance",), joint_layers=1, match=True).eval()
    pairs = JointPairs(rows, model, tiny, TeacherConfig(), 0)
    assert model.reading is not None
    model.reading.mix.data = torch.tensor([0.5, 0.5, 0.1])
    rows.match[:3] = 0
    with torch.inference_mode():
        told = pairs.logits(np.arange(6))
        requests, jobs = pairs._requests.batch(rows.request[:6]), pairs._jobs.batch(rows.job[:6])
        plain = model(requests, jobs, torch.arange(6), torch.arange(6))
    assert torch.allclose(told[:3], plain[:3], atol=1e-5) and not torch.allclose(told[3:], plain[3:], atol=1e-5)


def test_a_teacher_that_was_stored_without_a_match_is_opened_without_one(served: Workspace, tiny: Path) -> None:
    import json

    folder = train_teacher(served, "policy", knobs(tiny, epochs=1, max_pairs=12, served_pairs=0, match=False))
    about = json.loads((folder / "teacher.json").read_text())
    del about["config"]["match"]
    (folder / "teacher.json").write_text(json.dumps(about))
    assert load_teacher(folder)[0].reading is None


def test_a_full_text_teacher_reads_the_words_of_the_bins_after_the_job(tiny: Path) -> None:
    frame = decoder_frame(tiny, ("view",))
    texts = PromptTexts(tiny, ["nurse"], ["title: nurse"], (20, 20), frame, None, with_match=True)
    bins = np.zeros((2, len(COMPARISONS)), np.uint8)
    bins[1, [0, 3]] = 6, 4
    ids, _, segments = texts.batch(np.array([0, 0]), np.array([0, 0]), bins)
    jobs = [open_tokenizer(tiny, 99).decode(of[side == 2].tolist()) for of, side in zip(ids, segments, strict=True)]
    assert jobs[0] == "title : nurse"
    assert jobs[1] == f"title : nurse | in common : {match_text(bins[1])}".replace(": ", " : ").replace("  ", " ")


def test_the_words_of_the_longest_match_count_to_what_a_backbone_reads(tiny: Path) -> None:
    most = 0
    for comparison, size in zip(COMPARISONS, SIZES, strict=True):
        most += max(len(open_tokenizer(tiny, 99).encode(one).ids) for one in comparison.bins[: size - 1])
    texts = PromptTexts(tiny, ["nurse"], ["nurse"], (9, 9), decoder_frame(tiny, ("view",)), None, with_match=True)
    longest = np.array([1 + max(range(len(c.bins)), key=lambda i: len(c.bins[i])) for c in COMPARISONS], np.uint8)
    assert len(texts._match_ids(longest)) > most / 2
