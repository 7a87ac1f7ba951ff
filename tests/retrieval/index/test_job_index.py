from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.activity import Activity, Entry
from contracts.bundle import Manifest
from contracts.errors import BadInput, IndexMismatch, NotReady, NotWritten, UnknownAttribute
from contracts.match import MATCH_VERSION
from contracts.tables import parts
from contracts.workspace import Workspace
from retrieval.encoder import TextEncoder
from retrieval.engines.config import FaissConfig
from retrieval.filters.filters import Filter, any_of, none_of
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import FORMAT, check_index, read_index_manifest
from retrieval.request import Request, build_request
from retrieval.words.config import FieldWeights, TermsConfig
from tests.make import refused, replace_part
from tests.retrieval.conftest import DIM, JOBS, NOW, write_workspace


def ask(query: str = "", **fields: Any) -> Request:
    request = build_request("", Activity(), query, "", Filter(), NOW)
    return replace(request, **fields)


def test_expired_hidden_and_future_jobs_are_never_candidates(index: JobIndex, market: Workspace) -> None:
    vector = TextEncoder(market.encoder).encode(["nurse driver developer"], "request")[0]
    assert set(index.search(ask("nurse driver developer"), vector, k=100).ids) == {"j1", "j2", "j3", "j7"}


def test_a_job_comes_alive_and_expires_with_the_time_of_the_request(index: JobIndex) -> None:
    assert "j4" in index.search(ask("nurse", time=NOW - timedelta(days=2))).ids
    assert "j6" in index.search(ask("driver", time=NOW + timedelta(days=2))).ids
    assert not index.alive(index.rows(["j4"]), NOW - timedelta(days=1))[0], "expired at the very moment"


def test_a_job_deleted_while_loaded_is_gone_at_once(index: JobIndex) -> None:
    without = index.changed([], {"j2": NOW, "nobody": NOW}, "1")
    assert "j2" not in without.search(ask("nurse")).ids and without.jobs.current == index.jobs.current - 1
    assert "j2" in index.search(ask("nurse")).ids


def test_a_full_disk_leaves_the_index_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = write_workspace(tmp_path)
    before = build_index(workspace)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with refused(NotWritten, "No space left", where=workspace.indexes):
        build_index(workspace, engine="faiss")
    assert workspace.index == before and [path.name for path in workspace.indexes.iterdir() if path.is_dir()] == [
        before.name
    ]
    assert len(JobIndex.load(before)) == len(JOBS)


@pytest.mark.parametrize("cut", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_told(tmp_path: Path, cut: float) -> None:
    folder = build_index(write_workspace(tmp_path), engine="faiss")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        replace_part(path, content[: int(cut * len(content))])
        with pytest.raises(IndexMismatch):
            JobIndex.load(folder)
        replace_part(path, content)
    assert len(JobIndex.load(folder)) == len(JOBS)


def test_excluded_jobs_are_never_candidates_and_unknown_ones_do_not_matter(index: JobIndex) -> None:
    assert "j2" not in index.search(ask("nurse", exclude=frozenset({"j2", "nobody"}))).ids


def test_each_candidate_names_the_sources_that_found_it(index: JobIndex) -> None:
    found = index.search(ask("python", recent=("j1",)))
    j3 = found.ids.index("j3")
    assert "terms" in found.found_by(j3) and "dense" not in found.sources
    assert all(found.found_by(i) for i in range(len(found)))
    terms = found.scores[:, found.sources.index("terms")]
    assert np.isnan(np.delete(terms, j3)).all() and terms[j3] == 1


def test_fused_scores_fall_and_ids_belong_to_rows(index: JobIndex) -> None:
    found = index.search(ask("nurse austin"))
    assert (np.diff(found.fused) <= 0).all()
    assert [index.ids[row] for row in found.rows] == found.ids


def test_the_filter_works_inside(index: JobIndex) -> None:
    assert index.search(ask("nurse", filter=any_of("city", "BOSTON"))).ids == ["j7"]
    assert "j1" not in index.search(ask("driver", filter=none_of("company", "Acme"))).ids


def test_a_filter_that_nothing_passes_gives_no_candidates(index: JobIndex) -> None:
    found = index.search(ask("nurse", filter=any_of("city", "Paris")), np.ones(8, np.float32))
    assert len(found) == 0 and found.scores.shape == (0, len(found.sources))


def test_a_filter_on_an_unknown_attribute_names_the_known_ones(index: JobIndex) -> None:
    with refused(UnknownAttribute, "'colour'", "skills", where="filter"):
        index.search(ask("nurse", filter=any_of("colour", "red")))


def test_asking_for_more_than_there_is_gives_what_there_is(index: JobIndex) -> None:
    assert len(index.search(ask("nurse"), k=10_000)) == 3
    assert len(index.search(ask("nurse"), k=1)) == 1


def test_asking_for_no_job_is_an_error(index: JobIndex) -> None:
    with refused(BadInput, "k is 0"):
        index.search(ask("nurse"), k=0)


def test_unknown_ids_have_row_minus_one(index: JobIndex) -> None:
    assert index.rows(["j1", "nobody", ""]).tolist() == [0, -1, -1]


def test_recent_jobs_that_the_index_lacks_do_not_matter(index: JobIndex) -> None:
    assert "recent" not in index.search(ask(recent=("gone", "gone too"))).sources


def test_popular_jobs_are_near_and_counted_before_the_request_only(index: JobIndex) -> None:
    found = index.search(ask(location="Austin, Texas"))
    column = found.scores[:, found.sources.index("popular")]
    score = dict(zip(found.ids, column, strict=True))
    assert score["j1"] == 2 and "j2" not in score, "the view of j2 happened at the time of the request"
    assert score["j7"] == 2 and found.ids.index("j1") < found.ids.index("j7")


def test_display_gives_what_a_person_is_shown(index: JobIndex) -> None:
    shown = index.display(int(index.rows(["j2"])[0]))
    assert (shown["title"], shown["company"], shown["salary_max"]) == ("Nurse", "Mercy", 90_000)
    assert "description" not in shown


def test_building_twice_gives_the_same_version(market: Workspace, tmp_path: Path) -> None:
    again = write_workspace(tmp_path)
    assert build_index(again).name == market.index.name == build_index(market).name


def test_another_vector_gives_another_version(market: Workspace, tmp_path: Path) -> None:
    changed = write_workspace(tmp_path, (JOBS[0].model_copy(update={"title": "Truck Pilot"}), *JOBS[1:]))
    assert build_index(changed).name != market.index.name


@pytest.mark.parametrize("engine", ["exact", "faiss"])
def test_a_market_without_jobs_has_an_index_that_finds_nothing(tmp_path: Path, engine: str) -> None:
    workspace = write_workspace(tmp_path)
    for part in parts(workspace.features / "job_vector"):
        pq.write_table(pq.read_table(part).slice(0, 0), part)
    index = JobIndex.load(build_index(workspace, engine=engine))
    assert len(index) == 0 and index.manifest.left_out == {"no vector": len(JOBS)}
    assert len(index.search(ask("nurse", recent=("j1",)), np.ones(8, np.float32))) == 0


@pytest.mark.parametrize(("column", "value"), [("vector_hash", "an older text"), ("encoder_version", "another")])
def test_a_vector_of_another_text_or_encoder_does_not_stand_for_the_job(
    tmp_path: Path, column: str, value: str
) -> None:
    workspace = write_workspace(tmp_path)
    [part] = parts(workspace.features / "job_vector")
    table = pq.read_table(part)
    changed = pa.array([value, *table[column].to_pylist()[1:]])
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, changed), part)
    index = JobIndex.load(build_index(workspace))
    assert index.ids == [job.id for job in JOBS[1:]] and index.manifest.left_out == {"no vector": 1}


def test_where_all_vectors_are_of_another_text_no_empty_index_is_built(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path)
    [part] = parts(workspace.features / "job_vector")
    table = pq.read_table(part)
    column = table.schema.get_field_index("vector_hash")
    pq.write_table(table.set_column(column, "vector_hash", pa.array(["another"] * table.num_rows)), part)
    with refused(IndexMismatch, "rolecall embed"):
        build_index(workspace)


def test_jobs_without_a_vector_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = write_workspace(tmp_path)
    [part] = parts(workspace.features / "job_vector")
    pq.write_table(pq.read_table(part).slice(0, 3), part)
    with caplog.at_level("INFO"):
        index = JobIndex.load(build_index(workspace))
    assert index.ids == ["j1", "j2", "j3"]
    assert "4 of 7 jobs left out: no vector" in caplog.text


def test_faiss_finds_what_exact_search_finds(market: Workspace, tmp_path: Path) -> None:
    exact = JobIndex.load(market.index)
    faiss = JobIndex.load(build_index(write_workspace(tmp_path), engine="faiss"))
    vector = TextEncoder(market.encoder).encode(["truck driver austin"], "request")[0]
    assert faiss.search(ask(), vector).ids == exact.search(ask(), vector).ids


def test_the_vector_of_the_newest_text_counts(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path)
    unit = pa.array([[1.0] + [0.0] * 7], pa.list_(pa.float32()))
    edited = {"text_hash": pa.array(["edited"]), "vector_hash": pa.array(["edited"]), "vector": unit}
    for folder in ("job_text", "job_vector"):
        [part] = parts(workspace.features / folder)
        row = pq.read_table(part).slice(0, 1)
        later = pa.array([JOBS[0].updated_at + timedelta(days=1)], row.schema.field("event_timestamp").type)
        for name, value in (edited | {"event_timestamp": later}).items():
            if name in row.column_names:
                row = row.set_column(row.schema.get_field_index(name), name, value)
        pq.write_table(row, part.with_name("part-0.parquet"))  # comes before the older part
    assert JobIndex.load(build_index(workspace)).vectors[0].tolist() == [1.0] + [0.0] * 7


def test_vectors_of_another_width_are_named(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path)
    [part] = parts(workspace.features / "job_vector")
    table = pq.read_table(part)
    short = pa.array([[1.0, 2.0]] * table.num_rows, pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.schema.get_field_index("vector"), "vector", short), part)
    with refused(IndexMismatch, "2 numbers", 8, "rolecall embed", where=part):
        build_index(workspace)


def test_a_phrase_in_quotes_must_stand_in_every_candidate_whoever_finds_it(index: JobIndex) -> None:
    vector = np.ones(8, np.float32)
    assert set(index.search(ask("truck driver"), vector).ids) == {"j1", "j2", "j3", "j7"}
    assert index.search(ask('"Truck drivers"'), vector).ids == ["j1"]
    assert len(index.search(ask('"driver truck"'), vector)) == 0
    member = build_request('headline: the "driver truck" guy', Activity(), "", "", Filter(), NOW)
    assert len(index.search(member, vector)) == 4, "a member's own quotes ask for nothing"


def test_knobs_of_the_engines_make_another_version_and_come_back_with_the_index(
    market: Workspace, tmp_path: Path
) -> None:
    workspace = write_workspace(tmp_path)
    synonyms = tmp_path / "synonyms.yaml"
    versions = set()
    for groups in ("[nurse, carer]", "[nurse, trucker]"):
        synonyms.write_text(f"groups:\n  - {groups}\n")
        for weight in (2, 3):
            knobs = TermsConfig(weights=FieldWeights(title=weight), synonyms=synonyms)
            index = JobIndex.load(build_index(workspace, terms=knobs))
            assert index.manifest.terms == knobs
            versions.add(index.version)
    hnsw = FaissConfig(kind="hnsw", m=4)
    index = JobIndex.load(build_index(workspace, engine="faiss", faiss=hnsw))
    assert index.manifest.faiss == hnsw
    assert len({*versions, index.version, market.index.name}) == 6
    assert set(JobIndex.load(build_index(workspace, terms=knobs)).search(ask("trucker")).ids) >= {"j2", "j7"}


def test_an_unknown_engine_is_an_error(market: Workspace) -> None:
    with refused(BadInput, "'annoy'", "exact", "faiss"):
        build_index(market, engine="annoy")


def test_a_workspace_without_an_encoder_says_what_to_run(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path, "rolecall train encoder"):
        build_index(Workspace(tmp_path))


def test_a_folder_without_an_index_says_what_to_run(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path, "rolecall index"):
        JobIndex.load(tmp_path)


def test_an_index_with_a_broken_part_is_refused(tmp_path: Path) -> None:
    folder = build_index(write_workspace(tmp_path))
    replace_part(folder / "vectors.npy", (folder / "vectors.npy").read_bytes()[:150])
    with refused(IndexMismatch, "rolecall index", where=folder / "vectors.npy"):
        JobIndex.load(folder)


def test_an_index_built_by_another_bundle_is_refused(index: JobIndex) -> None:
    manifest = Manifest(
        version="b1",
        text_version=index.text_version,
        tasks=("view",),
        task_sentences={},
        item_tokens=2,
        hidden=4,
        max_prefix_tokens=8,
        max_item_tokens=8,
        precision="int8",
    )
    with refused(IndexMismatch, index.version, "bundle none", "b1", "rolecall index"):
        check_index(index, manifest)


def _edited(folder: Path, **fields: object) -> Path:
    """An index whose index.json says otherwise."""
    path = folder / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return folder


def test_an_index_of_an_older_format_is_refused(tmp_path: Path) -> None:
    folder = _edited(build_index(write_workspace(tmp_path)), format=FORMAT - 1)
    with refused(IndexMismatch, f"format {FORMAT - 1}", FORMAT, "rolecall index", where=folder / "index.json"):
        JobIndex.load(folder)


@pytest.mark.parametrize("reads", [True, False])
def test_an_index_made_for_other_comparisons_than_the_bundle_reads_is_refused(tmp_path: Path, reads: bool) -> None:
    folder = build_index(write_workspace(tmp_path))
    assert read_index_manifest(folder).match_version == JobIndex.load(folder).match_version == MATCH_VERSION
    index = JobIndex.load(_edited(folder, match_version="0-former"))
    bundle = Manifest.model_construct(
        version=index.bundle_version, text_version=index.text_version, match_version=MATCH_VERSION if reads else ""
    )
    if reads:
        with refused(IndexMismatch, index.version, "0-former", MATCH_VERSION, "rolecall index"):
            check_index(index, bundle)
    else:
        check_index(index, bundle)


def test_activity_as_of_the_request_makes_the_request() -> None:
    def entry(days: int, action: str, job_id: str) -> Entry:
        return Entry(NOW + timedelta(days=days), action, job_id, f"title {job_id}")

    activity = Activity((entry(1, "view", "later"), entry(-1, "view", "a"), entry(-2, "dismiss", "b")), ("c",))
    request = build_request("headline: Nurse | location: Austin, Texas", activity, "", "", Filter(), NOW, ["d"])
    assert request.recent == ("a",) and request.exclude == {"b", "c", "d"}
    assert request.words == "title a Nurse Austin, Texas" and request.location == "Austin, Texas"
    assert "later" not in request.request_text


def test_a_query_alone_decides_the_words() -> None:
    request = build_request("headline: Nurse", Activity(), "truck driver", "", Filter(), NOW)
    assert request.words == request.titles == "truck driver"
    assert request.request_text.startswith("search: truck driver")


def test_a_vector_that_is_not_finite_or_huge_is_named(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path)
    [part] = parts(workspace.features / "job_vector")
    table = pq.read_table(part)
    place = table.schema.get_field_index("vector")
    whole = table["vector"].to_pylist()
    for number, named in ((float("nan"), "NaN"), (3e37, "3e+37")):
        changed = pa.array([whole[0], [number, *whole[1][1:]], *whole[2:]], pa.list_(pa.float32()))
        pq.write_table(table.set_column(place, "vector", changed), part)
        with refused(BadInput, named, where="j2"):
            build_index(workspace)


def is_mapped(array: object) -> bool:
    """Whether an array or one that it is a view of lies in a file."""
    return isinstance(array, np.memmap) or (isinstance(array, np.ndarray) and is_mapped(array.base))


def test_vectors_of_titles_are_mapped_and_as_many_as_the_jobs(tmp_path: Path) -> None:
    folder = build_index(write_workspace(tmp_path))
    titles = JobIndex.load(folder).title_vectors
    assert titles.shape == (7, DIM) and titles.dtype == np.float16
    assert is_mapped(titles[slice(0, 1)])


def test_a_part_of_the_right_form_and_another_content_is_refused(tmp_path: Path) -> None:
    folder = build_index(write_workspace(tmp_path))
    path = folder / "title_vectors.npy"
    noise = io.BytesIO()
    np.save(noise, np.full((7, DIM), np.nan, np.float16))
    assert len(noise.getvalue()) == path.stat().st_size
    replace_part(path, noise.getvalue())
    with refused(IndexMismatch, "rolecall index", where=path):
        JobIndex.load(folder)


def test_a_manifest_that_names_no_parts_is_refused(tmp_path: Path) -> None:
    folder = build_index(write_workspace(tmp_path))
    about = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(about | {"files": {}}))
    with refused(IndexMismatch, "no parts", where=folder):
        JobIndex.load(folder)


def test_a_broken_index_is_built_again(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path)
    folder = build_index(workspace)
    (folder / "vectors.npy").unlink()
    assert build_index(workspace) == folder
    assert len(JobIndex.load(folder)) == 7


def test_parts_of_another_index_are_refused(tmp_path: Path) -> None:
    whole = build_index(write_workspace(tmp_path / "whole"), engine="faiss")
    less = build_index(write_workspace(tmp_path / "less", JOBS[:3]), engine="faiss")
    for part in ("terms", "titles", "activity.npz", "faiss.index"):
        for path in [whole / part, *(whole / part).rglob("*")]:
            if path.is_file():
                replace_part(less / path.relative_to(whole), path.read_bytes())
        with pytest.raises(IndexMismatch):
            JobIndex.load(less)
        build_index(Workspace(tmp_path / "less"), engine="faiss")
        JobIndex.load(less)


def test_an_index_of_faiss_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("Error in write: the disk is full")

    workspace = write_workspace(tmp_path)
    monkeypatch.setattr("faiss.write_index", full)
    with refused(NotWritten, "the disk is full", where="faiss.index"):
        build_index(workspace, engine="faiss")
    assert list(workspace.indexes.iterdir()) == []


def test_a_million_candidates_are_all_that_there_are(index: JobIndex) -> None:
    assert set(index.search(ask("nurse"), np.ones(8, np.float32), k=1_000_000).ids) == {"j1", "j2", "j3", "j7"}
