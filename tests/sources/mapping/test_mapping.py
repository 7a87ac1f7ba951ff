"""A mapping file says which column is which field and which word is which value; what does not fit is named by line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, MissingColumn, NotReady
from contracts.records import RECORDS
from sources import Reject, open_source
from sources.mapping.fields import heading
from sources.mapping.model import fields_of, read_mapping
from tests.make import refused

STELLEN = """Nr;Titel;Ort;Land;Art;Datum;Kenntnisse;Notiz
17;Pfleger;Bern;CH;VZ;5/25;a / b;x
18;Koch;;CH;Aushilfe;6/25;c;
"""
MAPPING = """
jobs:
  files: [stellen.csv]
  columns:
    id: Nr
    title: Titel
    location: [Ort, Land]
    employment: {column: Art, values: {vz: full_time, AUSHILFE: null}}
    updated_at: {column: Datum, format: "%m/%y"}
    skills: {column: Kenntnisse, separator: "/"}
    currency: {constant: EUR}
    company: {column: Firma, default: Spital}
  ignore: [Notiz]
"""


def board(folder: Path, mapping: str = MAPPING, table: str = STELLEN) -> Path:
    (folder / "stellen.csv").write_text(table)
    (folder / "mapping.yaml").write_text(mapping)
    return folder


def test_a_mapping_in_the_folder_is_found_and_does_what_it_says(tmp_path: Path, read: Callable) -> None:
    folder = board(tmp_path, table=STELLEN.replace("Notiz", "Notiz;Firma").replace(";x\n", ";x;Klinik\n"))
    nurse, cook = read(folder, "jobs")
    assert (nurse.id, nurse.title, nurse.location, nurse.company) == ("17", "Pfleger", "Bern, CH", "Klinik")
    assert (nurse.employment, nurse.currency, nurse.skills) == ("full_time", "EUR", ("a", "b"))
    assert (nurse.updated_at.year, nurse.updated_at.month) == (2025, 5)
    assert (cook.location, cook.employment, cook.company) == ("CH", None, "Spital")
    assert open_source(folder).ignored_columns() == {}


def test_a_mapping_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = board(tmp_path, table=STELLEN.replace("Notiz", "Firma"))
    elsewhere = (folder / "mapping.yaml").rename(folder / "other.yaml")
    assert open_source(folder, mapping=elsewhere).tables == ("jobs",)
    with refused(NotReady, "missing.yaml", "--suggest"):
        open_source(folder, mapping=folder / "missing.yaml")


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        ("title: Titel", "titel: Titel", ["line 6", "titel", "title"]),
        ("title: Titel", "title: Titel\n    title: Nr", ["line 7", "twice"]),
        ("vz: full_time", "vz: vollzeit", ["line 8", "vollzeit", "full_time"]),
        ("constant: EUR", "constant: EUR, column: Nr", ["line 11", "currency"]),
        ("{constant: EUR}", "{}", ["line 11", "currency"]),
        ("title: Titel", "title: {colum: Titel}", ["line 6", "colum"]),
        ("jobs:", "stellen:", ["line 2", "stellen"]),
        ("ignore:", "encoding: klingon\n  ignore:", ["klingon", "windows-1252"]),
    ],
)
def test_what_the_mapping_gets_wrong_is_named_with_its_line(
    tmp_path: Path, before: str, after: str, values: list[str]
) -> None:
    with refused(BadInput, *values, where="mapping.yaml"):
        open_source(board(tmp_path, MAPPING.replace(before, after)))


def test_a_column_that_no_file_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    mapping = MAPPING.replace("company: {column: Firma, default: Spital}", "")
    with refused(BadInput, "jobs.columns.company", "Firma", "Nr", where="mapping.yaml"):
        open_source(board(tmp_path)).shards("jobs")
    with refused(BadInput, "jobs.columns.title", "'Titel'", where="mapping.yaml"):
        open_source(board(tmp_path, mapping.replace("title: Titel", "title: Titl"))).shards("jobs")
    with refused(MissingColumn, "title", "Titel", where="stellen.csv"):
        open_source(board(tmp_path, mapping.replace("title: Titel", ""))).shards("jobs")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with refused(BadInput, "jobs.files", "stelle.csv", "stellen.csv", where="mapping.yaml"):
        open_source(board(tmp_path, MAPPING.replace("stellen.csv", "stelle.csv")))


def test_a_part_of_an_object_may_be_a_column(tmp_path: Path, read: Callable) -> None:
    job = {
        "id": "1",
        "title": "Nurse",
        "updated_at": "2025-05-01",
        "pay": {"least": 40_000, "unit": "year", "bonus": 5},
    }
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    (tmp_path / "mapping.yaml").write_text("jobs:\n  columns: {salary_min: pay.least, salary_period: pay.unit}\n")
    assert read(tmp_path, "jobs")[0].salary_min == 40_000
    source = open_source(tmp_path)
    [row] = [row for shard in source.shards("jobs") for row in source.read(shard)]
    assert [finding.shape for finding in row.findings] == ["pay.bonus"]


def test_a_date_that_is_not_as_the_mapping_says_is_set_aside(tmp_path: Path, read: Callable) -> None:
    mapping = MAPPING.replace("company: {column: Firma, default: Spital}", "")
    _, reject = read(board(tmp_path, mapping, STELLEN.replace("6/25", "June")), "jobs")
    assert isinstance(reject, Reject) and reject.reason == "bad_date"
    assert "updated_at" in reject.detail and "%m/%y" in reject.detail and "Koch" in reject.raw


def test_one_file_may_hold_two_tables(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "bewerbungen.csv").write_text("wer,stelle,titel,wann\nm1,j1,Nurse,2025-05-01\n")
    (tmp_path / "mapping.yaml").write_text(
        "jobs:\n  files: bewerbungen.csv\n  columns: {id: stelle, title: titel, updated_at: wann}\n"
        "events:\n  files: bewerbungen.csv\n  columns:\n    id: {column: [wer, stelle, wann], join: '-'}\n"
        "    member_id: wer\n    job_id: stelle\n    time: wann\n    action: {constant: apply}\n"
    )
    [job], [event] = read(tmp_path, "jobs"), read(tmp_path, "events")
    assert (job.id, job.title, event.id, event.job_id, event.action) == (
        "j1",
        "Nurse",
        "m1-j1-2025-05-01",
        "j1",
        "apply",
    )


def test_a_part_of_a_field_may_have_a_column(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text("id,title,updated_at\n1,Nurse,2025-05-01\n")
    (tmp_path / "members.csv").write_text("id,updated_at,wish,pay\nm,2025-05-01,Nurse;Carer,50000\n")
    columns = "{preferences.titles: wish, preferences.salary_min: pay}"
    (tmp_path / "mapping.yaml").write_text(f"members:\n  columns: {columns}\n")
    [member] = read(tmp_path, "members")
    assert (member.preferences.titles, member.preferences.salary_min) == (("Nurse", "Carer"), 50_000)


@pytest.mark.parametrize("table", RECORDS)
def test_every_field_of_a_record_may_be_mapped(table: str, tmp_path: Path) -> None:
    for name, options in fields_of(table):
        word = f"{{column: c, values: {{w: {options[0]}}}}}" if options else "c"
        (tmp_path / "mapping.yaml").write_text(f"{table}:\n  columns:\n    {name}: {word}\n")
        assert list(read_mapping(tmp_path / "mapping.yaml").of(table).columns) == [name]


@given(st.text(max_size=30))
def test_a_heading_reads_the_same_again(name: str) -> None:
    assert heading(heading(name)) == heading(name)
