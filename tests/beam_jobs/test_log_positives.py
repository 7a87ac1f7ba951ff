"""What the retrieval encoder learns from a log: who took what on training requests, and nothing that came later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.encoder import read_encoder
from contracts.errors import BadInput, NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_TEXT
from contracts.tables import parts, read_table, write_part
from contracts.workspace import Workspace
from history.requests import EVENT_COLUMNS, gains, past_requests
from models.config import EncoderConfig, EncoderTraining
from models.encoder.export import encoder_version
from models.encoder.log_positives import check_lists, log_positives
from models.encoder.make import make_encoder
from tests.make import refused

MANY = 10_000


def requests_of(workspace: Workspace) -> list:
    events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS))
    return past_requests(events, {"train": MANY, "valid": MANY, "test": MANY}, 0)


def replace_table(folder: Path, table: pa.Table) -> None:
    for path in parts(folder):
        path.unlink()
    write_part(folder, table)


def test_each_job_that_was_taken_is_a_positive_by_what_it_was_worth(market: Workspace) -> None:
    train = [request for request in requests_of(market) if request.split == "train"]
    table = read_table(market.features / JOB_TEXT).sort_by([(EVENT_TIME, "descending")])
    first = dict(zip(table[JOB_KEY].to_pylist(), table["text"].to_pylist(), strict=True))
    wanted = sorted((first[job], float(gain)) for request in train for job, gain in gains(request).items())
    found = log_positives(market, MANY, seed=0)
    assert sorted(zip((found.jobs[i] for i in found.job), found.weight.tolist(), strict=True)) == wanted
    assert {weight for _, weight in wanted} >= {1.0, 2.0}
    assert {text for text, _ in wanted} < set(found.jobs) <= set(first.values())


def test_the_asker_is_the_member_or_the_text_of_an_anonymous_search(market: Workspace) -> None:
    train = [one for one in requests_of(market) if one.split == "train" and gains(one)]
    found = log_positives(market, MANY, seed=0)
    members = {one.member_id for one in train if one.member_id}
    anonymous = {one.query for one in train if not one.member_id}
    assert len(found.taken) == len(members) + len(anonymous)


def test_a_smaller_draw_is_part_of_a_larger_one(market: Workspace) -> None:
    few, many = (log_positives(market, most, seed=3) for most in (5, MANY))
    pairs = [{(one.requests[r], one.jobs[j]) for r, j in zip(one.request, one.job, strict=True)} for one in (few, many)]
    assert pairs[0] < pairs[1]


def test_what_a_member_took_on_a_request_that_was_not_drawn_is_no_negative(market: Workspace) -> None:
    few, whole = (log_positives(market, most, seed=3) for most in (15, MANY))
    of_request = dict(zip(whole.request.tolist(), whole.asker.tolist(), strict=True))
    allowed = few.allowed(np.arange(len(few)), np.arange(len(few.jobs)))
    more = 0
    for pair, request in enumerate(few.request.tolist()):
        asker = of_request[whole.requests.index(few.requests[request])]
        took = {whole.jobs[job] for job in whole.taken[asker].tolist()} & set(few.jobs)
        assert took == {few.jobs[job] for job in np.flatnonzero(~allowed[pair])}
        more += len(took) > len(np.unique(few.job[few.asker == few.asker[pair]]))
    assert more


def test_planted_future_events_change_no_positive(market: Workspace, copy: Callable) -> None:
    """After the last training request everybody applies to every job that is shown."""
    workspace = copy(market)
    before = log_positives(workspace, MANY, seed=0).version
    last = min(one.time for one in requests_of(workspace) if one.split != "train")
    events = pl.DataFrame(read_table(workspace.records / "events"))
    shown = events.filter(pl.col("action") == "impression")
    planted = shown.with_columns(
        pl.lit("apply").alias("action"),
        ("planted" + pl.col("id")).alias("id"),
        pl.max_horizontal(pl.col("time"), pl.lit(last)) + timedelta(seconds=1),
    )
    write_part(workspace.records / "events", planted.to_arrow().cast(read_table(workspace.records / "events").schema))
    assert len(requests_of(workspace)) == len(requests_of(market))
    assert log_positives(workspace, MANY, seed=0).version == before


def test_a_job_that_came_later_is_not_in_the_inventory_nor_is_a_later_text(market: Workspace, copy: Callable) -> None:
    workspace = copy(market)
    before = log_positives(workspace, MANY, seed=0).version
    last = max(one.time for one in requests_of(workspace))
    table = pl.DataFrame(read_table(workspace.features / JOB_TEXT))
    times = [pl.lit(last).alias(name).cast(table[name].dtype) for name in (EVENT_TIME, CREATED_TIME)]
    later = table.head(2).with_columns(
        pl.Series(JOB_KEY, ["new", table[JOB_KEY][1]]), pl.Series("text", ["title: new", "title: edited"]), *times
    )
    write_part(workspace.features / JOB_TEXT, later.to_arrow().cast(read_table(workspace.features / JOB_TEXT).schema))
    assert log_positives(workspace, MANY, seed=0).version == before


def test_a_log_in_which_nobody_took_anything_is_refused(market: Workspace, copy: Callable) -> None:
    workspace = copy(market)
    events = pl.DataFrame(read_table(workspace.records / "events"))
    schema = read_table(workspace.records / "events").schema
    replace_table(workspace.records / "events", events.filter(pl.col("action") == "impression").to_arrow().cast(schema))
    with refused(BadInput, "positives", "log"):
        log_positives(workspace, MANY, seed=0)
    replace_table(workspace.records / "events", events.head(0).to_arrow().cast(schema))
    with refused(NotReady, workspace.records / "events"):
        log_positives(workspace, MANY, seed=0)


def test_lists_that_the_log_holds_out_are_refused(market: Workspace, tmp_path: Path) -> None:
    judged = Workspace(tmp_path)
    table = read_table(market.examples, ["list_id", "split"])
    replace_table(judged.training, table)
    check_lists(market, judged)
    leaked = table.set_column(1, "split", pa.array(["train"] * table.num_rows))
    replace_table(judged.training, leaked)
    with refused(BadInput, "12 of its 42", where=judged.training):
        check_lists(market, judged)


def test_an_encoder_that_fits_the_knobs_stays(market: Workspace, copy: Callable, tiny: Path) -> None:
    workspace = copy(market)
    stamp = (workspace.encoder / "encoder.onnx").stat().st_mtime_ns
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=None))
    assert (workspace.encoder / "encoder.onnx").stat().st_mtime_ns == stamp


def test_training_replaces_the_encoder_and_its_absence_brings_the_former_back(
    market: Workspace, copy: Callable, tiny: Path
) -> None:
    workspace = copy(market)
    former = read_encoder(workspace.encoder).version
    make_encoder(
        workspace,
        EncoderConfig(precision="float32", dim=16, train=EncoderTraining(backbone=tiny, epochs=1), learn=None),
    )
    (tower,) = workspace.towers.iterdir()
    about = read_encoder(workspace.encoder)
    assert about.version == encoder_version(tower, "float32", 16) != former
    assert about.dim == 16
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=None))
    assert read_encoder(workspace.encoder).version == former
