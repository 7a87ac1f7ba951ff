"""The model card: what a bundle was trained on, how good it is and on what, and where it fails.

The text stands in `card.md.jinja`; here are the figures that it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.bundle import Manifest
from contracts.tasks import TASKS

FEW = 100
"""Positives of a task in training under which the card calls it rare."""
GRADED = "served_ndcg@10"
KEPT = 0.95
"""Share of a teacher's figure under which the card says that the student lost it."""
SLICED = (GRADED, "order_ndcg@10")
"""Metrics that are shown by slice."""
AGREEMENTS = ("ndcg@1_agreement", "rank_correlation")
_WORDS = {
    GRADED: "NDCG@10 of `relevance` by grades",
    "order_ndcg@10": "NDCG@10 of the served order by what members did",
    "order_policy_ndcg@10": "NDCG@10 of the served order by grades",
    "order_good_fits@10": "good fits in the first ten of the served order",
    "order_poor_fits@10": "poor fits in the first ten of the served order",
}


def model_card(manifest: Manifest) -> str:
    """Markdown of the bundle's README.md, from its manifest alone."""
    lineage = manifest.lineage
    golden = (lineage.get("judge") or {}).get("golden")
    strata = golden["strata"] if golden else {}
    text = _environment().get_template("card.md.jinja")
    return text.render(
        bundle=manifest,
        lineage=lineage,
        metrics=manifest.metrics,
        golden=golden,
        weakest=min(strata, key=lambda name: strata[name]["quadratic"]["value"], default=None),
        ratios=_teacher_metrics(manifest),
        order=lineage.get("order"),
        frontier="frontier.svg" in lineage.get("bytes", {}),
        gated=_agreements(manifest),
        drawn=[task for task in manifest.calibration if f"reliability_{task}.svg" in lineage.get("bytes", {})],
        failures=[*_one_kind(manifest), *_weak_tasks(manifest), *_lost(manifest), *_weak_slices(manifest)],
        sliced=SLICED,
        figure=partial(_figure, manifest),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"thousands": "{:,}".format, "kappa": _kappa, "in_words": _in_words}
    environment.filters["figure3"] = _rounded
    return environment


def _kappa(agreement: Mapping[str, Any]) -> str:
    kappa = agreement["quadratic"]
    return f"{kappa['value']:.3f} ({kappa['low']:.3f} to {kappa['high']:.3f})"


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _in_words(metric: str) -> str:
    if metric in _WORDS:
        return _WORDS[metric]
    task = metric.removeprefix("served_").removesuffix("_auc")
    return f"AUC, {task}" if task in TASKS else metric


def _figure(manifest: Manifest, name: str) -> str:
    """A metric with its interval; "-" where it was not measured."""
    value, interval = manifest.metrics.get(name), manifest.intervals.get(name)
    if value is None:
        return "-"
    return f"{value:.4f} ({interval[0]:.4f} to {interval[1]:.4f})" if interval else f"{value:.4f}"


def _teacher_metrics(manifest: Manifest) -> dict[str, float | None]:
    """Each metric of the served graphs -> the same metric of the teacher, None where there is none."""
    return {
        name: manifest.metrics.get("teacher_" + name.removeprefix("served_"))
        for name, value in manifest.metrics.items()
        if name.startswith(("served_", "order_")) and "/" not in name and isinstance(value, int | float)
    }


def _agreements(manifest: Manifest) -> dict[str, tuple[float, ...]]:
    """Task -> its `AGREEMENTS`, NaN where one was not measured; without the tasks that have none."""
    names = {task: [f"{task}_{metric}" for metric in AGREEMENTS] for task in manifest.tasks}
    return {
        task: tuple(manifest.metrics.get(name, float("nan")) for name in of_task)
        for task, of_task in names.items()
        if any(name in manifest.metrics for name in of_task)
    }


def _one_kind(manifest: Manifest) -> Iterator[str]:
    graded = manifest.lineage.get("asked", {}).get("graded", {})
    if graded.get("only"):
        yield f"All graded pairs that it learned from are of {graded['only']}: of others its relevance is a guess."


def _weak_tasks(manifest: Manifest) -> Iterator[str]:
    train = manifest.lineage.get("data", {}).get("train", {}).get("sum", {})
    for task in manifest.tasks:
        area, positives = manifest.metrics.get(f"served_{task}_auc"), train.get(task)
        if area is not None and area < 0.5:
            yield f"`{task}`: AUC {area:.3f} on the test lists is worse than a coin. Do not use its score."
        if positives is not None and positives < FEW:
            yield f"`{task}` is rare: {positives:,.4g} positives to learn from, so its figures are of little weight."


def _lost(manifest: Manifest) -> Iterator[str]:
    for name, teacher in _teacher_metrics(manifest).items():
        if teacher and (share := manifest.metrics[name] / teacher) < KEPT:
            yield f"{_in_words(name)}: {share:.1%} of the teacher's."


def _weak_slices(manifest: Manifest) -> Iterator[str]:
    """The slice with the lowest `GRADED`, and every slice that is below all lists by more than chance."""
    overall = manifest.metrics.get(GRADED)
    values = {name: manifest.metrics.get(f"{GRADED}/{name}") for name in manifest.lineage.get("slices", {})}
    measured = {name: value for name, value in values.items() if value is not None}
    worst = min(measured, key=lambda name: measured[name], default=None)
    for name, value in measured.items():
        surely = manifest.intervals.get(f"{GRADED}/{name}", (0.0, 1.0))[1] < (overall or 0.0)
        if overall is not None and value < overall and (surely or name == worst):
            chance = "by more than chance" if surely else "but so few lists cannot prove it"
            figure = _figure(manifest, f"{GRADED}/{name}")
            yield f"{name}: {_in_words(GRADED)} {figure}, below the {overall:.4f} of all lists, {chance}."
