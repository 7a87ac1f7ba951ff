from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs import embed, verbalize
from contracts.bundle import read_manifest
from contracts.encoder import Side
from contracts.errors import BadInput, BundleMismatch, NotReady
from contracts.features import CREATED_TIME, EVENT_TIME
from contracts.tables import parts, read_table, write_part
from ranking.scorer import ItemEncoder
from retrieval.encoder import TextEncoder
from tests.make import refused

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture
def run(workspace, encoder_folder):
    """Embed the workspace with the session's encoder, verbalising first."""
    if not workspace.encoder.is_dir():
        shutil.copytree(encoder_folder, workspace.encoder)

    def run(*flags: str):
        verbalize.run(["--workspace", str(workspace.root)])
        return embed.run(["--workspace", str(workspace.root), *flags])

    return run


def change(raw, take_in, title: str, time: str) -> None:
    raw.add("jobs", raw.good["jobs"][0] | {"title": title, "updated_at": time})
    take_in()


def vectors_of(workspace, view: str) -> list[dict]:
    table = read_table(workspace.features / view)
    return table.sort_by([(table.schema.names[0], "ascending"), (EVENT_TIME, "ascending")]).to_pylist()


def test_vectors_are_the_encoders(take_in, run, workspace):
    take_in()
    run()
    encoder = TextEncoder(workspace.encoder)
    for table, view in (("member", "member_text"), ("job", "job_text")):
        text = {row[f"{table}_id"]: row for row in read_table(workspace.features / view).to_pylist()}
        rows = vectors_of(workspace, f"{table}_vector")
        assert len(rows) == len(text)
        wanted = encoder.encode(
            [text[row[f"{table}_id"]]["text"] for row in rows], "request" if table == "member" else "job"
        )
        np.testing.assert_allclose(np.array([row["vector"] for row in rows]), wanted, atol=1e-5)
        for row in rows:
            source = text[row[f"{table}_id"]]
            assert row["vector_hash"] == source["text_hash"]
            assert row["encoder_version"] == encoder.version
            assert (row[EVENT_TIME], row[CREATED_TIME]) == (source[EVENT_TIME], source[CREATED_TIME])


def test_vector_column_is_a_list_of_float32(take_in, run, workspace):
    take_in()
    run()
    assert read_table(workspace.features / "job_vector").schema.field("vector").type == pa.list_(pa.float32())


def test_a_job_has_the_vector_of_its_title_beside_that_of_its_text(take_in, run, workspace, encoder_folder):
    take_in()
    run()
    titles = dict(zip(*read_table(workspace.records / "jobs", ["id", "title"]).to_pydict().values(), strict=True))
    rows = vectors_of(workspace, "job_vector")
    wanted = TextEncoder(encoder_folder).titles([titles[row["job_id"]] for row in rows])
    np.testing.assert_allclose(np.array([row["title_vector"] for row in rows]), wanted, atol=1e-5)
    assert "title_vector" not in vectors_of(workspace, "member_vector")[0]


def test_a_table_without_vectors_of_titles_is_made_again(take_in, run, workspace):
    take_in()
    run("--tables", "jobs")
    [part] = parts(workspace.features / "job_vector")
    pq.write_table(pq.read_table(part).drop(["title_vector"]), part.with_name(part.name.replace(".titles.", ".")))
    part.unlink()
    assert run("--tables", "jobs").written == 5
    assert all(row["title_vector"] for row in vectors_of(workspace, "job_vector"))


def test_equal_texts_are_encoded_once(raw, take_in, run, workspace, monkeypatch):
    titles = ["Clerk", "Pilot", "Clerk", "Pilot", "Clerk"]
    rows = [{"id": f"k{i}", "title": title, "updated_at": "2024-01-01"} for i, title in enumerate(titles)]
    raw.write("jobs", rows, "b.jsonl")
    take_in()
    encoded: list[str] = []
    encode = TextEncoder.plain

    def counted(self: TextEncoder, texts: list[str], side: Side) -> np.ndarray:
        encoded.extend(texts)
        return encode(self, texts, side)

    monkeypatch.setattr(TextEncoder, "plain", counted)
    counts = run("--tables", "jobs")
    assert (counts.written, len(encoded)) == (10, 7 + 7)  # a title beside each text
    clerk, pilot, *rest = (row["vector"] for row in vectors_of(workspace, "job_vector") if row["job_id"][0] == "k")
    assert clerk != pilot
    assert rest == [clerk, pilot, clerk]


def test_second_run_writes_nothing(take_in, run):
    take_in()
    assert run().written == 9 + 4  # what members are encoded as when they ask
    again = run()
    assert (again.written, again.skipped) == (0, 9 + 4)


def test_only_changed_text_is_embedded(raw, take_in, run, workspace):
    take_in()
    run()
    change(raw, take_in, "Pilot", "2024-03-01T00:00:00Z")
    counts = run()
    assert (counts.written, counts.skipped) == (1, 9 + 4)
    assert [row["job_id"] for row in vectors_of(workspace, "job_vector")].count("j0") == 2


def test_text_that_comes_back_gets_its_vector_again_without_encoding(raw, take_in, run, workspace, monkeypatch):
    take_in()
    run()
    change(raw, take_in, "Pilot", "2024-03-01T00:00:00Z")
    run()
    change(raw, take_in, "Nurse 0", "2024-04-01T00:00:00Z")
    monkeypatch.setattr(TextEncoder, "encode", lambda *_: pytest.fail("a known text was encoded"))
    assert run().written == 1
    first, pilot, last = [row for row in vectors_of(workspace, "job_vector") if row["job_id"] == "j0"]
    assert first["vector"] == last["vector"] != pilot["vector"]
    assert first[EVENT_TIME] < pilot[EVENT_TIME] < last[EVENT_TIME]


def versions_of_a_member(raw, take_in) -> None:
    newer = raw.good["members"][0] | {"headline": "pilot", "updated_at": "2024-03-01T00:00:00Z"}
    raw.add("members", newer)
    take_in()


def test_newest_version_of_a_member_is_embedded_and_no_other(raw, take_in, run, workspace):
    versions_of_a_member(raw, take_in)
    run("--tables", "members")
    rows = [row for row in vectors_of(workspace, "member_vector") if row["member_id"] == "m0"]
    assert [row[EVENT_TIME].month for row in rows] == [3]


def test_history_embeds_every_version_of_a_member(raw, take_in, run, workspace):
    versions_of_a_member(raw, take_in)
    run("--tables", "members", "--history")
    rows = [row for row in vectors_of(workspace, "member_vector") if row["member_id"] == "m0"]
    assert [row[EVENT_TIME].month for row in rows] == [1, 3]


def test_another_encoder_replaces_all_vectors(take_in, run, workspace):
    take_in()
    run()
    about = json.loads((workspace.encoder / "encoder.json").read_text())
    (workspace.encoder / "encoder.json").write_text(json.dumps(about | {"version": "another"}))
    assert run().written == 9 + 4
    for view in ("job_vector", "member_vector", "member_encoding"):
        assert {row["encoder_version"] for row in vectors_of(workspace, view)} == {"another"}


def test_run_that_was_broken_off_is_finished_without_duplicates(take_in, run, workspace, monkeypatch):
    take_in()
    monkeypatch.setattr(embed, "CHUNK_TEXTS", 2)
    written = []

    def write_two_parts(*args):
        if len(written) == 2:
            raise OSError("no space left on device")
        written.append(write_part(*args))

    monkeypatch.setattr(embed, "write_part", write_two_parts)
    with pytest.raises(OSError, match="no space left"):
        run("--tables", "jobs")
    monkeypatch.setattr(embed, "write_part", write_part)
    counts = run("--tables", "jobs")
    assert (counts.written, counts.skipped) == (1, 4)
    assert [row["job_id"] for row in vectors_of(workspace, "job_vector")] == ["j0", "j1", "j2", "j3", "j4"]


def test_two_processes_make_the_same_vectors(take_in, run, workspace):
    take_in()
    run("--tables", "jobs", *TWO_PROCESSES)
    found = vectors_of(workspace, "job_vector")
    for path in parts(workspace.features / "job_vector"):
        path.unlink()
    run("--tables", "jobs")
    again = vectors_of(workspace, "job_vector")
    np.testing.assert_allclose([row.pop("vector") for row in found], [row.pop("vector") for row in again], atol=1e-5)
    assert found == again


def test_workspace_without_text_is_a_clear_error(workspace, encoder_folder):
    shutil.copytree(encoder_folder, workspace.encoder)
    with refused(NotReady, "rolecall verbalize"):
        embed.run(["--workspace", str(workspace.root)])


def test_workspace_without_encoder_is_a_clear_error(take_in, workspace):
    take_in()
    verbalize.run(["--workspace", str(workspace.root)])
    with refused(NotReady, workspace.encoder, "rolecall train encoder"):
        embed.run(["--workspace", str(workspace.root)])


def test_unknown_table_is_a_clear_error(take_in, run):
    take_in()
    with refused(BadInput, "events"):
        run("--tables", "jobs,events")


@pytest.fixture
def items(take_in, workspace, bundle_for):
    """Take in, verbalise, and make a bundle for that text; returns (run, bundle folder, items folder)."""
    take_in()
    verbalize.run(["--workspace", str(workspace.root)])
    version = read_table(workspace.features / "job_text", ["text_version"])["text_version"][0].as_py()
    bundle = bundle_for(version)

    def run():
        verbalize.run(["--workspace", str(workspace.root)])
        return embed.run(["--workspace", str(workspace.root), "--what", "items", "--bundle", str(bundle)])

    return run, bundle, workspace.root / "items" / read_manifest(bundle).version


def test_items_are_the_bundles_in_float16(items, workspace):
    run, bundle, folder = items
    assert run().written == 5
    text = {row["job_id"]: row for row in read_table(workspace.features / "job_text").to_pylist()}
    stored = read_table(folder)
    assert stored.schema.names == ["job_id", "text_hash", "tokens"]
    assert stored.schema.field("tokens").type == pa.list_(pa.float16())
    for row in stored.to_pylist():
        wanted = ItemEncoder(bundle).encode([text[row["job_id"]]["text"]]).astype(np.float16).ravel()
        assert row["text_hash"] == text[row["job_id"]]["text_hash"]
        np.testing.assert_array_equal(np.array(row["tokens"], np.float16), wanted)


def test_items_are_made_for_changed_jobs_alone(items, raw, take_in):
    run, _, folder = items
    run()
    change(raw, take_in, "Pilot", "2024-03-01T00:00:00Z")
    counts = run()
    assert (counts.written, counts.skipped) == (1, 4)
    assert read_table(folder)["job_id"].to_pylist().count("j0") == 2


def test_bundle_of_another_text_version_is_refused(take_in, workspace, bundle_for):
    take_in()
    verbalize.run(["--workspace", str(workspace.root)])
    with refused(BundleMismatch, "1-other"):
        embed.run(["--workspace", str(workspace.root), "--what", "items", "--bundle", str(bundle_for("1-other"))])
