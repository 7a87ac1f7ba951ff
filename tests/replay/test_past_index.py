"""What a replayed request sees: what was true and known at its time, and nothing later."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import IndexMismatch
from contracts.tables import parts, write_part
from contracts.workspace import Workspace
from ranking.scorer import ItemEncoder
from replay.holdout import held_out, requests_as_of
from replay.past_index import past_index
from retrieval.encoder import TextEncoder
from tests.make import refused


def test_a_request_holds_the_activity_before_it_and_excludes_what_was_applied_to(shown: Workspace) -> None:
    first, second = requests_as_of(shown, held_out(shown, 10), {})
    assert first.recent == ("j1",)
    assert first.exclude == {"j1"}
    assert "viewed: truck driver" in first.request_text.lower()
    assert second.recent == ("j3",)


def test_viewed_jobs_are_no_candidates_where_the_protocol_says_so(viewed: Workspace) -> None:
    by_id = dict(zip(("qe4", "qe5"), requests_as_of(viewed, held_out(viewed, 10), {}), strict=True))
    assert by_id["qe5"].exclude == {"j1", "j2"}


def test_a_job_is_as_it_was_at_the_first_held_out_request(make_market: Callable, job: Callable, tmp_path: Path) -> None:
    market = make_market("shown")
    market.jobs += [job("j1", "python developer", known=20), job("j9", "cook", known=30)]
    workspace = market.write(tmp_path)
    cut = held_out(workspace, 10)[0].time
    encoder, items = TextEncoder(workspace.encoder), ItemEncoder(workspace.bundle)
    with past_index(workspace, cut, items, encoder) as jobs:
        (row,) = jobs.index.rows(["j1"])
        assert jobs.index.display(row)["title"] == "truck driver"
        assert set(jobs.known_from) == {"j9"}


def test_a_job_that_came_later_is_no_candidate_before(make_market: Callable, job: Callable, tmp_path: Path) -> None:
    market = make_market("shown")
    market.jobs.append(job("j9", "truck driver", known=8.5))
    workspace = market.write(tmp_path)
    held = held_out(workspace, 10)
    with past_index(workspace, held[0].time, ItemEncoder(workspace.bundle), TextEncoder(workspace.encoder)) as jobs:
        first, second = requests_as_of(workspace, held, jobs.known_from)
        assert "j9" in first.exclude
        assert "j9" not in second.exclude


def test_a_bundle_that_reads_another_text_than_that_in_use_is_refused(viewed: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "copy")
    shutil.copytree(viewed.root, workspace.root, symlinks=True)
    (path,) = parts(workspace.features / "job_text")
    texts = pq.read_table(path)
    at = texts.schema.get_field_index("text_version")
    write_part(
        path.parent,
        texts.set_column(at, "text_version", pa.array(["another"] * texts.num_rows)),
        path.stem.removeprefix("part-"),
    )
    cut, items = held_out(workspace, 10)[0].time, ItemEncoder(workspace.bundle)
    with refused(IndexMismatch, "another"), past_index(workspace, cut, items, TextEncoder(workspace.encoder)):
        pass
