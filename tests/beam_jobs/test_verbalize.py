from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs import verbalize
from contracts.arrow import TIME, to_records
from contracts.errors import NotReady
from contracts.features import CREATED_TIME, EVENT_TIME
from contracts.records import RECORDS
from contracts.tables import parts, read_table, write_part
from contracts.text.verbalizer import Percentiles, Verbalizer, content_hash
from history.as_of import LoggedRequest, requests_as_of
from tests.make import refused

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture
def run(workspace):
    return lambda *flags: verbalize.run(["--workspace", str(workspace.root), *flags])


def text_of(workspace, view: str) -> list[dict]:
    table = read_table(workspace.features / view)
    return table.sort_by([(table.schema.names[0], "ascending"), (EVENT_TIME, "ascending")]).to_pylist()


def test_text_is_what_the_verbaliser_says_of_the_record(take_in, run, workspace):
    take_in()
    run()
    verbalizer = Verbalizer(Percentiles.model_validate_json(workspace.percentiles.read_bytes()))
    for table, view, say in (("members", "member_text", verbalizer.member), ("jobs", "job_text", verbalizer.job)):
        records = {record.id: record for record in to_records(read_table(workspace.records / table), RECORDS[table])}
        rows = text_of(workspace, view)
        assert len(rows) == len(records)
        for row in rows:
            record = records[row[f"{table[:-1]}_id"]]
            assert row["text"].encode() == say(record).encode()
            assert row["text_version"] == verbalizer.version
            assert row["text_hash"] == content_hash(row["text"], verbalizer.version)
            assert row[EVENT_TIME] == record.updated_at
            assert row.get("location", "") == ("Austin, Texas" if table == "members" else "")


def test_first_load_counts_as_known_from_its_own_time(take_in, run, workspace):
    take_in()
    run()
    assert all(row[CREATED_TIME] == row[EVENT_TIME] for row in text_of(workspace, "job_text"))


def test_later_version_is_a_row_of_its_own_known_from_now_on(raw, take_in, run, workspace):
    take_in()
    run()
    raw.add("jobs", raw.good["jobs"][0] | {"title": "Pilot", "updated_at": "2024-03-01T00:00:00Z"})
    take_in()
    before = datetime.now(UTC)
    counts = run()
    old, new = [row for row in text_of(workspace, "job_text") if row["job_id"] == "j0"]
    assert (counts.written, counts.skipped) == (1, 9)
    assert old["text"].startswith("title: Nurse 0") and new["text"].startswith("title: Pilot")
    assert new[EVENT_TIME] == datetime(2024, 3, 1, tzinfo=UTC)
    assert before <= new[CREATED_TIME] <= datetime.now(UTC)


def test_second_run_writes_nothing(take_in, run, workspace):
    take_in()
    first = run()
    before = parts(workspace.features / "job_text")
    second = run()
    assert (first.written, second.written, second.skipped) == (9, 0, 9)
    assert parts(workspace.features / "job_text") == before


def test_broken_off_first_load_is_finished_as_a_first_load(raw, take_in, run, workspace, monkeypatch):
    take_in()
    raw.write("jobs", [{"id": "j8", "title": "Pilot", "updated_at": "2024-03-01T00:00:00Z"}], "b.jsonl")
    take_in()  # a second part of the records
    written = []

    def write_two_parts(*args):
        if len(written) == 2:
            raise OSError("no space left on device")
        written.append(write_part(*args))

    monkeypatch.setattr(verbalize, "write_part", write_two_parts)
    with pytest.raises(OSError, match="no space left"):
        run()
    monkeypatch.setattr(verbalize, "write_part", write_part)
    counts = run()
    rows = text_of(workspace, "job_text")
    assert counts.skipped > 0
    assert [row["job_id"] for row in rows] == ["j0", "j1", "j2", "j3", "j4", "j8"]
    assert all(row[CREATED_TIME] == row[EVENT_TIME] for row in rows)


def test_percentiles_stay_as_the_first_run_fitted_them(raw, take_in, run, workspace):
    cooks = [
        {"id": f"c{i}", "title": "Cook", "salary_min": 1_000 + 200 * i, "updated_at": "2024-01-01T00:00:00Z"}
        for i in range(20)
    ]
    raw.write("jobs", cooks, "cooks.jsonl")
    take_in()
    run()
    fitted = workspace.percentiles.read_text()
    raw.write(
        "jobs", [{"id": "j8", "title": "CEO", "salary_min": 9e6, "updated_at": "2024-03-01T00:00:00Z"}], "b.jsonl"
    )
    take_in()
    run()
    assert workspace.percentiles.read_text() == fitted
    assert Percentiles.model_validate_json(fitted).breaks["salary"][-1] == 4_600


def test_new_text_version_replaces_the_text_and_keeps_when_it_was_known(raw, take_in, run, workspace):
    take_in()
    run()
    raw.add("jobs", raw.good["jobs"][0] | {"title": "Pilot", "updated_at": "2024-03-01T00:00:00Z"})
    take_in()
    run()
    before = {(row["job_id"], row["row_hash"]): row for row in text_of(workspace, "job_text")}
    workspace.percentiles.write_text(Percentiles().model_dump_json())
    counts = run()
    after = text_of(workspace, "job_text")
    assert (counts.written, counts.skipped) == (10, 0)
    assert {row["text_version"] for row in after} == {Verbalizer().version}
    assert {(row["job_id"], row["row_hash"]): row[CREATED_TIME] for row in after} == {
        key: row[CREATED_TIME] for key, row in before.items()
    }


def test_two_processes_make_the_same_text(raw, take_in, run, workspace):
    raw.write("members", [{"id": f"n{i}", "updated_at": "2024-01-01T00:00:00Z"} for i in range(20)], "b.jsonl")
    take_in()
    counts = run(*TWO_PROCESSES)
    found = {view: text_of(workspace, view) for view in ("member_text", "job_text")}
    for view in found:
        for path in parts(workspace.features / view):
            path.unlink()
        (workspace.features / view / "_LOADED").unlink()
    assert run().written == counts.written == 29
    assert {view: text_of(workspace, view) for view in found} == found


def test_missing_rows_in_the_middle_of_a_large_part_are_made_again(take_in, run, workspace):
    take_in()
    stored = read_table(workspace.records / "jobs")
    one = stored.slice(0, 1).to_pylist()[0]
    many = [one | {"id": f"k{i}", "title": f"Job {i}", "row_hash": f"{i:032x}"} for i in range(2_500)]
    write_part(workspace.records / "jobs", pa.Table.from_pylist(many, schema=stored.schema))
    run()
    for path in parts(workspace.features / "job_text"):
        rows = pq.read_table(path)
        pq.write_table(rows.take(pa.array(range(0, rows.num_rows, 3))), path)
    assert run().written == 2_505 - 2 - 834
    text = {row["job_id"]: row["text"] for row in text_of(workspace, "job_text")}
    assert len(text) == 2_505
    assert all(text[job["id"]].startswith(f"title: {job['title']} |") for job in many)


def test_times_have_the_type_that_feast_reads(take_in, run, workspace):
    take_in()
    run()
    schema = read_table(workspace.features / "member_text").schema
    assert schema.field(EVENT_TIME).type == schema.field(CREATED_TIME).type == TIME


def test_workspace_without_jobs_is_a_clear_error(run):
    with refused(NotReady, "rolecall ingest"):
        run()


def test_a_first_record_that_an_event_lies_before_is_trusted_back_to_it(raw, take_in, workspace):
    """As an export dates every row today: who acted is known by then, and a job too, but not before its posting."""
    late = "2024-06-01T00:00:00Z"
    raw.write("members", [member | {"updated_at": late} for member in raw.good["members"]])
    posted = {"j1": "2024-02-15T00:00:00Z", "j2": "2023-01-01T00:00:00Z"}
    jobs = [job | {"updated_at": late, "posted_at": posted.get(job["id"])} for job in raw.good["jobs"]]
    raw.write("jobs", [*jobs, jobs[0] | {"title": "Pilot", "updated_at": "2024-07-01T00:00:00Z"}])
    take_in()
    flags = ["--workspace", str(workspace.root)]
    verbalize.run([*flags, "--no-trust-first-record"])

    def known(view: str, key: str) -> dict[str, list[str]]:
        rows = read_table(workspace.features / view).sort_by(EVENT_TIME).to_pylist()
        assert all(row[EVENT_TIME] == row[CREATED_TIME] for row in rows)
        return {id_: [f"{r[EVENT_TIME]:%m-%d}" for r in rows if r[key] == id_] for id_ in {r[key] for r in rows}}

    assert set(chain.from_iterable(known("member_text", "member_id").values())) == {"06-01"}
    for _ in range(2):  # it is done once
        verbalize.run(flags)
        assert known("member_text", "member_id") == {"m0": ["01-31"], "m1": ["01-31"], "m2": ["01-31"], "m3": ["06-01"]}
        found = known("job_text", "job_id")
        assert found == {"j0": ["01-31", "07-01"], "j1": ["02-15"], "j2": ["01-31"], "j3": ["06-01"], "j4": ["06-01"]}
    asked = LoggedRequest("m0", "", datetime(2024, 2, 1, tzinfo=UTC), ())
    (request,) = requests_as_of(workspace, [asked])
    assert "nurse 0" in request.request_text and request.member is not None
