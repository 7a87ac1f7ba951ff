"""Two runs of the recipe side by side: which knobs, data and models differ, and what that did to each figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contracts.bundle import MANIFEST, Manifest, read_manifest
from contracts.errors import BadInput, BundleMismatch, UnreadableFile
from contracts.versions import CURRENT
from contracts.workspace import Workspace
from rolecall.costs import read_costs

LINEAGE = ("training", "backbone", "student", "policy", "model_format")
"""Entries of a bundle's lineage that are versions."""


class Figure(NamedTuple):
    """A metric with its 95% interval; None where none was taken."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.value:,.0f}" if abs(self.value) >= 1_000 else f"{self.value:.4f}"
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


class Side(NamedTuple):
    """One run: dotted name of a knob to its value, name to version, name of a metric to its figure."""

    knobs: Mapping[str, Any]
    versions: Mapping[str, Any]
    figures: Mapping[str, Figure]


def read_side(folder: Path) -> Side:
    """Read one run.

    Args:
        folder: A bundle, or a workspace with one; of a workspace the last replay and the stages' costs are read too.

    Raises:
        BadInput: The folder is neither.
        BundleMismatch: The bundle was edited, or the replay is of another one.
        UnreadableFile: A file is no JSON.
    """
    if (folder / MANIFEST).is_file():
        return _of_bundle(read_manifest(folder))
    workspace = Workspace(folder)
    if not (workspace.bundles / CURRENT).is_file():
        raise BadInput(f"{folder} is neither a bundle nor a workspace with one", cure="run `rolecall export` first")
    bundle = _of_bundle(read_manifest(workspace.bundle))
    summary, replay = _read(folder / "summary.json"), _read(workspace.replay / "metrics.json")
    replayed, current = replay.get("versions", {}).get("bundle"), bundle.versions["bundle"]
    if replay and replayed != current:
        cure = f"run `rolecall replay --workspace {folder}`, or compare the bundles' folders"
        what = f"the replay is of bundle {replayed}, and the current one is {current}"
        raise BundleMismatch(what, where=str(workspace.replay), cure=cure)
    counts = {f"records: {table}": count for table, count in replay.get("records", {}).items()}
    figures = {
        f"replay {table['name']}: {cell['system']}, {cell['metric']}": Figure(cell["value"], cell["low"], cell["high"])
        for table in replay.get("tables", ())
        for cell in table["cells"]
    }
    for task in replay.get("reliability", ()):
        figures[f"replay calibration error: {task['task']}"] = Figure(task["error"])
    for stage in read_costs(workspace):
        figures[f"stage {stage['name']}: seconds"] = Figure(stage["seconds"])
        figures[f"stage {stage['name']}: MB"] = Figure(stage["peak_mb"])
    return Side(
        {**_dotted(summary.get("knobs", {})), **bundle.knobs},
        {**counts, **replay.get("versions", {}), **bundle.versions},
        {**bundle.figures, **figures},
    )


def compare(before: Side, after: Side) -> dict[str, Any]:
    """What differs, as JSON.

    Returns:
        knobs, versions: name to [before, after], None where a side lacks it; metrics: name to before, after (each
        {value, low, high}, or None) and difference; unchanged: the number of metrics that are the same.
    """
    figures = _changed(before.figures, after.figures)
    return {
        "knobs": _changed(before.knobs, after.knobs),
        "versions": _changed(before.versions, after.versions),
        "metrics": {
            name: {
                "before": old and old._asdict(),
                "after": new and new._asdict(),
                "difference": new.value - old.value if old and new else None,
            }
            for name, (old, new) in figures.items()
        },
        "unchanged": len({*before.figures, *after.figures}) - len(figures),
    }


def as_text(differences: Mapping[str, Any]) -> str:
    """`compare`'s answer as lines for people."""
    lines = []
    for section in ("knobs", "versions"):
        rows = [(name, _plain(old), "->", _plain(new)) for name, (old, new) in differences[section].items()]
        lines += [section, *(_columns(rows) or ["  the same"]), ""]
    lines += ["metrics", *(_columns([_row(*item) for item in differences["metrics"].items()]) or ["  the same"]), ""]
    lines.append(f"{differences['unchanged']} metrics are the same. Intervals are 95%, of each side by itself; `apart`")
    lines.append("where they do not meet. Whether a smaller step is chance, only runs with other seeds can tell.")
    return "\n".join(lines)


def _of_bundle(manifest: Manifest) -> Side:
    lineage = manifest.lineage
    knobs = {"student": lineage.get("config", {}), "export": lineage.get("export", {})}
    knobs |= {f"{kind}_teacher": config for kind, config in lineage.get("teachers_config", {}).items()}
    versions = {name: lineage[name] for name in LINEAGE if name in lineage}
    versions |= {f"{kind} teacher": version for kind, version in lineage.get("teachers", {}).items()}
    versions |= {"bundle": manifest.version, "bundle format": manifest.format, "text": manifest.text_version}
    figures = {
        name: Figure(value, *manifest.intervals.get(name, ()))
        for name, value in manifest.metrics.items()
        if isinstance(value, int | float)
    }
    sizes = lineage.get("bytes", {}).items()
    figures |= {f"bytes of {name}": Figure(size) for name, size in sizes if name.endswith(".onnx")}
    return Side(_dotted(knobs), versions, figures)


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UnreadableFile("holds no JSON object", where=str(path), cure="run the stage that writes it again")
    return content


def _dotted(knobs: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Nested knobs as {"student.epochs": 6}."""
    flat: dict[str, Any] = {}
    for name, value in knobs.items():
        flat |= _dotted(value, f"{head}{name}.") if isinstance(value, Mapping) and value else {f"{head}{name}": value}
    return flat


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Name to [before, after] where they differ; None where a side lacks it."""
    names = dict.fromkeys((*before, *after))
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}


def _plain(value: Any) -> str:
    return "-" if value is None else json.dumps(value) if isinstance(value, list | dict | bool) else str(value)


def _row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """A metric's cells: its name, both figures, the step, and "apart" where the intervals do not meet."""
    old, new = (Figure(**row[side]) if row[side] else None for side in ("before", "after"))
    step, apart = "", ""
    if old and new:
        step = f"{row['difference']:+,.0f}" if abs(row["difference"]) >= 1_000 else f"{row['difference']:+.4f}"
        if old.low is not None and old.high is not None and new.low is not None and new.high is not None:
            apart = "apart" if old.high < new.low or new.high < old.low else ""
    return name, _plain(old), "->", _plain(new), step, apart


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))).rstrip() for row in rows]
