"""Structured pruning: whole neurons, heads and layers are removed, and the remaining weights solved anew.

A feed-forward block ends in a linear map over its neurons, attention in one over its heads. The map's output on
calibration inputs has to change least: the groups of inputs to keep are searched greedily with swaps, and the best
weights of a kept set have a closed form. Each map is pruned by itself; small steps with distillation between them lose
least.

Source: OSSCAR (arXiv 2403.12983).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.config import PruneConfig
from models.layers.geometry import keep_heads, narrow
from models.student.student import Student

RIDGE = 1e-3
"""Penalty on changes of the weights, as a share of the inputs' mean variance."""
SWAPS = 32
"""Most exchanges of a removed group for a kept one."""
ROWS_A_CALL = 512
"""Input rows of each call of a map that count: some thousands in all are enough for 1,536 neurons."""


class Moments:
    """Running mean and covariance, in float64, of the inputs of a linear map."""

    def __init__(self, width: int) -> None:
        self._count = 0
        self._total = torch.zeros(width, dtype=torch.float64)
        self._products = torch.zeros(width, width, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Count rows (n, p)."""
        self._count += len(rows)
        self._total += rows.sum(0, dtype=torch.float64)
        self._products += rows.T @ rows

    @property
    def mean(self) -> Tensor:
        """(p,) float64."""
        return self._total / max(1, self._count)

    @property
    def covariance(self) -> Tensor:
        """(p, p) float64, positive definite by the ridge on its diagonal."""
        covariance = self._products / max(1, self._count) - torch.outer(self.mean, self.mean)
        ridge = RIDGE * float(covariance.diagonal().mean().clamp(min=1e-9))
        return covariance + ridge * torch.eye(len(covariance), dtype=torch.float64)


def prune_in_steps(
    student: Student, config: PruneConfig, calibrate: Callable[[], Tensor], learn: Callable[[], Any]
) -> None:
    """Prune in equal steps, in place; the solving is done on the CPU, in float64.

    Args:
        student: On any device.
        config: Shares, steps and epochs.
        calibrate: As in `prune`.
        learn: Trains the student after each step.
    """
    device = student.queries.device
    for step in range(config.steps):
        before, after = step / config.steps, (step + 1) / config.steps
        neurons, heads = (
            1 - (1 - share * after) / (1 - share * before) for share in (config.neurons, config.heads)
        )  # of what is left
        student.cpu()
        prune(student, calibrate, neurons, heads, int(config.layers * after) - int(config.layers * before))
        student.to(device)
        if config.epochs:
            learn()


def prune(
    student: Student, calibrate: Callable[[], Tensor], neurons: float = 0.0, heads: float = 0.0, layers: int = 0
) -> None:
    """Remove neurons and heads of every layer, and layers of the item encoder, in place.

    Args:
        student: On the CPU.
        calibrate: Runs the student, as it is at that moment, on calibration inputs and returns its logits.
        neurons: Share in [0, 1) of each layer's neurons to remove; one at least stays.
        heads: The same of attention heads.
        layers: Number of the item encoder's layers to remove.
    """
    student.eval()
    with torch.no_grad():
        for _ in range(layers):
            _drop_layer(student.item.layers, calibrate)
        blocks: list[Any] = [*student.prefix.layers, *student.item.layers, *student.score_layers]
        maps = [layer.output.dense for layer in blocks if neurons]
        maps += [layer.attention.output.dense for layer in blocks if heads]
        with recorded(maps) as moments:
            if maps:
                calibrate()
        for layer in blocks:
            if neurons:
                _prune_neurons(layer, moments[layer.output.dense], neurons)
            if heads:
                _prune_heads(layer, moments[layer.attention.output.dense], heads)


@contextlib.contextmanager
def recorded(maps: Sequence[nn.Linear]) -> Iterator[dict[nn.Linear, Moments]]:
    """Collect the moments of the inputs of each map while the context is open."""
    moments = {linear: Moments(linear.in_features) for linear in maps}
    draws = torch.Generator().manual_seed(0)

    def record(linear: Any, inputs: tuple[Tensor, ...]) -> None:
        rows = inputs[0].flatten(0, -2).float()
        moments[linear].add(rows[torch.randperm(len(rows), generator=draws)[:ROWS_A_CALL]])

    hooks = [linear.register_forward_pre_hook(record) for linear in maps]
    try:
        yield moments
    finally:
        for hook in hooks:
            hook.remove()


def choose(covariance: Tensor, weight: Tensor, group: int, keep: int, swaps: int = SWAPS) -> Tensor:
    """Choose the groups of inputs to keep so that the map's output changes least.

    Groups are removed one by one, each time the one whose removal costs least given those already removed; then the
    best removed group and the cheapest kept one are exchanged while that helps.

    The tableau is [C | C W'] after a principal pivot on the kept set, and so [C^-1 | -W'] while all is kept. A group's
    block and its right-hand rows give the cost of its removal or the gain of its return; a pivot on the block removes
    or returns it.

    Args:
        covariance: (p, p) of the inputs.
        weight: (d, p) of the map.
        group: Number of neighbouring inputs that form a group.
        keep: Number of groups to keep.
        swaps: Most exchanges.

    Returns:
        (keep,) int64 numbers of groups, ascending.
    """
    inputs = len(covariance)
    tableau = torch.cat((torch.linalg.inv(covariance), -weight.T.to(covariance.dtype)), 1)
    kept = torch.ones(inputs // group, dtype=torch.bool)

    def worth() -> Tensor:
        right = tableau[:, inputs:].unflatten(0, (-1, group))
        square = tableau[:, :inputs].unflatten(1, (-1, group)).unflatten(0, (-1, group))
        blocks = square.diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        solved = right / blocks if group == 1 else torch.linalg.solve(blocks, right)
        return (right * solved).sum((1, 2))

    def toggle(index: Tensor) -> None:
        _pivot(tableau, slice(int(index) * group, (int(index) + 1) * group))
        kept[index] = ~kept[index]

    def cheapest() -> Tensor:
        return torch.where(kept, worth(), torch.inf).argmin()

    for _ in range(len(kept) - keep):
        toggle(cheapest())
    for _ in range(swaps if keep < len(kept) else 0):
        best = torch.where(kept, -torch.inf, worth()).argmax()
        toggle(best)
        worst = cheapest()
        toggle(worst)
        if worst == best:
            break
    return kept.nonzero().flatten()


def reconstruct(covariance: Tensor, weight: Tensor, kept: Tensor) -> Tensor:
    """Solve for the weights of the kept inputs that change the map's output least.

    They minimise |W x - V x_S|^2 over centred x, plus r |W_S - V|^2 with the ridge r; where all inputs are kept the
    weights stay as they are.

    Args:
        covariance: (p, p) of the inputs.
        weight: (d, p) of the map.
        kept: (k,) int64 inputs to keep.

    Returns:
        (d, k) weights.
    """
    mixed = covariance[kept] @ weight.T.to(covariance.dtype)
    return torch.linalg.solve(covariance[kept][:, kept], mixed).T


def _drop_layer(layers: Any, calibrate: Callable[[], Tensor]) -> None:
    """Remove the layer whose removal changes the logits least."""
    before = calibrate()
    changes = []
    for place in range(len(layers)):
        layer = layers[place]
        del layers[place]
        changes.append(float((calibrate() - before).square().mean()))
        layers.insert(place, layer)
    del layers[min(range(len(layers)), key=changes.__getitem__)]


def _prune_neurons(layer: Any, moments: Moments, share: float) -> None:
    neurons = _fit_kept(layer.output.dense, moments, 1, share)
    narrow(layer.intermediate.dense, rows=neurons)


def _prune_heads(layer: Any, moments: Moments, share: float) -> None:
    inputs = _fit_kept(layer.attention.output.dense, moments, layer.attention.self.attention_head_size, share)
    keep_heads(layer, inputs)


def _fit_kept(linear: nn.Linear, moments: Moments, group: int, share: float) -> Tensor:
    """Cut a map to the best inputs, with weights and bias that make up for the others; return the inputs (k,)."""
    groups = linear.in_features // group
    covariance, mean, weight = moments.covariance, moments.mean, linear.weight.double()
    chosen = choose(covariance, weight, group, max(1, round(groups * (1 - share))))
    kept = (chosen[:, None] * group + torch.arange(group)).flatten()
    solved = reconstruct(covariance, weight, kept)
    narrow(linear, columns=kept)
    linear.weight.copy_(solved)
    linear.bias.add_(weight @ mean - solved @ mean[kept])
    return kept


def _pivot(tableau: Tensor, at: slice) -> None:
    """Principal pivot (Tucker 1960) on a diagonal block, in place; a second one undoes it."""
    block = torch.linalg.inv(tableau[at, at])
    columns, rows = tableau[:, at].clone(), block @ tableau[at]
    tableau.addmm_(columns, rows, alpha=-1)
    tableau[at] = -rows
    tableau[:, at] = columns @ block
    tableau[at, at] = block
