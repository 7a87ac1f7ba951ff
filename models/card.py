"""The model card: what a bundle was trained on, how good it is and on what, and where it fails."""

from __future__ import annotations

from contracts.bundle import Manifest


def model_card(manifest: Manifest) -> str:
    """Markdown of the bundle's README.md, from its manifest alone."""
    config = manifest.lineage.get("config", {})
    measured = "\n".join(
        f"| {name} | {value:.4f} |"
        for name, value in sorted(manifest.metrics.items())
        if isinstance(value, int | float)
    )
    tasks = "\n".join(f"- `{task}`: {sentence}" for task, sentence in manifest.task_sentences.items())
    teachers = ", ".join(f"{name} {version}" for name, version in manifest.lineage.get("teachers", {}).items())
    origin = (
        "**Simulated data.** Members, jobs and events were drawn by Rolecall's simulator; the figures say how well\n"
        "the recipe recovers a known market, not how it does on people."
        if manifest.lineage.get("simulated")
        else "Records and events of the workspace's own source; see the replay report for their number and dates."
    )
    return f"""# Student ranker

Scores how well a job fits a request (a member, a query, or both). Item tokens a job: {manifest.item_tokens}; scoring
layers: {config.get("score_layers", "?")}; precision: {manifest.precision}; text version: {manifest.text_version}.

## Tasks

{tasks}

Each score is a probability after the isotonic calibration in `bundle.json`; raw logits are not.

## Trained on

{origin}

Distilled from the stored scores of: {teachers or "unknown"}.
Training set {manifest.lineage.get("training", "unknown")}.
Backbone {manifest.lineage.get("backbone", "unknown")} (all-MiniLM-L6-v2, Apache-2.0, unless another was configured).

## How good

On the held-out test lists of the same source; `teacher_` rows are the teachers on the same pairs.

| measure | value |
|---|---|
{measured}

## Where it fails

- Of a request, {manifest.max_prefix_tokens} tokens are read; of a job, {manifest.max_item_tokens}.
- English only, as the backbone is.
- A task with few positives in the log (`hire`) is calibrated on few cases: read its probability with care.
- It ranks; it does not judge whether a person should be hired, and must not be used to.
"""
