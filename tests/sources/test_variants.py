"""Dresses of one clean board: each gives the same records, or findings that say what differs; none silently."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.records import Job
from sources import Reject, open_source
from sources.check import RowChecker
from sources.mapping.suggest import suggest, write_suggestion

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BOARD = [
    {
        "id": f"{n:04d}",
        "title": title,
        "company": company,
        "location": place,
        "workplace": workplace,
        "employment": employment,
        "skills": skills,
        "salary_min": low,
        "salary_max": high,
        "salary_period": period,
        "currency": "EUR",
        "posted_at": day,
        "updated_at": day,
    }
    for n, (title, company, place, workplace, employment, skills, low, high, period, day) in enumerate(
        [
            (
                "Krankenpfleger für Zürich",
                "Müller & Söhne",
                "Zürich, ZH",
                "onsite",
                "full_time",
                ["Triage", "EKG"],
                4500,
                5200,
                "month",
                "2026-05-25",
            ),
            (
                'Cook, "à la carte"',
                "Café Été",
                "Orléans",
                "hybrid",
                "part_time",
                ["Sauces"],
                15.5,
                18,
                "hour",
                "2026-05-13",
            ),
            (
                "Engineer; C++ | embedded",
                "Acme",
                "Denver, CO",
                "remote",
                "contract",
                ["C++", "Linux"],
                60000,
                80000,
                "year",
                "2026-04-30",
            ),
        ],
        start=17,
    )
]
NAMES = {
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
WORDS = {
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
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT00:00:00Z", "%d %B %Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d")
FORMS = ("csv", "tsv", "json", "jsonl", "parquet")


def dressed(names: str, words: str, date: str, form: str, separator: str) -> list[dict[str, object]]:
    """The board under other names, words and dates; lists in one cell where the form has no lists."""
    rows = []
    for job in BOARD:
        row: dict[str, object] = {}
        for name, value in job.items():
            if isinstance(value, list) and form in ("csv", "tsv"):
                value = separator.join(value)
            elif name in ("posted_at", "updated_at"):
                value = datetime.fromisoformat(str(value)).strftime(date)
            elif isinstance(value, str):
                value = WORDS[words].get(value, value)
            row[NAMES[names].get(name, name)] = value
        rows.append(row)
    return rows


def written(rows: list[dict[str, object]], form: str, delimiter: str, encoding: str) -> bytes:
    if form in ("json", "jsonl"):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        return (f"[{','.join(lines)}]" if form == "json" else "\n".join(lines)).encode()
    if form == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), delimiter="\t" if form == "tsv" else delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


CLEAN = [Job.model_validate(job) for job in BOARD]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sampled_from(list(NAMES)),
    words=st.sampled_from(list(WORDS)),
    date=st.sampled_from(DATES),
    form=st.sampled_from(FORMS),
    delimiter=st.sampled_from([",", ";", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    separator=st.sampled_from([";", "|", ", ", "\n"]),
)
def test_no_dress_of_a_board_is_read_as_another_board_in_silence(
    tmp_path_factory: pytest.TempPathFactory,
    names: str,
    words: str,
    date: str,
    form: str,
    delimiter: str,
    encoding: str,
    separator: str,
) -> None:
    folder: Path = tmp_path_factory.mktemp("dress")
    rows = dressed(names, words, date, form, separator)
    (folder / f"jobs.{form}").write_bytes(written(rows, form, delimiter, encoding))
    if names in ("german", "french"):
        write_suggestion(suggest(folder), folder / "mapping.yaml")
    source = open_source(folder)
    checker = RowChecker(NOW, source=source)
    found = [checker.check(row) for shard in source.shards("jobs") for row in source.read(shard)]
    said = {finding.field for finding in checker.findings.rows}
    suggested = (folder / "mapping.yaml").read_text() if (folder / "mapping.yaml").exists() else ""
    for job, clean in zip(found, CLEAN, strict=True):
        if isinstance(job, Reject):
            assert job.reason in ("bad_date", "ambiguous_date"), job
            continue
        for name in Job.model_fields:
            other = getattr(job, name) != getattr(clean, name)
            assert not other or name in said or f"# to say: {name}" in suggested, (name, getattr(job, name), job)
