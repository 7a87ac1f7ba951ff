"""A clean board of three adverts, and the dresses in which people would hand it over: names, words, dates, forms.

Each dress has to load to the same records, or with a finding that names the field; `compared` says which it was. The
test draws dresses at random (`tests/sources/test_variants.py`), the benchmark counts a hundred (`benchmarks.intake`).
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import Job
from sources import Reject, open_source
from sources.check import RowChecker
from sources.mapping.suggest import suggest, write_suggestion

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BOARD: list[dict[str, object]] = [
    {
        "id": "0017",
        "title": "Krankenpfleger für Zürich",
        "company": "Müller & Söhne",
        "location": "Zürich, ZH",
        "workplace": "onsite",
        "employment": "full_time",
        "skills": ["Triage", "EKG"],
        "salary_min": 4500,
        "salary_max": 5200,
        "salary_period": "month",
        "currency": "EUR",
        "posted_at": "2026-05-25",
        "updated_at": "2026-05-25",
    },
    {
        "id": "0018",
        "title": 'Cook, "à la carte"',
        "company": "Café Été",
        "location": "Orléans",
        "workplace": "hybrid",
        "employment": "part_time",
        "skills": ["Sauces"],
        "salary_min": 15.5,
        "salary_max": 18,
        "salary_period": "hour",
        "currency": "EUR",
        "posted_at": "2026-05-13",
        "updated_at": "2026-05-13",
    },
    {
        "id": "0019",
        "title": "Engineer; C++ | embedded",
        "company": "Acme",
        "location": "Denver, CO",
        "workplace": "remote",
        "employment": "contract",
        "skills": ["C++", "Linux"],
        "salary_min": 60000,
        "salary_max": 80000,
        "salary_period": "year",
        "currency": "EUR",
        "posted_at": "2026-04-30",
        "updated_at": "2026-04-30",
    },
]
NAMES: dict[str, dict[str, str]] = {
    "plain": {},
    "shouted": {name: name.upper() for name in BOARD[0]},
    "spaced": {name: name.replace("_", " ").title() for name in BOARD[0]},
    "german": {
        "id": "Stellen-Nr",
        "title": "Stellentitel",
        "company": "Firma",
        "location": "Ort",
        "workplace": "Homeoffice",
        "employment": "Anstellungsart",
        "skills": "Kenntnisse",
        "salary_min": "Gehalt von",
        "salary_max": "Gehalt bis",
        "salary_period": "Zeitraum",
        "currency": "Währung",
        "posted_at": "Veröffentlicht am",
        "updated_at": "Geändert am",
    },
    "french": {
        "id": "Référence",
        "title": "Intitulé",
        "company": "Entreprise",
        "location": "Lieu",
        "workplace": "Télétravail",
        "employment": "Type de contrat",
        "skills": "Compétences",
        "salary_min": "Salaire min",
        "salary_max": "Salaire max",
        "salary_period": "Période",
        "currency": "Devise",
        "posted_at": "Publié le",
        "updated_at": "Mis à jour",
    },
}
"""Name of a dress -> field -> column; a field that is not there keeps its name."""
WORDS: dict[str, dict[str, str]] = {
    "plain": {},
    "schema.org": {"full_time": "FULL_TIME", "part_time": "PART_TIME", "contract": "CONTRACTOR", "hour": "HOUR"},
    "german": {
        "full_time": "Vollzeit",
        "part_time": "Teilzeit",
        "onsite": "vor Ort",
        "month": "Monat",
        "hour": "Stunde",
    },
    "loose": {"full_time": "Full-Time", "remote": "Remote OK", "year": "per year", "hybrid": "Hybrid"},
    "nonsense": {"full_time": "whenever", "remote": "on Mars"},
}
"""Name of a dress -> value -> the word for it."""
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT00:00:00Z", "%d %B %Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d")
FORMS = ("csv", "tsv", "json", "jsonl", "parquet")
DELIMITERS = (",", ";", "|")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
SEPARATORS = (";", "|", ", ", "\n")
CLEAN = [Job.model_validate(job) for job in BOARD]


class Dress(NamedTuple):
    """One way to hand the board over.

    Attributes:
        names: One of `NAMES`.
        words: One of `WORDS`.
        date: How a date is written, as `strftime` has it.
        form: One of `FORMS`.
        delimiter: Between cells of a CSV.
        encoding: Of a CSV or TSV.
        separator: Between several values of one cell.
    """

    names: str
    words: str
    date: str
    form: str
    delimiter: str
    encoding: str
    separator: str


class Compared(NamedTuple):
    """What a dress was read as.

    Attributes:
        outcome: "same": the clean records. "stated": other records, each difference named by a finding or in the
            suggested mapping, or rows that were set aside with their reason. "silent": anything else.
        silent: The differences that nothing names, as (id, field, value read).
    """

    outcome: Literal["same", "stated", "silent"]
    silent: list[tuple[str, str, object]]


def write(dress: Dress, folder: Path) -> None:
    """Write the board in its dress, and the mapping that is suggested where the names are foreign."""
    (folder / f"jobs.{dress.form}").write_bytes(_written(_rows(dress), dress))
    if dress.names in ("german", "french"):
        write_suggestion(suggest(folder), folder / "mapping.yaml")


def compared(folder: Path) -> Compared:
    """Read a dressed board as `rolecall ingest` does and compare it with the clean one."""
    source = open_source(folder)
    checker = RowChecker(NOW, source=source)
    found = [checker.check(row) for shard in source.shards("jobs") for row in source.read(shard)]
    said = {finding.field for finding in checker.findings.rows}
    mapping = folder / "mapping.yaml"
    suggested = mapping.read_text() if mapping.exists() else ""
    silent: list[tuple[str, str, object]] = []
    differs = False
    for job, clean in zip(found, CLEAN, strict=True):
        if isinstance(job, Reject):
            differs = True
            if job.reason not in ("bad_date", "ambiguous_date"):
                silent.append((clean.id, job.reason, job.detail))
            continue
        for name in Job.model_fields:
            value = getattr(job, name)
            if value != getattr(clean, name):
                differs = True
                if name not in said and f"# to say: {name}" not in suggested:
                    silent.append((clean.id, name, value))
    return Compared("silent" if silent else "stated" if differs else "same", silent)


def _rows(dress: Dress) -> list[dict[str, object]]:
    rows = []
    for job in BOARD:
        row: dict[str, object] = {}
        for name, value in job.items():
            if isinstance(value, list) and dress.form in ("csv", "tsv"):
                value = dress.separator.join(value)
            elif name in ("posted_at", "updated_at"):
                value = datetime.fromisoformat(str(value)).strftime(dress.date)
            elif isinstance(value, str):
                value = WORDS[dress.words].get(value, value)
            row[NAMES[dress.names].get(name, name)] = value
        rows.append(row)
    return rows


def _written(rows: list[dict[str, object]], dress: Dress) -> bytes:
    if dress.form in ("json", "jsonl"):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        return (f"[{','.join(lines)}]" if dress.form == "json" else "\n".join(lines)).encode()
    if dress.form == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if dress.form == "tsv" else dress.delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(dress.encoding)
