"""What taking a board in costs, whatever it comes as; and how soon a board of real adverts answers.

    python -m benchmarks.intake --rows 1000000 --postings ../shared/data/postings

Speed: simulated adverts as clean Parquet, as CSV, as what a German spreadsheet saves (semicolons, Windows-1252, foreign
names by a mapping, days before months, decimal commas, words of its own), as JSON lines and as an XML feed. `validate`
and `ingest` are processes of their own; CPU seconds, for other programs may share the machine, and the most memory that
one of them held. A form's rows a second are also given as times the clean Parquet's, of the same run. A tenth of the
rows says whether memory grows with them.

Dresses: a hundred of `benchmarks.dresses`, drawn by a seed; how many are read as the clean records, how many with
everything that differs stated, how many with a difference that nothing names.

Postings: the first adverts of a real board without a log, from the folder to a served answer, by wall clock: the file
is read by the mapping that `validate --suggest` writes, and nobody corrects it.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import psutil
import pyarrow.parquet as pq

from benchmarks import dresses, result_file
from benchmarks.dresses import Dress
from benchmarks.markdown import Rows, by_name, made_by, markdown_table, plain
from simulator.market import simulate

NAME = "intake"
PARQUET = "Parquet"
GERMAN = {
    "id": "Stellen-Nr",
    "title": "Stellentitel",
    "company": "Firma",
    "location": "Ort",
    "workplace": "Arbeitsort",
    "employment": "Anstellungsart",
    "skills": "Kenntnisse",
    "description": "Beschreibung",
    "salary_min": "Gehalt von",
    "salary_max": "Gehalt bis",
    "posted_at": "Veröffentlicht am",
    "updated_at": "Geändert am",
}
SPOKEN = {
    "full_time": "Vollzeit",
    "part_time": "Teilzeit",
    "contract": "Freiberuflich",
    "temporary": "Befristet",
    "internship": "Praktikum",
    "onsite": "Vor Ort",
    "remote": "Homeoffice",
    "hybrid": "Hybrid",
}
LOOK_SECONDS = 0.05


class Cost(NamedTuple):
    """What a command took: CPU and wall seconds, and the most bytes that it and its children held."""

    cpu: float
    wall: float
    memory: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--dresses", type=int, default=100)
    parser.add_argument("--postings", type=Path, help="the public folder of adverts, where you have it")
    parser.add_argument("--adverts", type=int, default=500)
    options = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in dict.fromkeys((max(options.rows // 10, 1), options.rows)):
            rows += speed(Path(scratch), count, options.forms)
    rows += dressed(options.dresses)
    simulated = [row | {"simulated": True} for row in rows]
    real = first_answer(options.postings, options.adverts) if options.postings else []
    command = result_file.command_line("benchmarks.intake")
    result_file.write(NAME, command, simulated + real, simulated=False, publish=options.publish)


# --- speed -----------------------------------------------------------------------------------------------------------


def speed(scratch: Path, count: int, forms: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the result file: each form's CPU rows a second and memory of `validate` and `ingest`."""
    market = scratch / f"market{count}"
    simulate(market, members=10, jobs=count, events=100)
    rows: list[dict[str, Any]] = []
    base: dict[str, float] = {}
    for form in dict.fromkeys((PARQUET, *forms)):
        folder = scratch / f"{form.replace(' ', '_')}{count}"
        folder.mkdir()
        FORMS[form](market / "jobs", folder)
        into = scratch / f"{folder.name}-workspace"
        for command in (["validate", str(folder)], ["ingest", "--data", str(folder), "--workspace", str(into)]):
            cost = measured(command)
            case, rate = f"{command[0]}, {count:,} rows", count / cost.cpu
            base.setdefault(command[0], rate)
            rows.append(row(case, form, "rows_per_cpu_s", rate, "1/s"))
            rows.append(row(case, form, f"of_{PARQUET.lower()}", rate / base[command[0]], "x"))
            rows.append(row(case, form, "peak_mb", cost.memory / 1e6, "MB"))
    return rows


def measured(arguments: Sequence[str]) -> Cost:
    """Run a command of `rolecall` to its end and say what it took."""
    process = subprocess.Popen([sys.executable, "-m", "rolecall", *arguments], stdout=subprocess.DEVNULL)
    watched, most, began = psutil.Process(process.pid), 0, time.monotonic()
    seconds: dict[int, float] = {}
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            most = max(most, sum(one.memory_info().rss for one in family))
            for one in family:
                used = one.cpu_times()
                seconds[one.pid] = used.user + used.system
        except psutil.NoSuchProcess:
            pass
        time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise SystemExit(f"rolecall {' '.join(arguments)} ended with {process.returncode}")
    return Cost(sum(seconds.values()), time.monotonic() - began, most)


def _batches(jobs: Path) -> Iterator[list[dict[str, Any]]]:
    for part in sorted(jobs.glob("*.parquet")):
        for batch in pq.ParquetFile(part).iter_batches(20_000):
            yield batch.to_pylist()


def as_parquet(jobs: Path, folder: Path) -> None:
    (folder / "jobs").symlink_to(jobs, target_is_directory=True)


def as_csv(jobs: Path, folder: Path) -> None:
    with (folder / "jobs.csv").open("w", newline="") as file:
        writer = None
        for batch in _batches(jobs):
            writer = writer or _header(csv.DictWriter(file, list(batch[0])))
            writer.writerows(job | {"skills": ";".join(job["skills"])} for job in batch)


def as_spreadsheet(jobs: Path, folder: Path) -> None:
    """What Excel saves in Germany, and the mapping that names its columns and words."""
    with (folder / "stellen.csv").open("w", newline="", encoding="cp1252", errors="replace") as file:
        writer = _header(csv.DictWriter(file, list(GERMAN.values()), delimiter=";"))
        for batch in _batches(jobs):
            writer.writerows(_in_german(job) for job in batch)
    lines = ["jobs:", "  files: [stellen.csv]", "  encoding: windows-1252", "  columns:"]
    for field, column in GERMAN.items():
        if field in ("employment", "workplace"):
            words = ", ".join(f"{word}: {value}" for value, word in SPOKEN.items() if _belongs(field, value))
            lines.append(f"    {field}: {{column: {column}, values: {{{words}}}}}")
        elif field in ("posted_at", "updated_at"):
            lines.append(f'    {field}: {{column: {column}, format: "%d.%m.%Y"}}')
        else:
            lines.append(f"    {field}: {column}")
    (folder / "mapping.yaml").write_text("\n".join(lines) + "\n")


def as_json_lines(jobs: Path, folder: Path) -> None:
    with (folder / "jobs.jsonl").open("w") as file:
        for batch in _batches(jobs):
            file.writelines(json.dumps(job, default=str) + "\n" for job in batch)


def as_feed(jobs: Path, folder: Path) -> None:
    """The XML that aggregators exchange."""
    with (folder / "jobs.xml").open("w") as file:
        file.write("<?xml version='1.0' encoding='utf-8'?>\n<source>\n")
        for job in (job for batch in _batches(jobs) for job in batch):
            cells = {
                "referencenumber": job["id"],
                "title": job["title"],
                "company": job["company"],
                "city": job["location"],
                "description": job["description"],
                "date": job["updated_at"].strftime("%a, %d %b %Y %H:%M:%S GMT"),
                "jobtype": job["employment"] or "",
            }
            inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in cells.items())
            file.write(f"<job>{inner}</job>\n")
        file.write("</source>\n")


FORMS: dict[str, Callable[[Path, Path], None]] = {
    PARQUET: as_parquet,
    "CSV": as_csv,
    "a spreadsheet's CSV": as_spreadsheet,
    "JSON lines": as_json_lines,
    "XML feed": as_feed,
}


def _header(writer: csv.DictWriter[str]) -> csv.DictWriter[str]:
    writer.writeheader()
    return writer


def _belongs(field: str, value: str) -> bool:
    return (value in ("onsite", "remote", "hybrid")) == (field == "workplace")


def _in_german(job: dict[str, Any]) -> dict[str, str]:
    cells = {field: job[field] for field in GERMAN}
    for field in ("salary_min", "salary_max"):
        cells[field] = f"{cells[field]:.2f}".replace(".", ",") if cells[field] is not None else ""
    for field in ("posted_at", "updated_at"):
        cells[field] = f"{cells[field]:%d.%m.%Y}" if cells[field] else ""
    cells["skills"] = ", ".join(cells["skills"])
    cells["employment"] = SPOKEN.get(cells["employment"], "")
    cells["workplace"] = SPOKEN.get(cells["workplace"], "")
    return {GERMAN[field]: value for field, value in cells.items()}


# --- dresses ---------------------------------------------------------------------------------------------------------


def dressed(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of the result file: how many of `count` dresses were read as the same, with all stated, or in silence."""
    drawn = random.Random(seed)
    outcomes = dict.fromkeys(("same", "stated", "silent"), 0)
    for _ in range(count):
        dress = Dress(
            drawn.choice(list(dresses.NAMES)),
            drawn.choice(list(dresses.WORDS)),
            drawn.choice(dresses.DATES),
            drawn.choice(dresses.FORMS),
            drawn.choice(dresses.DELIMITERS),
            drawn.choice(dresses.ENCODINGS),
            drawn.choice(dresses.SEPARATORS),
        )
        with tempfile.TemporaryDirectory() as folder:
            dresses.write(dress, Path(folder))
            found = dresses.compared(Path(folder))
        outcomes[found.outcome] += 1
        if found.silent:
            print(f"in silence: {dress}: {found.silent}")
    return [row("dresses of a board", outcome, "dresses", number, "") for outcome, number in outcomes.items()]


# --- a board of real adverts -----------------------------------------------------------------------------------------


def first_answer(postings: Path, adverts: int) -> list[dict[str, Any]]:
    """Rows of the result file: seconds from a folder with one file of adverts to the answer of `rolecall run`."""
    csv.field_size_limit(sys.maxsize)
    with tempfile.TemporaryDirectory() as scratch:
        board = Path(scratch) / "board"
        board.mkdir()
        with (postings / "tech_jobs.csv").open(newline="", errors="replace") as source:
            reader = csv.DictReader(source)
            with (board / "jobs.csv").open("w", newline="") as file:
                _header(csv.DictWriter(file, reader.fieldnames or [])).writerows(islice(reader, adverts))
        costs = {
            "validate --suggest": measured(["validate", str(board), "--suggest"]),
            "run": measured(["run", "--data", str(board), "--workspace", f"{scratch}/workspace"]),
        }
    case = f"{adverts:,} real adverts, no log"
    rows = [row(case, name, "seconds", cost.wall, "s") for name, cost in costs.items()]
    return [*rows, row(case, "run", "cpu_seconds", costs["run"].cpu, "s")]


def row(case: str, system: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}


# --- the page --------------------------------------------------------------------------------------------------------


def intake_tables(rows: Rows) -> dict[str, str]:
    """Speed by form and command, the dresses, and the board of real adverts."""
    named = by_name(rows)
    metrics = ("rows_per_cpu_s", f"of_{PARQUET.lower()}", "peak_mb")
    lines = []
    for case, form in dict.fromkeys((row["case"], row["system"]) for row in rows if row["metric"] == metrics[0]):
        lines.append([case, form, *(plain(named[case, form, metric]) for metric in metrics)])
    heads = ["command", "form", "rows a CPU second", "of Parquet's", "most memory"]
    counts = [[row["system"], f"{row['value']:.0f}"] for row in rows if row["metric"] == "dresses"]
    clocks = {"seconds": "on the clock", "cpu_seconds": "of the processor"}
    walls = [
        [row["case"], f"{row['system']}, {clocks[row['metric']]}", plain(row)]
        for row in rows
        if row["metric"] in clocks
    ]
    return {
        "intake": markdown_table(heads, lines),
        "dresses": markdown_table(["a board in other dress was read", "of a hundred"], counts),
        "adverts": markdown_table(["board", "command", "took"], walls),
        "made": made_by(rows),
    }


if __name__ == "__main__":
    main()
