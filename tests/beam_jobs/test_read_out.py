"""As job records are written, what their adverts say of empty fields is read, by the board's own names of skills."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs import ingest
from beam_jobs.loads import read_loads, undo
from contracts.records import Job
from contracts.tables import latest, parts, read_records, read_table
from contracts.text.adverts.skills import saved_gazetteer
from contracts.workspace import Workspace

WHEN = "2024-01-02T00:00:00Z"
ADVERT = {
    "id": "a",
    "title": "Senior Carer",
    "description": "Location: Austin, TX. Pay: $30 per hour. Requirements: palliative care, first rites.",
    "updated_at": WHEN,
}
LISTING = [
    {"id": "b", "title": "Carer", "skills": ["Palliative Care"], "updated_at": WHEN},
    {"id": "c", "title": "Carer", "skills": ["palliative care", "First Rites"], "updated_at": WHEN},
]


@pytest.fixture
def load(tmp_path: Path, workspace: Workspace) -> Callable[..., None]:
    def run(jobs: list[dict], members: list[dict] | None = None) -> None:
        folder = tmp_path / f"raw{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for table, rows in {"jobs": jobs, "members": members or []}.items():
            (folder / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ingest.run(["--workspace", str(workspace.root), "--source", str(folder)])

    return run


def newest(workspace: Workspace) -> dict[str, Job]:
    rows = latest(read_records(workspace.records, "jobs", list(Job.model_fields)), "id", "updated_at").to_pylist()
    return {row["id"]: Job.model_validate(row) for row in rows}


def test_a_first_load_is_read_by_its_own_names(load: Callable, workspace: Workspace) -> None:
    load([ADVERT, *LISTING], [{"id": "m", "skills": ["First Rites"], "updated_at": WHEN}])
    jobs = newest(workspace)
    job = jobs["a"]
    assert job.read_out == ("skills", "seniority", "pay", "location")
    assert job.skills == ("Palliative Care", "First Rites") and job.seniority == "senior"
    assert (job.location, job.salary_min, job.salary_period) == ("Austin, TX", 30, "hour")
    assert jobs["b"].read_out == () and jobs["b"].skills == ("Palliative Care",)
    assert json.loads(workspace.skills.read_text()) == {"First Rites": 2}


def test_skills_that_were_read_teach_no_names(load: Callable, workspace: Workspace) -> None:
    load([ADVERT, *LISTING, {**LISTING[0], "id": "d"}])
    load([{**ADVERT, "id": "e"}, {**ADVERT, "id": "f"}])
    assert json.loads(workspace.skills.read_text()) == {"Palliative Care": 2}
    assert newest(workspace)["e"].skills == ("Palliative Care",)
    said = saved_gazetteer(workspace.skills).read([("palliative care", ["palliative", "care"])], lambda: "english")
    assert said.names == ("Palliative Care",)


def test_what_was_read_is_no_edit(load: Callable, workspace: Workspace) -> None:
    load([ADVERT])
    load([ADVERT, {**ADVERT, "id": "g", "description": ""}])  # another file, the same row
    assert len(read_table(workspace.records / "jobs", ["id"])) == 2
    load([{**ADVERT, "seniority": "lead"}])
    job = newest(workspace)["a"]
    assert job.seniority == "lead" and "seniority" not in job.read_out and "pay" in job.read_out


def test_an_export_that_is_taken_in_again_is_read_again(load: Callable, workspace: Workspace) -> None:
    load([ADVERT])
    exported = newest(workspace)["a"].model_dump(mode="json") | {"id": "h"}
    load([exported | {"seniority": "executive"}])
    job = newest(workspace)["h"]
    assert job.seniority == "senior" and job.read_out == newest(workspace)["a"].read_out


def test_records_of_before_are_read_beside_new_ones(load: Callable, workspace: Workspace) -> None:
    load(LISTING)
    (path,) = parts(workspace.records / "jobs")
    old: pa.Table = pq.read_table(path)
    pq.write_table(old.drop(["read_out"]), path)
    assert all(job.read_out == () for job in newest(workspace).values())
    load([ADVERT])
    assert set(newest(workspace)) == {"a", "b", "c"} and newest(workspace)["a"].read_out


def test_a_load_that_is_undone_takes_its_names_along_with_the_next(load: Callable, workspace: Workspace) -> None:
    load([*LISTING, {**LISTING[0], "id": "d"}])
    undo(workspace, read_loads(workspace)[0].id)
    load([ADVERT])
    assert json.loads(workspace.skills.read_text()) == {} and "skills" not in newest(workspace)["a"].read_out
