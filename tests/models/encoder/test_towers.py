"""The trained retrieval encoder: it learns, forgets less where it is held, stops at a NaN, and is served as trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.encoder import read_encoder
from contracts.errors import BadInput, NotReady, TrainingFailed
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.workspace import Workspace
from models.config import EncoderTraining
from models.encoder import centre, towers
from models.encoder.contrast import truncate_dim
from models.encoder.export import PooledEncoder, encoder_version, export_encoder
from models.encoder.positives import Positives
from models.encoder.towers import Loss, Step, read_judged, train_encoder
from models.layers.backbone import Backbone
from models.teachers.scores import write_scores
from models.training.rows import read_rows
from retrieval.encoder import TextEncoder
from tests.make import refused

SLANG = {"nurse": "scrubs", "welder": "sparks", "baker": "dough", "pilot": "wings", "lawyer": "briefs", "farmer": "hay"}
"""What people call a trade shares no word with what its jobs are called: only what is learned finds them."""
JOBS = [f"title: {trade} | location: {place}" for trade in SLANG for place in ("Dayton", "Boise", "Tampa", "Erie")]


def slang(places: tuple[str, ...] = ("Dayton", "Boise", "Tampa")) -> Positives:
    pairs = [
        (f"search: {word} near {i}", f"title: {trade} | location: {place}")
        for trade, word in SLANG.items()
        for place in places
        for i in range(4)
    ]
    requests, jobs = zip(*pairs, strict=True)
    return Positives.of(requests, jobs, [1.0] * len(pairs), requests, JOBS)


@pytest.fixture
def knobs(tiny: Path) -> Callable[..., EncoderTraining]:
    def make(**changed) -> EncoderTraining:
        return EncoderTraining.model_validate(
            {"backbone": tiny, "epochs": 4, "batch": 18, "learning_rate": 2e-3, "precision": "float32"} | changed
        )

    return make


def encode(folder: Path, texts: list[str], dim: int = 32) -> Tensor:
    ids, mask = (torch.from_numpy(array) for array in pad(token_ids(open_tokenizer(folder, 64), texts)))
    with torch.no_grad():
        return PooledEncoder(Backbone(folder), dim).eval()(ids, mask)


def recall(folder: Path) -> float:
    """Of unseen requests, the share of their trade's jobs among the first four."""
    scores = encode(folder, [f"search: {word} near me" for word in SLANG.values()]) @ encode(folder, JOBS).T
    return np.mean(
        [
            sum(f"title: {trade} " in JOBS[i] for i in row.topk(4).indices.tolist()) / 4
            for trade, row in zip(SLANG, scores, strict=True)
        ]
    )


# --- what is learned -------------------------------------------------------------------------------------------------


def test_training_raises_recall_on_requests_that_it_has_not_seen(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    trained = train_encoder(tmp_path, slang(), knobs(epochs=12))
    assert recall(trained) > recall(tiny) + 0.3


def test_the_stage_of_hard_negatives_trains_too(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    hard = train_encoder(tmp_path, slang(), knobs(epochs=0, hard_epochs=12, hardest=4, hard_rate=1.0))
    assert recall(hard) > recall(tiny) + 0.3


def test_a_loss_is_that_of_the_vectors_of_its_texts(tiny: Path, knobs: Callable) -> None:
    """Texts of one step read one by one, and the loss of each width by hand."""
    positives, config = slang(), knobs(dims=(8,), scale=5.0)
    step = Step(np.array([0, 5, 40]), np.array([3, 23]), [])
    found = Loss(Backbone(tiny), positives, None, tiny, config)(step)
    columns = {*positives.job[step.positives].tolist(), *step.easy.tolist()}
    wanted = []
    for dim in (8, 32):
        for pair in step.positives:
            text, own = positives.requests[positives.request[pair]], positives.job[pair]
            trade = positives.jobs[own].split(" | ")[0]  # whoever asks took a job of this trade in each of three places
            took = {i for i, job in enumerate(positives.jobs) if job.startswith(trade) and "Erie" not in job}
            jobs = [own, *(columns - took)]
            scores = (
                5.0 * encode(tiny, [text], dim) @ torch.cat([encode(tiny, [positives.jobs[i]], dim) for i in jobs]).T
            )
            wanted.append(torch.nn.functional.cross_entropy(scores, torch.tensor([0])))
    assert any(positives.allowed(step.positives, np.array(sorted(columns))).sum(1) < len(columns) - 1)
    assert float(found.detach()) == pytest.approx(float(torch.stack(wanted).mean()), abs=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_stated_share_of_a_step_is_easy_jobs_of_the_inventory(share: float, knobs: Callable) -> None:
    requests = [f"r{i}" for i in range(30)]
    positives = Positives.of(requests, requests, [1.0] * 30, requests, [f"other {i}" for i in range(200)])
    steps = list(towers._steps(positives, None, knobs(easy_share=share), 0, 0))
    assert sorted(np.concatenate([step.positives for step in steps])) == list(range(30))
    for step in steps:
        assert len(step.easy) / (len(step.easy) + len(step.positives)) == pytest.approx(share, abs=0.03)
        assert len(set(step.easy)) == len(step.easy)
    if share:
        again = next(towers._steps(positives, None, knobs(easy_share=share), 0, 1))
        assert set(again.easy) != set(steps[0].easy)


def test_fixed_layers_stay_as_they_were(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    before = Backbone(tiny).state_dict()
    after = Backbone(train_encoder(tmp_path, slang(), knobs(epochs=1, frozen_layers=2))).state_dict()
    moved = {name.split(".")[1] for name in before if name.startswith("layers") and not before[name].equal(after[name])}
    assert moved == {"2"}
    assert all(before[name].equal(after[name]) for name in before if name.startswith("embeddings"))


def test_an_anchor_holds_the_weights_near_where_they_began(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    begun = Backbone(tiny).state_dict()

    def moved(anchor: float) -> float:
        trained = Backbone(train_encoder(tmp_path, slang(), knobs(anchor=anchor))).state_dict()
        return sum(float(((trained[name] - begun[name]) ** 2).sum()) for name in begun if "position_ids" not in name)

    assert moved(10.0) < moved(0.0) / 4


# --- lists of a pass before ------------------------------------------------------------------------------------------


def with_scores(labelled: Callable[..., Workspace], reverse: bool = False) -> Workspace:
    """Sixty lists whose policy teacher says what the grades say, or the reverse."""
    workspace = labelled(60)
    rows = read_rows(workspace.training)
    logits = 8 * rows.target("relevance")[:, None] - 4
    write_scores(workspace, "policy", "v1", rows, ("relevance",), -logits if reverse else logits)
    (workspace.scores / "policy" / "CURRENT").write_text("v1.parquet\n")
    return workspace


def list_spread(folder: Path, workspace: Workspace) -> float:
    """How much nearer to its request a list's good jobs are than its bad ones, on average."""
    rows = read_rows(workspace.training)
    requests, jobs = encode(folder, rows.requests), encode(folder, rows.jobs)
    scores = (requests[rows.request] * jobs[rows.job]).sum(-1).numpy()
    good = rows.target("relevance") > 0.5
    return float(scores[good].mean() - scores[~good].mean())


def test_judged_lists_move_good_jobs_above_bad_ones(tmp_path: Path, labelled: Callable, knobs: Callable) -> None:
    lists = labelled(60)
    alone = train_encoder(tmp_path, slang(), knobs())
    judged = train_encoder(tmp_path, slang(), knobs(lists=lists.root, margin_weight=5.0, margin=0.5))
    assert list_spread(judged, lists) > list_spread(alone, lists) + 0.05


def test_the_order_of_a_teacher_is_taken_over_even_a_wrong_one(
    tmp_path: Path, labelled: Callable, knobs: Callable
) -> None:
    lists = with_scores(labelled, reverse=True)
    alone = train_encoder(tmp_path, slang(), knobs())
    taught = train_encoder(tmp_path, slang(), knobs(lists=lists.root, distil_weight=5.0))
    assert list_spread(taught, lists) < list_spread(alone, lists) - 0.05


def test_lists_of_valid_and_test_are_not_read(labelled: Callable, knobs: Callable) -> None:
    lists = labelled(20)
    rows = read_rows(lists.training)
    judged = read_judged(lists, knobs(lists=lists.root, margin_weight=1.0))
    assert set(judged.rows.list_ids) == set(rows.list_ids[rows.splits == "train"])


def test_distillation_without_scores_says_what_to_run(tmp_path: Path, labelled: Callable, knobs: Callable) -> None:
    with refused(NotReady, "rolecall train policy"):
        train_encoder(tmp_path, slang(), knobs(lists=labelled(20).root, distil_weight=1.0))
    with pytest.raises(NotReady):
        train_encoder(tmp_path, slang(), knobs(lists=tmp_path / "absent", margin_weight=1.0))


def test_a_list_that_lies_apart_is_another_version(
    labelled: Callable, knobs: Callable, table: Callable, tiny: Path
) -> None:
    one = labelled(20, name="one")
    two = labelled(table=table(20, seed=1), name="two")
    config = knobs(lists=one.root, margin_weight=1.0)
    versions = {towers._version(slang(), read_judged(lists, config), config, tiny) for lists in (one, two, one)}
    assert len(versions) == 2


# --- versions, stops and bad input -----------------------------------------------------------------------------------


def test_the_same_inputs_are_trained_once_and_give_the_same_weights(tmp_path: Path, knobs: Callable) -> None:
    one = train_encoder(tmp_path / "a", slang(), knobs(epochs=1))
    stamp = (one / "model.safetensors").stat().st_mtime_ns
    assert train_encoder(tmp_path / "a", slang(), knobs(epochs=1)) == one
    assert (one / "model.safetensors").stat().st_mtime_ns == stamp
    other = train_encoder(tmp_path / "b", slang(), knobs(epochs=1))
    assert other.name == one.name
    assert encoder_version(one, "float32", None) == encoder_version(other, "float32", None)


def test_another_knob_or_another_positive_is_another_version(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    versions = {
        towers._version(positives, None, config, tiny)
        for positives in (slang(), slang(("Dayton", "Boise")))
        for config in (knobs(), knobs(hardest=7), knobs(seed=1))
    }
    assert len(versions) == 6


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(
    tmp_path: Path, tiny: Path, knobs: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = towers.contrastive, []

    def poisoned(*arguments, **named) -> Tensor:
        calls.append(1)
        return real(*arguments, **named) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(towers, "contrastive", poisoned)
    with refused(TrainingFailed, "loss nan", "step 3 of 16", where="encoder"):
        train_encoder(tmp_path, slang(), knobs())
    (stopped,) = tmp_path.iterdir()
    assert stopped.name.endswith(".stopped")
    assert json.loads((stopped / "stopped.json").read_text())["epoch"] == 1
    weights = Backbone(stopped).state_dict().values()
    assert all(torch.isfinite(weight).all() for weight in weights if weight.is_floating_point())


def test_a_tower_that_says_the_same_of_all_texts_is_refused(
    tmp_path: Path, tiny: Path, knobs: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(towers, "contrastive", lambda scores, *rest: (1 - scores).mean())
    with refused(TrainingFailed, where="encoder"):
        train_encoder(tmp_path, slang(), knobs(epochs=60, learning_rate=1e-2))


def test_widths_and_layers_that_the_backbone_has_not_are_refused(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    with refused(BadInput, 64, 32, where="dims"):
        train_encoder(tmp_path, slang(), knobs(dims=(64,)))
    with refused(BadInput, "3 of 3"):
        train_encoder(tmp_path, slang(), knobs(frozen_layers=3))
    for dim in (0, 33):
        with refused(BadInput, dim):
            export_encoder(tmp_path / "encoder", tiny, dim=dim)
    assert not list(tmp_path.iterdir())


# --- what is served --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [None, 8])
def test_the_exported_graph_gives_the_vectors_that_were_trained(
    tmp_path: Path, knobs: Callable, dim: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(centre, "NARROW", 1.1)  # a tiny encoder makes a narrow cone, which would be opened
    trained = train_encoder(tmp_path, slang(), knobs(epochs=1, dims=(8,)))
    version = export_encoder(tmp_path / "encoder", trained, "float32", dim)
    served = TextEncoder(tmp_path / "encoder").encode(JOBS, "job")
    assert np.allclose(served, encode(trained, JOBS, dim or 32).numpy(), atol=1e-4)
    assert np.allclose(np.linalg.norm(served, axis=1), 1, atol=1e-5)
    about = read_encoder(tmp_path / "encoder")
    assert (
        (about.dim, about.version)
        == (dim or 32, version)
        == (served.shape[1], encoder_version(trained, "float32", dim))
    )


def test_widths_and_weights_have_versions_of_their_own(tmp_path: Path, tiny: Path, knobs: Callable) -> None:
    trained = train_encoder(tmp_path, slang(), knobs(epochs=1))
    assert len({encoder_version(folder, "int8", dim) for folder in (tiny, trained) for dim in (None, 8, 16)}) == 6


def test_a_cut_vector_is_the_beginning_of_the_whole_one(tiny: Path) -> None:
    assert torch.allclose(encode(tiny, JOBS, 8), truncate_dim(encode(tiny, JOBS), 8), atol=1e-6)
