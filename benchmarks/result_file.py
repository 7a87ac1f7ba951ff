"""The one format of a benchmark's result: `<folder>/<name>.json`, rows with the runs that made them.

Who runs a benchmark for themselves gets the file under `artifacts/benchmarks/`. With `--publish` it goes to
`benchmarks/results/`, which is committed and is what the documentation's tables are made from (`benchmarks.pages`).

    {"name": "spine", "command": "...", "date": "...", "machine": {...}, "versions": {...}, "simulated": true,
     "runs": [{"command": "...", "date": "...", "machine": "..."}, ...],
     "rows": [{"case": "1M x 128", "system": "exact", "metric": "p50_ms", "value": 1.9, "low": 1.7, "high": 2.2,
               "unit": "ms", "run": 1, "simulated": false}, ...]}

`command`, `date`, `machine` and `versions` at the top are those of the last run. A row names its run by its place in
`runs`, and nothing where that is the first; it says `simulated` where it differs from the file.

Several programs may write to one file. A command that runs again replaces all of its own rows, and any row with the
same case, system and metric; all else stays, with its own run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.machine import machine, versions

PUBLISHED = Path(__file__).parent / "results"
OWN = Path("artifacts") / "benchmarks"
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
RUN_FIELDS = ("command", "date", "machine")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A benchmark's command line, with the option that all of them share."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--publish",
        action="store_true",
        help=f"write to benchmarks/results, from which the documentation is made, and not to {OWN}",
    )
    return made


def command_line(module: str) -> str:
    """How this program was called, without `--publish`."""
    return " ".join(["python -m", module, *(word for word in sys.argv[1:] if word != "--publish")])


def write(
    name: str,
    command: str,
    rows: Iterable[Mapping[str, Any]],
    simulated: bool,
    publish: bool,
    folder: Path | None = None,
) -> Path:
    """Merge rows into a result file, print them as a table, and return the file's path.

    Args:
        name: The file's name without `.json`.
        command: How the program was called.
        rows: case, system, metric, value, unit, and low and high where there is an interval.
        simulated: Whether the data was, for rows that do not say so themselves.
        publish: Whether the file goes to `PUBLISHED`; else it goes to `OWN`.
        folder: Where the file goes instead.

    Raises:
        ValueError: A row lacks its case, system, metric or value; the file stays as it was.
    """
    folder = folder or (PUBLISHED if publish else OWN)
    path = folder / f"{name}.json"
    run = {"command": command, "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": in_words(machine())}
    made = [_row(row, simulated) | run for row in rows]
    replaced = {_key(row) for row in made}
    before = read(path)["rows"] if path.is_file() else []
    stays = [row["command"] != command and _key(row) not in replaced for row in before]
    place = stays.index(False) if False in stays else len(before)
    kept = [row for row, stay in zip(before, stays, strict=True) if stay]
    merged = [*kept[:place], *made, *kept[place:]]  # where they stood: a table keeps its order
    head = {
        "name": name,
        "command": " && ".join(dict.fromkeys(row["command"] for row in merged)),
        "date": run["date"],
        "machine": machine(),
        "versions": versions(PACKAGES),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(head, merged))
    print(as_table(made))
    print(f"written to {path}")
    return path


def read(path: Path) -> dict[str, Any]:
    """A result file whose rows each say their command, date, machine and whether their data was simulated."""
    document = json.loads(path.read_text())
    first = {"command": document["command"], "date": document["date"], "machine": in_words(document["machine"])}
    runs = document.pop("runs", [first])
    about = {"simulated": document["simulated"]}
    rows = [about | runs[row.get("run", 0)] | row for row in document["rows"]]
    return document | {"rows": [{field: row[field] for field in row if field != "run"} for row in rows]}


def to_json(head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The text of a result file, one row a line; rows as `read` gives them."""
    simulated = any(row["simulated"] for row in rows)
    runs = list(dict.fromkeys(tuple(row[field] for field in RUN_FIELDS) for row in rows))
    lines = []
    for row in rows:
        line = {field: row[field] for field in FIELDS if field in row}
        if place := runs.index(tuple(row[field] for field in RUN_FIELDS)):
            line["run"] = place
        if row["simulated"] != simulated:
            line["simulated"] = row["simulated"]
        lines.append("  " + json.dumps(line, ensure_ascii=False))
    about = dict(head) | {"simulated": simulated, "runs": [dict(zip(RUN_FIELDS, run, strict=True)) for run in runs]}
    top = json.dumps(about, indent=1, ensure_ascii=False).removesuffix("\n}")
    return top + ',\n "rows": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as aligned text, an interval in brackets."""
    lines = [("case", "system", "metric", "value", "")]
    for row in rows:
        interval = f"[{row['low']:,.4g}, {row['high']:,.4g}]" if row.get("low") is not None else ""
        value = f"{row['value']:,.4g} {row.get('unit', '')}".strip()
        lines.append((row["case"], row["system"], row["metric"], value, interval))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def in_words(about: Mapping[str, Any]) -> str:
    """A machine (`contracts.machine.machine`) in one line."""
    return ", ".join([f"{about.get('cpu', '?')}, {about.get('cores', '?')} cores", *about.get("flags", ())])


def _row(row: Mapping[str, Any], simulated: bool) -> dict[str, Any]:
    missing = [field for field in ("case", "system", "metric", "value") if row.get(field) is None]
    if missing:
        raise ValueError(f"a result row lacks {', '.join(missing)}: {dict(row)}")
    kept = {field: row[field] for field in FIELDS if row.get(field) is not None}
    return kept | {"simulated": bool(row.get("simulated", simulated))}


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["case"], row["system"], row["metric"]
