"""Versions for other programs: Parquet, and a commit of a Delta table each."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from typer.testing import CliRunner

from backfill.encoded import Items
from backfill.export import _for_delta, export
from backfill.run import bring, plan_of, run
from backfill.text import Text
from contracts.erased import note_erased
from contracts.errors import BadInput, NotReady, NotWritten
from contracts.tables import read_table
from contracts.workspace import Workspace
from rolecall.cli import app
from tests.make import refused

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)


@pytest.fixture(scope="module")
def whole(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[str]]:
    """The market with two versions of text and one of item tokens, and the names of the former."""
    workspace = Workspace(tmp_path_factory.mktemp("exported") / "w")
    shutil.copytree(market.root, workspace.root)
    names = [bring(workspace, Text(), NOW + timedelta(minutes=i)).plan.version for i in range(2)]
    run(workspace, Items(), plan_of(workspace, Items(), NOW), PipelineOptions([]))
    return workspace, names


@pytest.fixture
def place(whole: tuple[Workspace, list[str]], tmp_path: Path) -> Workspace:
    shutil.copytree(whole[0].root, tmp_path / "w")
    return Workspace(tmp_path / "w")


def exported(folder: Path) -> pl.DataFrame:
    return pl.DataFrame(pq.read_table(folder)).sort("row_hash")


def test_a_version_is_written_as_parquet_once_and_no_erased_member(place: Workspace, whole, tmp_path: Path, member_ids):
    note_erased(place, [member_ids[0]], NOW)
    version, rows = export(place, Text(), "parquet", tmp_path / "out")
    assert version == whole[1][1]
    own = [pl.DataFrame(read_table(place.features / view)) for view in ("member_text", "job_text")]
    kept = own[0].filter(pl.col("member_id") != member_ids[0])
    assert rows == len(kept) + len(own[1]) < sum(map(len, own))
    assert exported(tmp_path / "out" / version / "member_text").equals(kept.sort("row_hash"))
    assert exported(tmp_path / "out" / version / "job_text").equals(own[1].sort("row_hash"))
    assert export(place, Text(), "parquet", tmp_path / "out") == (version, 0)
    assert export(place, Text(), "parquet", tmp_path / "out", whole[1][0])[1] == rows
    with refused(BadInput, "no version 'never'"):
        export(place, Text(), "parquet", tmp_path / "out", "never")
    with refused(BadInput, "no format 'xlsx'", "delta"):
        export(place, Text(), "xlsx", tmp_path / "out")
    with refused(NotReady, "no version of items is in use"):
        export(place, Items(), "parquet", tmp_path / "out")
    (tmp_path / "a_file").write_text("")
    with refused(NotWritten, where=tmp_path / "a_file"):
        export(place, Text(), "parquet", tmp_path / "a_file")


def test_types_that_delta_lacks_are_widened():
    kinds = pa.schema({"a": pa.list_(pa.float16(), 3), "b": pa.list_(pa.list_(pa.uint8())), "c": pa.string()})
    wider = pa.schema({"a": pa.list_(pa.float32()), "b": pa.list_(pa.list_(pa.int16())), "c": pa.string()})
    assert _for_delta(kinds) == wider


def test_each_version_is_one_commit_of_delta_whatever_is_exported_again(place: Workspace, whole, tmp_path: Path):
    deltalake = pytest.importorskip("deltalake")
    out = tmp_path / "delta"
    for version in whole[1]:
        asked = ["backfill", "export", "--what", "text", "--format", "delta", "--version", version, str(out)]
        said = CliRunner().invoke(app, [*asked, "--workspace", str(place.root)])
        assert said.exit_code == 0 and " rows" in said.output, said.output
        assert export(place, Text(), "delta", out, version) == (version, 0)
    for view in ("member_text", "job_text"):
        table = deltalake.DeltaTable(out / view)
        assert table.version() == len(whole[1]) - 1, "a commit a version"
        assert [table.transaction_version(f"rolecall/text/{version}") for version in whole[1]] == [1, 2]
        for number, version in enumerate(whole[1]):
            table.load_as_version(number)
            stored = pl.DataFrame(pq.read_table(place.features / "text" / version / view)).sort("row_hash")
            there = pl.DataFrame(pa.table(table.to_pyarrow_table())).sort("row_hash")
            assert there.equals(stored.select(there.columns)) and there.width == stored.width


def test_a_version_that_was_gone_back_to_takes_the_place_of_the_one_after_it(place: Workspace, whole, tmp_path: Path):
    deltalake = pytest.importorskip("deltalake")
    first, second = whole[1]
    for version in (first, second, first):
        assert export(place, Text(), "delta", tmp_path / "delta", version)[1] > 0
    (commit,) = deltalake.DeltaTable(tmp_path / "delta" / "job_text").history(1)
    assert commit["rolecall"] == f"rolecall/text/{first}" and commit["version"] == 2
    assert export(place, Text(), "delta", tmp_path / "delta", first) == (first, 0)


def test_a_table_of_something_else_is_not_written_over(place: Workspace, tmp_path: Path):
    deltalake = pytest.importorskip("deltalake")
    deltalake.write_deltalake(str(tmp_path / "delta" / "job_text"), pa.table({"of": ["another"]}))
    with refused(BadInput, "not one of rolecall/text", where=tmp_path / "delta" / "job_text"):
        export(place, Text(), "delta", tmp_path / "delta")
    assert deltalake.DeltaTable(tmp_path / "delta" / "job_text").to_pyarrow_table().column_names == ["of"]


def test_item_tokens_in_half_precision_are_the_same_numbers_in_delta(place: Workspace, tmp_path: Path):
    deltalake = pytest.importorskip("deltalake")
    folder = Items().folder(place)
    (version,) = (path.parent.name for path in folder.glob("*/manifest.json"))
    _, rows = export(place, Items(), "delta", tmp_path / "items", version)
    there = pl.DataFrame(deltalake.DeltaTable(tmp_path / "items").to_pyarrow_table()).sort("job_id")
    stored = pl.DataFrame(pq.read_table(sorted((folder / version).glob("part-*.parquet"))[0]))
    assert len(there) == rows
    both = stored.join(there, on="job_id", suffix="_there")
    assert [list(a) for a in both["tokens"]] == [list(b) for b in both["tokens_there"]]


def test_a_table_that_is_none_of_delta_is_said(place: Workspace, tmp_path: Path):
    pytest.importorskip("deltalake")
    (tmp_path / "delta" / "job_text").mkdir(parents=True)
    (tmp_path / "delta" / "job_text" / "_delta_log").mkdir()
    (tmp_path / "delta" / "job_text" / "_delta_log" / "00000000000000000000.json").write_text("no commit")
    with refused(NotWritten, "no commit"):
        export(place, Text(), "delta", tmp_path / "delta")
