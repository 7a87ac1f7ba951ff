"""The model card: what a bundle was trained on, how good it is and on what, and where it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.bundle import Manifest
from contracts.tasks import TASKS

FEW = 100
"""Positives of a task in training under which the card calls it rare."""
GRADED = "served_ndcg@10"
KEPT = 0.95
"""Share of a teacher's figure under which the card says that the student lost it."""


def model_card(manifest: Manifest) -> str:
    """Markdown of the bundle's README.md, from its manifest alone."""
    sections = (
        ("Tasks", _tasks(manifest)),
        ("Trained on", _trained_on(manifest)),
        ("Teachers", _teachers(manifest)),
        ("How good", _quality(manifest)),
        ("What the export cost", _gate(manifest)),
        ("Calibration", _calibration(manifest)),
        ("Where it fails", _failures(manifest)),
        ("Files", _files(manifest)),
        ("How to use it", _use(manifest)),
    )
    config = manifest.lineage.get("config", {})
    head = (
        "# Student ranker\n\n"
        "Scores how well a job fits a request (a member, a query, or both). "
        f"Item tokens a job: {manifest.item_tokens}; scoring layers: {config.get('score_layers', '?')}; "
        f"precision: {manifest.precision}; text version: {manifest.text_version}.\n"
    )
    return head + "".join(f"\n## {title}\n\n{text}\n" for title, text in sections if text)


def _tasks(manifest: Manifest) -> str:
    lines = [f"- `{task}`: {sentence}" for task, sentence in manifest.task_sentences.items()]
    if manifest.uncalibrated:
        names = ", ".join(f"`{task}`" for task in manifest.uncalibrated)
        lines.append(
            f"\nNo probability is given for {names}: too few labels to calibrate on. An answer lists such tasks under "
            "`uncalibrated`; they still have their say in the order."
        )
    return "\n".join(lines)


def _trained_on(manifest: Manifest) -> str:
    lineage = manifest.lineage
    origin = (
        "**Simulated data.** Members, jobs and events were drawn by Rolecall's simulator; the figures say how well "
        "the recipe recovers a known market, not how it does on people."
        if lineage.get("simulated")
        else "Records and events of the workspace's own source; see the replay report for their number and dates."
    )
    data: Mapping[str, Any] = lineage.get("data", {})
    rows = [
        (split, f"{d['lists']:,}", f"{d['pairs']:,}", d["first"], d["last"], *_labels(d, manifest.tasks))
        for split, d in data.items()
    ]
    table = _table(("split", "lists", "pairs", "from", "to", *manifest.tasks), rows)
    about = (
        "Under each task, what its known labels add up to, and how many are known: a grade 0-4 counts as a quarter of "
        "itself, an action as one. What was not shown or not graded is unknown, never zero."
    )
    versions = (
        f"Training set {lineage.get('training', 'unknown')}, backbone {lineage.get('backbone', 'unknown')} "
        "(all-MiniLM-L6-v2, Apache-2.0, unless another was configured)."
    )
    parts = (origin, f"{about}\n\n{table}" if rows else "", _graded(lineage), versions)
    return "\n\n".join(part for part in parts if part)


def _labels(data: Mapping[str, Any], tasks: Sequence[str]) -> Iterator[str]:
    for task in tasks:
        known = data["known"].get(task, 0)
        yield f"{data['sum'][task]:,.4g} of {known:,}" if known else "-"


def _graded(lineage: Mapping[str, Any]) -> str:
    """Who graded, and how far that agrees with people: the label job's report, where it wrote one."""
    graders = ", ".join(f"{name} ({pairs:,} pairs)" for name, pairs in lineage.get("graders", {}).items())
    if not graders:
        return ""
    said = f"Graded by {graders}, by product policy {lineage.get('policy', 'unknown')}. "
    golden = (lineage.get("judge") or {}).get("golden")
    if golden is None:
        return said + "The judge was not measured against a golden set."
    people = "simulated graders" if golden["simulated"] else "graders"
    said += (
        f"On the {golden['pairs']:,} pairs of the golden set its quadratic weighted kappa with the adjudicated grades "
        f"is {_kappa(golden['judge'])}; the {people} agree with each other at {_kappa(golden['graders'])}."
    )
    if strata := golden["strata"]:
        worst = min(strata, key=lambda name: strata[name]["quadratic"]["value"])
        said += f" It is lowest on `{worst}`: {_kappa(strata[worst])}, {strata[worst]['pairs']:,} pairs."
    return said


def _kappa(agreement: Mapping[str, Any]) -> str:
    kappa = agreement["quadratic"]
    return f"{kappa['value']:.3f} ({kappa['low']:.3f} to {kappa['high']:.3f})"


def _teachers(manifest: Manifest) -> str:
    teachers: Mapping[str, str] = manifest.lineage.get("teachers", {})
    measured: Mapping[str, Mapping[str, float]] = manifest.lineage.get("teachers_measured", {})
    rows = [
        (kind, version, ", ".join(f"{name} {value:.4g}" for name, value in measured.get(kind, {}).items()) or "-")
        for kind, version in teachers.items()
    ]
    if not rows:
        return "No teacher: it was learned from labels alone."
    said = "Distilled from the stored scores of these, which were measured on the same held-out lists."
    return f"{said}\n\n{_table(('teacher', 'version', 'its own figures'), rows)}"


def _quality(manifest: Manifest) -> str:
    metrics = manifest.metrics
    rows = []
    for name, teacher in _ratios(manifest):
        value, ratio = metrics[name], metrics[name] / teacher if teacher else float("nan")
        rows.append(
            (
                _named(name),
                _figure(manifest, name),
                f"{teacher:.4f}" if teacher else "-",
                f"{ratio:.3f}" if teacher and value else "-",
            )
        )
    said = (
        "On the held-out test lists of the same source, as the exported graphs rank them; 95% intervals over lists. "
        "The teachers are those above, on the same pairs, before distillation and export."
    )
    return f"{said}\n\n{_table(('measure', 'this bundle', 'teacher', 'of the teacher'), rows)}" if rows else ""


def _ratios(manifest: Manifest) -> Iterator[tuple[str, float | None]]:
    """Each figure of the served graphs with the same of the teacher, where there is one."""
    for name, value in manifest.metrics.items():
        if name.startswith(("served_", "blend_")) and "/" not in name and isinstance(value, int | float):
            yield name, manifest.metrics.get("teacher_" + name.removeprefix("served_"))


def _gate(manifest: Manifest) -> str:
    limits: Mapping[str, Any] = manifest.lineage.get("export", {})
    rows = [
        (task, *(f"{manifest.metrics.get(f'{task}_{name}', float('nan')):.4f}" for name in _AGREEMENTS))
        for task in manifest.tasks
        if any(f"{task}_{name}" in manifest.metrics for name in _AGREEMENTS)
    ]
    if not rows:
        return ""
    said = (
        f"The {manifest.precision} graphs against the float32 student, list by list. The export would have been "
        f"refused under {limits.get('least_agreement', '?')} of the first and "
        f"{limits.get('least_rank_correlation', '?')} of the second for a task with a probability."
    )
    return f"{said}\n\n{_table(('task', 'NDCG@1 agreement', 'Kendall tau'), rows)}"


_AGREEMENTS = ("ndcg@1_agreement", "rank_correlation")


def _calibration(manifest: Manifest) -> str:
    if not manifest.calibration:
        return "No task had labels enough: its scores are no probabilities, and an answer shows none."
    rows = [
        (
            task,
            *(_figure(manifest, f"{task}_{name}") for name in ("ece", "said", "seen")),
            len(maps) - 1 or "all as one",
        )
        for task, maps in manifest.calibration.items()
    ]
    drawn = [
        f"![{task}: said and seen]({name})"
        for task in manifest.calibration
        if (name := f"reliability_{task}.svg") in manifest.lineage.get("bytes", {})
    ]
    said = (
        "Isotonic regression on the validation lists turns logits into probabilities. The error is the mean distance, "
        "on the test lists, between how likely ten groups of pairs were said to be and how often it happened."
    )
    table = _table(("task", "calibration error", "said on average", "seen", "groups of places"), rows)
    return "\n\n".join([said, table, " ".join(drawn)]).rstrip()


def _failures(manifest: Manifest) -> str:
    """What the figures say first, then what no figure says."""
    found = [*_weak_tasks(manifest), *_lost(manifest), *_weak_slices(manifest)]
    fixed = (
        f"Of a request, {manifest.max_prefix_tokens} tokens are read; of a job, {manifest.max_item_tokens}: what comes "
        "after is not seen.",
        "English only, as the backbone is.",
        "It ranks; it does not judge whether a person should be hired, and must not be used to.",
    )
    return "\n".join(f"- {line}" for line in (*found, *fixed)) + _slices(manifest)


def _weak_tasks(manifest: Manifest) -> Iterator[str]:
    train = manifest.lineage.get("data", {}).get("train", {}).get("sum", {})
    for task in manifest.tasks:
        area, positives = manifest.metrics.get(f"served_{task}_auc"), train.get(task)
        if area is not None and area < 0.5:
            yield f"`{task}`: AUC {area:.3f} on the test lists is worse than a coin. Do not use its score."
        if positives is not None and positives < FEW:
            yield f"`{task}` is rare: {positives:,.4g} positives to learn from, so its figures are of little weight."


def _lost(manifest: Manifest) -> Iterator[str]:
    for name, teacher in _ratios(manifest):
        if teacher and (share := manifest.metrics[name] / teacher) < KEPT:
            yield f"{_named(name)}: {share:.1%} of the teacher's."


def _weak_slices(manifest: Manifest) -> Iterator[str]:
    """The kind of request on which it matches worst, and every kind that is below all lists by more than chance."""
    whole = manifest.metrics.get(GRADED)
    values = {name: manifest.metrics.get(f"{GRADED}/{name}") for name in manifest.lineage.get("slices", {})}
    known = {name: value for name, value in values.items() if value is not None}
    worst = min(known, key=lambda name: known[name], default=None)
    for name in known:
        surely = manifest.intervals.get(f"{GRADED}/{name}", (0.0, 1.0))[1] < (whole or 0.0)
        if whole is not None and known[name] < whole and (surely or name == worst):
            chance = "by more than chance" if surely else "but so few lists cannot prove it"
            figure = _figure(manifest, f"{GRADED}/{name}")
            yield f"{name}: {_named(GRADED)} {figure}, below the {whole:.4f} of all lists, {chance}."


def _slices(manifest: Manifest) -> str:
    lists: Mapping[str, int] = manifest.lineage.get("slices", {})
    rows = [
        (name, count, *(_figure(manifest, f"{measure}/{name}") for measure in _SLICED))
        for name, count in sorted(lists.items())
    ]
    table = _table(("test lists", "number", *(_named(measure) for measure in _SLICED)), rows)
    return f"\n\nBy kind of request and of job; `-` where fewer than five lists tell.\n\n{table}" if rows else ""


_SLICED = (GRADED, "blend_ndcg@10")


def _files(manifest: Manifest) -> str:
    sizes: Mapping[str, int] = manifest.lineage.get("bytes", {})
    rows = [(f"`{name}`", f"{size:,}") for name, size in sizes.items()]
    return _table(("file", "bytes"), [*rows, ("all of these", f"{sum(sizes.values()):,}")]) if rows else ""


def _use(manifest: Manifest) -> str:
    return f"""`rolecall serve --bundle FOLDER` answers over HTTP with it; `rolecall embed --what items` and
`rolecall index` build its index. In Python:

```python
scorer, encoder = BundleScorer(folder), ItemEncoder(folder)  # ranking.scorer
logits = scorer.logits(scorer.prefix(request_text), encoder.encode(job_texts))  # (n, {len(manifest.tasks)})
likely = probabilities(scorer.manifest, logits)  # ranking.calibrate: task -> (n,)
```

Texts are those of the verbaliser, version {manifest.text_version}. `bundle.json` holds the hash of every file: one that
was edited after export is not served."""


def _named(metric: str) -> str:
    """A metric in words."""
    if metric in _NAMES:
        return _NAMES[metric]
    task = metric.removeprefix("served_").removesuffix("_auc")
    return f"AUC, {task}" if task in TASKS else metric


_NAMES = {
    GRADED: "NDCG@10 of `relevance` by grades",
    "blend_ndcg@10": "NDCG@10 of the blended order by what members did",
}


def _figure(manifest: Manifest, name: str) -> str:
    value, interval = manifest.metrics.get(name), manifest.intervals.get(name)
    if value is None:
        return "-"
    return f"{value:.4f} ({interval[0]:.4f} to {interval[1]:.4f})" if interval else f"{value:.4f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
