"""The one format of `benchmarks/results/<name>.json`: rows with the machine and the versions that made them.

Several programs may write to one file. What a command wrote before goes when it writes again, and so does a row with
the same case, system and metric by another one; all else stays, with the date and the machine of its own run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.machine import machine, versions

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "apache-beam",
    "bm25s",
    "faiss-cpu",
    "feast",
    "numpy",
    "onnxruntime",
    "polars",
    "pyarrow",
    "torch",
    "transformers",
)
FIELDS = ("case", "system", "metric", "value", "low", "high", "unit")


def write(name: str, command: str, rows: Iterable[Mapping[str, Any]], simulated: bool, folder: Path = RESULTS) -> Path:
    """Merge rows into `<folder>/<name>.json`, print them as a table, and return the file's path.

    rows: case, system, metric, value, unit, and low and high where there is an interval; simulated: whether the data
    was, which each row then says as well, beside the command, the date and the machine of this run. Those of the file
    itself are the last run's. Raises ValueError for a row without one of the first four.
    """
    path = folder / f"{name}.json"
    here = machine()
    run = {"command": command, "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": in_words(here)}
    made = [_row(row, simulated) | run for row in rows]
    replaced = {_key(row) for row in made}
    before = _read(path) if path.is_file() else []
    stays = [row["command"] != command and _key(row) not in replaced for row in before]
    place = stays.index(False) if False in stays else len(before)
    kept = [row for row, stay in zip(before, stays, strict=True) if stay]
    merged = [*kept[:place], *made, *kept[place:]]  # where they stood: a table keeps its order
    document = {
        "name": name,
        "command": " && ".join(dict.fromkeys(row["command"] for row in merged)),
        "date": run["date"],
        "machine": here,
        "versions": versions(PACKAGES),
        "simulated": any(row["simulated"] for row in merged),
        "rows": merged,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(as_table(made))
    return path


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as aligned text, an interval in brackets."""
    lines = [("case", "system", "metric", "value", "")]
    for row in rows:
        interval = f"[{row['low']:,.4g}, {row['high']:,.4g}]" if row.get("low") is not None else ""
        value = f"{row['value']:,.4g} {row.get('unit', '')}".strip()
        lines.append((row["case"], row["system"], row["metric"], value, interval))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def command_line(module: str) -> str:
    """How this program was called."""
    return " ".join(["python -m", module, *sys.argv[1:]])


def in_words(about: Mapping[str, Any]) -> str:
    """A machine (`contracts.machine.machine`) in one line."""
    return ", ".join([f"{about.get('cpu', '?')}, {about.get('cores', '?')} cores", *about.get("flags", ())])


def _read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; those that do not say when and where they were made were made with the file."""
    document = json.loads(path.read_text())
    run = {"date": document["date"], "machine": in_words(document["machine"])}
    return [row | {name: value for name, value in run.items() if name not in row} for row in document["rows"]]


def _row(row: Mapping[str, Any], simulated: bool) -> dict[str, Any]:
    missing = [field for field in ("case", "system", "metric", "value") if row.get(field) is None]
    if missing:
        raise ValueError(f"a result row lacks {', '.join(missing)}: {dict(row)}")
    kept = {field: row[field] for field in FIELDS if row.get(field) is not None}
    return kept | {"simulated": bool(row.get("simulated", simulated))}


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["case"], row["system"], row["metric"]
