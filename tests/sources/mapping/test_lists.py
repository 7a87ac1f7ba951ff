"""Rows inside rows, rows under their ids, and lists that stand in a table of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import BadInput
from sources import Reject, open_source
from sources.mapping.model import read_mapping
from sources.mapping.suggest import suggest, write_suggestion
from tests.make import refused

USERS = "user,title,updated_at\n7,Cook,2025-01-01\n8,Nurse,2025-01-01\n"
HISTORY = "user,job title,from\n7,Waiter,2019-01-01\n7,Cook,2021-01-01\n9,Pilot,2020-01-01\n"
MEMBERS = """
members:
  files: [users.csv]
  columns: {id: user, headline: title}
  lists:
    positions:
      files: [history.csv]
      of: user
      columns: {title: job title, start: from}
    skills: {files: ["skills*.csv"], of: user, column: skill}
"""


def people(folder: Path, mapping: str = MEMBERS, history: str = HISTORY) -> Path:
    (folder / "users.csv").write_text(USERS)
    (folder / "jobs.csv").write_text("id,title,updated_at\n1,Cook,2025-01-01\n")
    (folder / "history.csv").write_text(history)
    (folder / "skills-1.csv").write_text("user,skill\n7,Sauces\n7.0,Baking\n")
    (folder / "mapping.yaml").write_text(mapping)
    return folder


def test_lists_of_a_table_of_their_own_are_of_the_record_that_they_name(tmp_path: Path, read: Callable) -> None:
    cook, nurse = read(people(tmp_path), "members")
    assert [(position.title, position.start.year) for position in cook.positions] == [("Cook", 2021), ("Waiter", 2019)]
    assert cook.skills == ("Sauces", "Baking")
    assert nurse.positions == () and nurse.skills == ()


def test_a_changed_list_is_read_again(tmp_path: Path, read: Callable) -> None:
    read(people(tmp_path), "members")
    cook, _ = read(people(tmp_path, history=HISTORY.replace("Waiter", "Dishwasher")), "members")
    assert cook.positions[1].title == "Dishwasher"


def test_what_is_not_read_of_a_list_is_said(tmp_path: Path) -> None:
    source = open_source(people(tmp_path, history=HISTORY + ",Clerk,2020-01-01\n"))
    rows = [row for shard in source.shards("members") for row in source.read(shard)]
    said = [finding for row in rows for finding in row.findings]
    assert [(f.field, f.reason, f.shape) for f in said] == [
        ("positions of history.csv", "missing_field", ""),
        ("positions of history.csv", "of_no_record", "1 rows"),
    ]


def test_values_of_no_record_are_said_once_whatever_file_has_the_records(tmp_path: Path) -> None:
    folder = people(tmp_path, mapping=MEMBERS.replace("users.csv", "users*.csv"))
    (folder / "users-2.csv").write_text("user,title,updated_at\n9,Pilot,2025-01-01\n")
    (folder / "skills-1.csv").write_text("user,skill\n7,Sauces\n11,Baking\n11,Milling\n12,Sewing\n")
    source = open_source(folder)
    said = [finding for shard in source.shards("members") for row in source.read(shard) for finding in row.findings]
    assert [str(finding) for finding in said] == ["skills of skills-1.csv 3 rows: of_no_record, left out"]


@pytest.mark.parametrize(
    ("written", "instead", "named"),
    [
        ("[history.csv]", "[past.csv]", ("members.lists.positions.files", "past.csv", "history.csv")),
        ("start: from", "start: since", ("members.lists.positions", "since", "from")),
        ("      of: user", "      of: person", ("members.lists.positions", "person", "user")),
        ("title: job title", "name: job title", ("positions has no name", "title")),
        ("    positions:", "    postions:", ("members have no list postions", "positions")),
        ("of: user, column: skill", "of: user, columns: {a: b}", ("skills is a list of words", "column")),
        ("      columns: {title: job title, start: from}", "      column: from", ("list of records", "columns")),
    ],
)
def test_a_list_that_names_what_is_not_there_is_refused(
    tmp_path: Path, written: str, instead: str, named: tuple[str, ...]
) -> None:
    with refused(BadInput, *named, where="mapping.yaml"):
        open_source(people(tmp_path, MEMBERS.replace(written, instead)))


def test_a_list_needs_its_columns(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("members: {lists: {skills: {files: a.csv, of: user}}}\n")
    with refused(BadInput, "column"):
        read_mapping(tmp_path / "m.yaml")


# --- rows under their ids, rows in rows ------------------------------------------------------------------------------


def candidacies(folder: Path, jobs: int = 30) -> Path:
    """What an applicant-tracking system exports: jobs and people under their ids, candidacies in each job."""
    vagas, prospects, people = {}, {}, {}
    said = ("Contratado pela empresa", "Não Aprovado pelo Cliente", "Entrevista Técnica", "Inscrito", "Encaminhado")
    for n in range(jobs):
        day = f"{n % 15 + 13}-03-2021"
        vagas[str(500 + n)] = {
            "basicas": {"titulo_vaga": f"Analista {n}", "data_requicisao": day},
            "perfil": {"cidade": "Recife", "estado": "PE"},
        }
        people[str(9000 + n)] = {
            "infos": {"objetivo_profissional": "Analista", "data_atualizacao": day},
            "cv_pt": "SQL",
        }
        asked = {"codigo": str(9000 + n), "situacao_candidado": said[n % 5], "data_candidatura": day}
        prospects[str(500 + n)] = {"titulo": f"Analista {n}", "prospects": [asked] if n else []}
    for name, table in (("vagas", vagas), ("prospects", prospects), ("applicants", people)):
        (folder / f"{name}.json").write_text(json.dumps(table, ensure_ascii=False))
    return folder


def test_candidacies_inside_their_jobs_are_understood(tmp_path: Path, read: Callable) -> None:
    folder = candidacies(tmp_path)
    write_suggestion(suggest(folder), folder / "mapping.yaml")
    jobs, members, events = (read(folder, table) for table in ("jobs", "members", "events"))
    assert (len(jobs), len(members), len(events)) == (30, 30, 29)
    assert (jobs[1].id, jobs[1].title, jobs[1].location) == ("501", "Analista 1", "Recife, PE")
    assert (members[1].id, members[1].headline, members[1].summary) == ("9001", "Analista", "SQL")
    assert [(e.member_id, e.job_id, e.action, e.time.day) for e in events[:5]] == [
        ("9001", "501", "reject", 14),
        ("9002", "502", "interview", 15),
        ("9003", "503", "apply", 16),
        ("9004", "504", "shortlist", 17),
        ("9005", "505", "hire", 18),
    ]


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("Desistiu da Contratação", "apply"),
        ("Não Aprovado pelo RH", "reject"),
        ("Proposta Aceita", "hire"),
        ("Rejected after interview", "reject"),
        ("Absage", "reject"),
        ("Vorstellungsgespräch geplant", "interview"),
        ("on Mars", None),
        ("Not hired", None),
        ("Do not hire", None),
        ("Hired elsewhere", None),
        ("No interview", None),
        ("Nicht eingestellt", None),
        ("Not selected", "reject"),
        ("Interview rejected", "reject"),
        ("Offer Declined", "reject"),
    ],
)
def test_a_status_is_the_action_that_it_says_first(tmp_path: Path, status: str, action: str | None) -> None:
    (tmp_path / "applications.csv").write_text(f"candidate id,job id,date,status\nc,j,2025-01-01,{status}\n")
    (tmp_path / "jobs.csv").write_text("id,title\nj,Cook\n")
    section = suggest(tmp_path)["events"]
    assert section.columns["action"]["values"] == {status: action}
    assert any(status in line for line in section.open) == (action is None)


def test_rows_under_their_ids_need_no_mapping(tmp_path: Path, read: Callable) -> None:
    rows = {"17": {"title": "Cook", "updated_at": "2025-01-01"}, "18": {"title": "Nurse", "updated_at": "2025-01-01"}}
    (tmp_path / "jobs.json").write_text(json.dumps(rows | {"19": "nothing"}))
    cook, nurse, other = read(tmp_path, "jobs")
    assert (cook.id, nurse.id) == ("17", "18")
    assert isinstance(other, Reject) and other.reason == "bad_json"


def test_what_the_mapping_calls_rows_and_is_no_list_is_set_aside(tmp_path: Path, read: Callable) -> None:
    rows = [{"id": "1", "steps": [{"title": "Cook"}, {"title": "Nurse"}]}, {"id": "2", "steps": "none"}, {"id": "3"}]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    mapping = "jobs: {rows: steps, columns: {id: steps.title, title: steps.title, updated_at: {constant: 2025-01-01}}}"
    (tmp_path / "mapping.yaml").write_text(mapping)
    cook, nurse, other = read(tmp_path, "jobs")
    assert (cook.id, nurse.id) == ("Cook", "Nurse")
    assert isinstance(other, Reject) and "steps" in other.detail


def test_a_table_of_positions_beside_its_people_is_suggested_as_their_list(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "users.tsv").write_text("UserID\tTotalYearsExperience\tUpdated\n7\t10\t2025-01-01\n8\t3\t2025-01-01\n")
    (tmp_path / "user_history.tsv").write_text("UserID\tSequence\tJobTitle\n7\t1\tCook\n7\t2\tWaiter\n8\t1\tNurse\n")
    (tmp_path / "jobs.tsv").write_text("JobID\tTitle\tStartDate\n1\tCook\t2025-01-01\n")
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    cook, nurse = read(tmp_path, "members")
    assert [position.title for position in cook.positions] == ["Cook", "Waiter"]
    assert [position.title for position in nurse.positions] == ["Nurse"]
    assert cook.seniority is None


def test_the_name_of_a_column_counts_where_people_and_jobs_have_the_same_ids(tmp_path: Path) -> None:
    numbers = [str(n) for n in range(40)]
    (tmp_path / "jobs.csv").write_text("id,title\n" + "".join(f"{n},Cook\n" for n in numbers))
    (tmp_path / "members.csv").write_text("id,headline\n" + "".join(f"{n},Cook\n" for n in numbers))
    log = "".join(f"{n},{n},2025-01-01\n" for n in numbers)
    (tmp_path / "applications.csv").write_text("applicant,job,date\n" + log)
    columns = suggest(tmp_path)["events"].columns
    assert (columns["member_id"], columns["job_id"]) == ("applicant", "job")
