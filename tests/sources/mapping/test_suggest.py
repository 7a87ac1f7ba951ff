"""The suggested mapping of a folder reads its rows, whatever language its columns are in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import UnknownSource
from contracts.records import Event, Job, Member
from sources import open_source
from sources.mapping.suggest import suggest, write_suggestion
from tests.make import refused

BOARDS = {
    "english": (
        ("Job Postings.csv", "Job ID,Job Title,Company Name,City,State,Job Type,Remote,Required Skills,Date Posted"),
        ("17,Nurse,Acme,Denver,CO,FULL_TIME,Remote OK,Triage|ICU,2025-05-01"),
        ("candidates.csv", "Candidate ID,Current Title,City,Key Skills,Last Updated"),
        ("applications.csv", "Candidate ID,Job ID,Applied On"),
    ),
    "german": (
        ("Stellen.csv", "Stellen-Nr,Stellentitel,Firma,Ort,Bundesland,Art,Homeoffice,Kenntnisse,Online seit"),
        ("17,Nurse,Acme,Denver,CO,Vollzeit,100% Homeoffice,Triage|ICU,2025-05-01"),
        ("Bewerber.csv", "Bewerber-ID,Beruf,Wohnort,Fähigkeiten,Aktualisiert am"),
        ("Bewerbungen.csv", "Bewerber-ID,Stellen-Nr,Beworben am"),
    ),
    "spanish": (
        ("ofertas.csv", "Código,Puesto,Empresa,Ciudad,Provincia,Jornada,Modalidad,Habilidades,Fecha de publicación"),
        ("17,Nurse,Acme,Denver,CO,Jornada completa,Remoto,Triage|ICU,2025-05-01"),
        ("candidatos.csv", "ID candidato,Profesión,Ciudad,Competencias,Actualizado"),
        ("postulaciones.csv", "ID candidato,ID oferta,Fecha de postulación"),
    ),
    "portuguese": (
        ("vagas.csv", "Código da vaga,Cargo,Empresa,Cidade,UF,Tipo de vaga,Modalidade,Competências,Data de publicação"),
        ("17,Nurse,Acme,Denver,CO,Tempo integral,Remoto,Triage|ICU,2025-05-01"),
        ("candidatos.csv", "ID candidato,Profissão,Cidade,Habilidades,Atualizado em"),
        ("candidaturas.csv", "ID candidato,ID vaga,Data da candidatura"),
    ),
    "french": (
        ("offres.csv", "Référence,Poste,Entreprise,Ville,Département,Contrat,Télétravail,Compétences,Publié le"),
        ("17,Nurse,Acme,Denver,CO,Temps plein,Télétravail,Triage|ICU,2025-05-01"),
        ("candidats.csv", "ID candidat,Métier,Ville,Compétences,Mis à jour"),
        ("candidatures.csv", "ID candidat,ID offre,Date de candidature"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", BOARDS)
def test_a_board_of_any_language_is_understood(tmp_path: Path, read: Callable, language: str) -> None:
    (jobs, names), row, (people, member_names), (log, event_names) = BOARDS[language]
    (tmp_path / jobs).write_text(f"{names}\n{row}\n", "utf-8")
    (tmp_path / people).write_text(f"{member_names}\nB1,Nurse,Denver,Triage|ICU,2025-05-01\n", "utf-8")
    (tmp_path / log).write_text(f"{event_names}\nB1,17,2025-05-02T10:00:00\n", "utf-8")
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    [job], [member], [event] = (read(tmp_path, table) for table in ("jobs", "members", "events"))
    assert isinstance(job, Job) and isinstance(member, Member) and isinstance(event, Event)
    assert (job.id, job.title, job.company, job.location) == ("17", "Nurse", "Acme", "Denver, CO")
    assert (job.employment, job.workplace, job.skills) == ("full_time", "remote", ("Triage", "ICU"))
    assert job.posted_at is not None and (job.posted_at.day, job.updated_at.day) == (1, 1)
    assert (member.id, member.headline, member.location) == ("B1", "Nurse", "Denver")
    assert (event.member_id, event.job_id, event.action, event.time.day) == ("B1", "17", "apply", 2)


def test_what_is_not_sure_is_left_to_say(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("Ref,Title,Job Type,Date,Colour\n1,Nurse,whenever,2025-05-01,red\n")
    sections = suggest(tmp_path)
    assert [line for line in sections["jobs"].open if "whenever" in line]
    assert sections["jobs"].unused == ["Colour"]
    write_suggestion(sections, tmp_path / "mapping.yaml")
    text = (tmp_path / "mapping.yaml").read_text()
    assert "# to say: employment 'whenever'" in text and "# without a field: Colour" in text
    assert open_source(tmp_path).shards("jobs")


def test_a_folder_of_which_no_table_can_be_told_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text("day,rain\n1,2\n")
    with refused(UnknownSource, "weather.csv", where=tmp_path):
        suggest(tmp_path)


def test_a_spreadsheet_of_applications_alone_gives_its_jobs_too(tmp_path: Path, read: Callable) -> None:
    text = "Email,Job Ref,Job Title,Company,Application Date\na@example.org,17,Nurse,Acme,2025-05-01\n"
    (tmp_path / "applications 2025.csv").write_text(text)
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    [job], [event] = read(tmp_path, "jobs"), read(tmp_path, "events")
    assert (job.id, job.title, event.job_id, event.action) == ("17", "Nurse", "17", "apply")


def test_files_whose_headings_differ_in_case_share_a_mapping(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs_2026-05.csv").write_text("job id,Name of job,last-updated\n1,Cook,2025-01-01\n")
    (tmp_path / "jobs_2026-06.csv").write_text("Job ID;NAME OF JOB;Last Updated\n2;Nurse;2025-01-02\n")
    columns = "columns: {id: job id, title: Name of job, updated_at: last-updated}"
    (tmp_path / "mapping.yaml").write_text(f"jobs:\n  files: ['jobs*.csv']\n  {columns}\n")
    assert [(job.id, job.title) for job in read(tmp_path, "jobs")] == [("1", "Cook"), ("2", "Nurse")]
    (tmp_path / "mapping.yaml").unlink()
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    assert len(read(tmp_path, "jobs")) == 2


def test_two_steps_of_one_day_are_two_events(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text("id,title,updated_at\n1,Cook,2025-01-01\n")
    log = "candidate id,job id,date,status\nc,1,2025-01-02,Applied\nc,1,2025-01-02,Interview\n"
    (tmp_path / "applications.csv").write_text(log)
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    events = read(tmp_path, "events")
    assert [event.action for event in events] == ["apply", "interview"] and len({event.id for event in events}) == 2


def test_requirements_in_sentences_are_text_and_no_skills(tmp_path: Path, read: Callable) -> None:
    said = "You have worked for at least two years in a kitchen that serves more than a hundred guests a day"
    rows = "".join(f'{n},Cook,Grill.,"{said}",2025-01-01\n' for n in range(3))
    (tmp_path / "jobs.csv").write_text(f"Job ID,Title,Description,Requirements,StartDate\n{rows}")
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    job = read(tmp_path, "jobs")[0]
    assert job.skills == () and "Grill." in job.description and "kitchen" in job.description


def test_a_column_that_asks_for_remote_is_a_way_of_working(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(
        "job_id,title,remote_allowed,listed_time\n1,Cook,1.0,2025-01-01\n2,Nurse,0.0,2025-01-01\n"
    )
    write_suggestion(suggest(tmp_path), tmp_path / "mapping.yaml")
    assert [job.workplace for job in read(tmp_path, "jobs")] == ["remote", None]
