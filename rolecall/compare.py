"""Two runs of the recipe side by side: which knobs, data and models differ, and what that did to each figure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from contracts.bundle import MANIFEST, Manifest, read_manifest
from contracts.errors import BadInput, BundleMismatch, UnreadableFile
from contracts.versions import current
from contracts.workspace import Workspace
from rolecall.costs import read_costs

_VERSIONS = ("training", "backbone", "student", "policy", "model_format")
"""Of a bundle's lineage."""


class Figure(NamedTuple):
    """low, high: the 95% interval, None where none was taken."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.value:,.0f}" if abs(self.value) >= 1_000 else f"{self.value:.4f}"
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


@dataclass(frozen=True)
class Side:
    """knobs: dotted name -> value; versions: what -> which; figures: metric -> value."""

    knobs: Mapping[str, Any]
    versions: Mapping[str, Any]
    figures: Mapping[str, Figure]


def read_side(folder: Path) -> Side:
    """A bundle's folder, or a workspace with a bundle: then its last replay and the costs of its stages are read too.

    Raises BadInput where the folder is neither, BundleMismatch for an edited bundle and for a replay of another one,
    UnreadableFile for broken JSON.
    """
    if (folder / MANIFEST).is_file():
        return _of_bundle(read_manifest(folder))
    workspace = Workspace(folder)
    if current(workspace.bundles) is None:
        raise BadInput(f"{folder} is neither a bundle nor a workspace with one", cure="run `rolecall export` first")
    bundle = _of_bundle(read_manifest(workspace.bundle))
    summary, replay = _read(workspace.summary), _read(workspace.replay / "metrics.json")
    _check_replay(replay, workspace, bundle)
    return Side(
        knobs={**_dotted(summary.get("knobs", {})), **bundle.knobs},
        versions={**_counts(replay), **replay.get("versions", {}), **bundle.versions},
        figures={**bundle.figures, **dict(_replayed(replay)), **dict(_costs(read_costs(workspace)))},
    )


def compare(before: Side, after: Side) -> dict[str, Any]:
    """What differs, as JSON: knobs and versions name -> [before, after]; metrics name -> before, after, difference.

    A figure is {value, low, high}, None where a side has none; unchanged: how many figures are the same on both sides.
    """
    names = (*before.figures, *(name for name in after.figures if name not in before.figures))
    pairs = {name: (before.figures.get(name), after.figures.get(name)) for name in names}
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return {
        "knobs": _changed(before.knobs, after.knobs),
        "versions": _changed(before.versions, after.versions),
        "metrics": {
            name: {
                "before": one and one._asdict(),
                "after": other and other._asdict(),
                "difference": other.value - one.value if one and other else None,
            }
            for name, (one, other) in changed.items()
        },
        "unchanged": len(pairs) - len(changed),
    }


def as_text(found: Mapping[str, Any]) -> str:
    """`compare`'s answer for people."""
    lines = []
    for section in ("knobs", "versions"):
        rows = [(name, _plain(one), "->", _plain(other)) for name, (one, other) in found[section].items()]
        lines += [section, *(_columns(rows) or ["  the same"]), ""]
    figures = [
        (name, _shown(row["before"]), "->", _shown(row["after"]), _step(row), _apart(row))
        for name, row in found["metrics"].items()
    ]
    lines += ["metrics", *(_columns(figures) or ["  the same"]), ""]
    lines.append(f"{found['unchanged']} metrics are the same. Intervals are 95%, of each side by itself; `apart` where")
    lines.append("they do not meet. Whether a smaller step is chance, only runs with other seeds can tell.")
    return "\n".join(lines)


def _check_replay(replay: Mapping[str, Any], workspace: Workspace, bundle: Side) -> None:
    wanted, found = bundle.versions["bundle"], replay.get("versions", {}).get("bundle")
    if replay and found != wanted:
        what = f"the replay is of bundle {found}, and the current one is {wanted}"
        cure = f"run `rolecall replay --workspace {workspace.root}`, or compare the bundles' folders"
        raise BundleMismatch(what, where=str(workspace.replay), cure=cure)


def _of_bundle(manifest: Manifest) -> Side:
    lineage = manifest.lineage
    knobs = {"student": lineage.get("config", {}), "export": lineage.get("export", {})}
    knobs |= {f"{kind}_teacher": config for kind, config in lineage.get("teachers_config", {}).items()}
    versions = {name: lineage[name] for name in _VERSIONS if name in lineage}
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


def _replayed(replay: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    for table in replay.get("tables", ()):
        for cell in table["cells"]:
            name = f"replay {table['name']}: {cell['system']}, {cell['metric']}"
            yield name, Figure(cell["value"], cell["low"], cell["high"])
    for task in replay.get("reliability", ()):
        yield f"replay calibration error: {task['task']}", Figure(task["error"])


def _counts(replay: Mapping[str, Any]) -> dict[str, int]:
    return {f"records: {table}": count for table, count in replay.get("records", {}).items()}


def _costs(stages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Figure]]:
    for stage in stages:
        yield f"stage {stage['name']}: seconds", Figure(stage["seconds"])
        yield f"stage {stage['name']}: MB", Figure(stage["peak_mb"])


def _read(path: Path) -> dict[str, Any]:
    """{} where there is no file."""
    if not path.is_file():
        return {}
    cure = "run the stage that writes it again"
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise UnreadableFile("not JSON", where=str(path), cure=cure) from error
    if not isinstance(found, dict):
        raise UnreadableFile(f"holds {type(found).__name__}, not a table of names", where=str(path), cure=cure)
    return found


def _dotted(knobs: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Nested knobs as {"student.epochs": 6}."""
    found: dict[str, Any] = {}
    for name, value in knobs.items():
        found |= _dotted(value, f"{head}{name}.") if isinstance(value, Mapping) and value else {f"{head}{name}": value}
    return found


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Name -> [before, after] where they differ; None where a side does not have it."""
    names = (*before, *(name for name in after if name not in before))
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}


def _plain(value: Any) -> str:
    return "-" if value is None else json.dumps(value) if isinstance(value, list | dict | bool) else str(value)


def _shown(figure: Mapping[str, Any] | None) -> str:
    return "-" if figure is None else str(Figure(**figure))


def _step(row: Mapping[str, Any]) -> str:
    step = row["difference"]
    return "" if step is None else f"{step:+,.0f}" if abs(step) >= 1_000 else f"{step:+.4f}"


def _apart(row: Mapping[str, Any]) -> str:
    one, other = row["before"], row["after"]
    if not one or not other or one["low"] is None or other["low"] is None:
        return ""
    return "apart" if one["high"] < other["low"] or other["high"] < one["low"] else ""


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))).rstrip() for row in rows]
