"""Pruning: the closed form is least squares, the search beats magnitude, and a pruned student is a student still."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from contracts.tasks import TASKS
from contracts.workspace import Workspace
from models.config import PruneConfig, StudentConfig
from models.layers.onnx import export_graph
from models.student.distil import float_logits, load_student, save_student, train_student
from models.student.prune import Moments, _fit_kept, choose, prune, prune_in_steps, reconstruct, recorded
from models.student.student import Student
from models.teachers.scores import current_scores, read_scores
from models.training.rows import read_rows
from release.export import PrefixGraph, ScoreGraph

TOKENS = 2


def problem(seed: int, inputs: int, outputs: int, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Correlated inputs (400, p), their covariance with the ridge, and a map (d, p)."""
    draws = torch.Generator().manual_seed(seed)
    mixed = torch.randn(400, rank, generator=draws) @ torch.randn(rank, inputs, generator=draws)
    rows = (mixed + 0.3 * torch.randn(400, inputs, generator=draws) + 1.0).double()
    moments = Moments(inputs)
    moments.add(rows[:150])
    moments.add(rows[150:])
    return rows, moments.covariance, torch.randn(outputs, inputs, generator=draws).double()


def lost(covariance: Tensor, weight: Tensor, kept: Tensor, refit: bool = True) -> float:
    """What a kept set loses of the output's variance, at its best weights or at those it had."""
    change = weight.clone()
    change[:, kept] -= reconstruct(covariance, weight, kept) if refit else weight[:, kept]
    return float(((change @ covariance) * change).sum())


@given(seed=st.integers(0, 10_000), keep=st.integers(1, 11))
def test_the_closed_form_is_least_squares(seed: int, keep: int) -> None:
    rows, covariance, weight = problem(seed, 12, 5, 4)
    kept = torch.randperm(12, generator=torch.Generator().manual_seed(seed))[:keep].sort().values
    centred = rows - rows.mean(0)
    ridge = (covariance - centred.T @ centred / len(rows)).diagonal().mean().sqrt() * len(rows) ** 0.5
    stacked = torch.cat((centred, ridge * torch.eye(12, dtype=torch.float64)))  # the ridge as rows of its own
    solved = torch.linalg.lstsq(stacked[:, kept], stacked @ weight.T).solution.T
    assert torch.allclose(reconstruct(covariance, weight, kept), solved, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), keep=st.integers(1, 15), rank=st.integers(1, 12), group=st.sampled_from((1, 2)))
def test_the_search_loses_no_more_than_magnitude_does(seed: int, keep: int, rank: int, group: int) -> None:
    _, covariance, weight = problem(seed, 16, 6, rank)
    keep = -(-keep // group)
    size = (weight.square().sum(0) * covariance.diagonal()).unflatten(0, (-1, group)).sum(1)
    largest = size.topk(keep).indices.sort().values
    by_size = (largest[:, None] * group + torch.arange(group)).flatten()
    greedy = (choose(covariance, weight, group, keep)[:, None] * group + torch.arange(group)).flatten()
    assert len(greedy) == keep * group
    assert lost(covariance, weight, greedy) <= lost(covariance, weight, by_size, refit=False) + 1e-9


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), keep=st.integers(1, 9))
def test_swaps_never_lose_more_than_none(seed: int, keep: int) -> None:
    _, covariance, weight = problem(seed, 10, 3, 3)
    straight, swapped = (choose(covariance, weight, 1, keep, swaps) for swaps in (0, 8))
    assert lost(covariance, weight, swapped) <= lost(covariance, weight, straight) + 1e-9


def test_the_search_finds_what_trying_every_set_finds() -> None:
    hits = 0
    for seed in range(20):
        _, covariance, weight = problem(seed, 8, 3, 3)
        best = min(lost(covariance, weight, torch.tensor(kept)) for kept in combinations(range(8), 4))
        hits += lost(covariance, weight, choose(covariance, weight, 1, 4)) < best * 1.02 + 1e-9
    assert hits >= 15


@given(seed=st.integers(0, 10_000), copied=st.integers(0, 9))
def test_a_copy_goes_at_no_loss(seed: int, copied: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    rows = torch.randn(400, 10, generator=draws, dtype=torch.float64)
    rows = torch.cat((rows, rows[:, copied : copied + 1]), 1)
    weight = torch.randn(4, 11, generator=draws, dtype=torch.float64)
    moments = Moments(11)
    moments.add(rows)
    kept = choose(moments.covariance, weight, 1, 10)
    solved = reconstruct(moments.covariance, weight, kept)
    whole = (rows - rows.mean(0)) @ weight.T
    assert torch.allclose((rows - rows.mean(0))[:, kept] @ solved.T, whole, atol=0.02 * float(whole.std()))


def test_all_kept_is_the_map_as_it_was() -> None:
    _, covariance, weight = problem(3, 9, 4, 2)
    assert choose(covariance, weight, 3, 3).tolist() == [0, 1, 2]
    assert torch.allclose(reconstruct(covariance, weight, torch.arange(9)), weight, atol=1e-9)


@pytest.fixture(scope="module")
def student(tiny: Path) -> Student:
    torch.manual_seed(0)
    return Student(tiny, tuple(TASKS), TOKENS, 2).eval()


def logits(student: Student) -> Tensor:
    """Of 30 requests with 4 jobs each."""
    draws = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 1_000, (30, 12), generator=draws)
    jobs = torch.randint(5, 1_000, (120, 9), generator=draws)
    prefix = student.encode_prefix(student.prefix.embed(ids), torch.ones_like(ids))
    items = student.encode_items(student.item.embed(jobs), torch.ones_like(jobs))
    return student.score(prefix, None, items.unflatten(0, (30, 4)))


def pruned(student: Student, **knobs: float) -> tuple[Student, Tensor]:
    """A pruned copy and the logits of the whole."""
    smaller = copy.deepcopy(student)
    with torch.no_grad():
        whole = logits(student)
        prune(smaller, lambda: logits(smaller), **knobs)  # type: ignore[arg-type]
    return smaller, whole


def relative(found: Tensor, whole: Tensor) -> float:
    """Change of logits as a share of their variance over pairs."""
    return float((found - whole).square().mean() / whole.var(0).mean())


def test_pruning_nothing_changes_nothing(student: Student) -> None:
    smaller, whole = pruned(student)
    with torch.no_grad():
        assert torch.equal(logits(smaller), whole) and smaller.sizes() == student.sizes()


def test_shares_go_and_the_logits_stay_near(student: Student) -> None:
    smaller, whole = pruned(student, neurons=0.25)
    assert smaller.sizes() == {"prefix": [[2, 48]] * 3, "item": [[2, 48]] * 3, "score": [[2, 48]] * 2}
    plain = copy.deepcopy(student)
    for layer in (*plain.prefix.layers, *plain.item.layers, *plain.score_layers):
        nn.init.zeros_(layer.output.dense.weight[:, :16])
    with torch.no_grad():
        assert relative(logits(smaller), whole) < 0.5 * relative(logits(plain), whole)


def test_what_constant_inputs_gave_goes_to_the_bias() -> None:
    """A neuron that is always on is removed at no loss."""
    torch.manual_seed(0)
    layer = nn.Linear(6, 3)
    rows = torch.randn(300, 6)
    rows[:, 2] = 5.0
    with recorded([layer]) as moments, torch.no_grad():
        whole = layer(rows)
    with torch.no_grad():
        kept = _fit_kept(layer, moments[layer], 1, 1 / 6)
        assert kept.tolist() == [0, 1, 3, 4, 5]
        assert torch.allclose(layer(rows[:, kept]), whole, atol=2e-2)


def test_heads_go_and_every_place_of_the_vector_is_kept(student: Student, tmp_path: Path) -> None:
    """With one head of two the request's vector needs two places; graphs of the pruned student equal it."""
    smaller, _ = pruned(student, heads=0.5, neurons=0.5)
    assert smaller.sizes()["score"] == [[1, 32]] * 2
    ids, items = torch.randint(5, 1_000, (1, 14)), torch.randn(7, TOKENS, 32)
    with torch.no_grad():
        prefix = PrefixGraph(smaller)(ids, torch.ones_like(ids))
        plain = smaller.score(smaller.encode_prefix(smaller.prefix.embed(ids), torch.ones_like(ids)), None, items[None])
        assert prefix.shape == (2, 2, 1, 14 + 2, 16)
    candidates = {"prefix_kv": (None, None, None, "len", None), "items": ("n", None, None)}
    export_graph(ScoreGraph(smaller), (prefix, items), tmp_path / "score.onnx", inputs=candidates, output="logits")
    session = ort.InferenceSession(str(tmp_path / "score.onnx"))
    packed = session.run(None, {"prefix_kv": prefix.numpy(), "items": items.numpy()})[0]
    assert np.allclose(packed, plain[0].numpy(), atol=1e-4)
    for i in range(7):
        alone = session.run(None, {"prefix_kv": prefix.numpy(), "items": items[i : i + 1].numpy()})[0]
        assert np.allclose(packed[i], alone[0], atol=1e-5)


def test_the_item_layer_that_does_least_is_dropped(student: Student) -> None:
    student = copy.deepcopy(student)
    idle = student.item.layers[1]
    with torch.no_grad():
        for linear in (idle.attention.output.dense, idle.output.dense):  # type: ignore[union-attr]
            linear.weight.zero_(), linear.bias.zero_()  # type: ignore[union-attr, operator]
    names = [id(layer) for layer in student.item.layers]
    with torch.no_grad():
        prune(student, lambda: logits(student), layers=1)
    assert [id(layer) for layer in student.item.layers] == [names[0], names[2]]
    assert student.item.depth == 2 and student.prefix.depth == 3


def test_steps_add_up_and_each_is_learned_after(student: Student) -> None:
    smaller, learned = copy.deepcopy(student), []
    config = PruneConfig(neurons=0.5, heads=0.5, layers=1, steps=2, epochs=1)
    prune_in_steps(smaller, config, lambda: logits(smaller), lambda: learned.append(smaller.sizes()["item"]))
    assert learned == [[[2, 48]] * 3, [[1, 32]] * 2]


def test_without_epochs_nothing_is_learned(student: Student) -> None:
    smaller = copy.deepcopy(student)
    prune_in_steps(smaller, PruneConfig(neurons=0.5, epochs=0), lambda: logits(smaller), lambda: pytest.fail("learned"))
    assert smaller.sizes()["score"] == [[2, 32]] * 2


@pytest.fixture(scope="module")
def smaller(distilled: Workspace, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Trains the pruned student of the distilled one, with so many epochs of distillation after each step."""
    base = distilled.student / (distilled.student / "CURRENT").read_text().strip()
    place = tmp_path_factory.mktemp("pruned")

    def make(epochs: int) -> Path:
        workspace = Workspace(place / str(epochs))
        if not workspace.root.exists():
            for folder in (distilled.training, distilled.scores, distilled.teachers):
                shutil.copytree(folder, workspace.root / folder.relative_to(distilled.root))
        knobs = PruneConfig(neurons=0.75, heads=0.5, layers=1, epochs=epochs, lists=8)
        config = StudentConfig(backbone=tiny, base=base, epochs=0, item_tokens=2, learning_rate=1e-3, prune=knobs)
        return train_student(workspace, config.model_copy(update={"frozen_layers": 0, "frozen_item_layers": 0}))

    return make


def test_a_pruned_student_loads_as_it_was_saved(smaller: Callable[[int], Path], tiny: Path, tmp_path: Path) -> None:
    student, about = load_student(smaller(0))
    assert about["shape"] == student.sizes() == {"prefix": [[1, 16]] * 3, "item": [[1, 16]] * 2, "score": [[1, 16]] * 2}
    save_student(tmp_path, student, about, tiny)
    again, _ = load_student(tmp_path)
    with torch.no_grad():
        assert torch.equal(logits(student), logits(again))


def test_distillation_after_pruning_brings_it_nearer_to_its_teacher(smaller: Callable[[int], Path]) -> None:
    before, after = (strays(smaller(epochs)) for epochs in (0, 4))
    assert after < before


def strays(folder: Path) -> float:
    """Mean squared difference of logits between a student and the policy teacher on the pairs that it learned from."""
    workspace = Workspace(folder.parents[1])
    rows = read_rows(workspace.training)
    train = np.flatnonzero(rows.splits == "train")
    _, taught = read_scores(current_scores(workspace, "policy"), rows, train)
    return float(np.square(float_logits(folder, rows, train)[:, 0] - taught[train, 0]).mean())


def test_layers_that_were_fixed_are_distilled_again(distilled: Workspace, tiny: Path) -> None:
    """Pruning changes what was fixed as well, so it has to make up for that."""
    base = distilled.student / (distilled.student / "CURRENT").read_text().strip()
    knobs = {"frozen_layers": 1, "frozen_item_layers": 3, "learning_rate": 1e-3}
    pruned = [
        StudentConfig(
            backbone=tiny,
            base=base,
            epochs=0,
            item_tokens=2,
            **knobs,
            prune=PruneConfig(neurons=0.5, steps=1, epochs=epochs, lists=4),
        )
        for epochs in (0, 1)
    ]
    before, after = (load_student(train_student(distilled, config))[0] for config in pruned)
    for part in (lambda student: student.prefix.layers[0], lambda student: student.item.layers[0]):
        assert not torch.equal(part(before).output.dense.weight, part(after).output.dense.weight)


def test_a_student_can_start_from_a_pruned_one(smaller: Callable[[int], Path], tiny: Path) -> None:
    base, _ = load_student(smaller(0))
    student = Student(tiny, base.head.tasks, TOKENS, 2, match=True)
    student.start_from_student(base)
    with torch.no_grad():
        assert torch.allclose(logits(student.eval()), logits(base), atol=1e-6)
