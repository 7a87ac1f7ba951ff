"""Runs: past requests are dealt into parts, answered part by part (Beam), and gathered into one folder.

A part is done when its folder is there. The same arguments on the same records make the same name, so that a run that
was killed goes on, and one that is done is not done again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs.pipeline import run_pipeline
from beam_jobs.workers import Mark, Share
from contracts.bundle import read_manifest
from contracts.encoder import read_encoder
from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.features import EVENT_TIME, MEMBER_ACTIVITY
from contracts.tables import parts
from contracts.versions import json_hash, staged_file, write_text, writing
from contracts.workspace import Workspace
from history.buckets import scratch
from history.dealt import Dealt, deal_requests
from history.requests import Which
from policy.judges.base import JudgeConfig
from policy.types import Policy
from ranking.scorer import ItemEncoder
from replay.holdout import first_views, has_impressions
from replay.past_index import find_past_index
from replay.runs.answers import TABLES, answer_part
from replay.runs.contender import Contender
from replay.runs.folder import MANIFEST, SUMMARY, Manifest, RunFolder, as_json
from replay.runs.summed import Summary
from replay.runs.task import Task
from replay.trec import RankedList, slug, write_qrels, write_run
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import check_index
from retrieval.rules.rules import RuleBook

log = logging.getLogger("rolecall")

PART_REQUESTS = 128
"""Requests of a part, about: what a run that is killed does again at most, in each process."""
_INDEX = "index"
GROUP_ROWS = 100_000
"""Rows of a group of a run's tables, about."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a contender.

    Attributes:
        which: Requests of the log.
        rank_only: Whether the shown jobs alone are put in order.
        rules: In force.
        judge: Grades the first ten, where it calls no model; None for nobody.
        policy: What it grades by.
        market: Folder of a simulated market, whose truth grades instead.
        name: Of the run's folder; empty: made of the contender and a hash of all arguments.
        options: Beam's.
    """

    which: Which = field(default_factory=Which)
    rank_only: bool = False
    rules: RuleBook | None = None
    judge: JudgeConfig | None = None
    policy: Policy | None = None
    market: Path | None = None
    name: str = ""
    options: PipelineOptions = field(default_factory=lambda: PipelineOptions([]))


def run(workspace: Workspace, contender: Contender, asked: Asked) -> RunFolder:
    """Ask past requests again, measure the answers, and write the run's folder.

    Args:
        workspace: Holds the log, the features, bundles and indexes.
        contender: Who answers.
        asked: Which requests, and how.

    Returns:
        The run, of this call or of an earlier one with the same arguments.

    Raises:
        NotReady: There is no log, or no request of it is asked for.
        IndexMismatch: Bundle, text and encoder do not belong together.
        BadInput: The contender's knobs do not fit its bundle; a score is not a number; the name has no letter or digit.
        OtherWriter: Another process asks the same.
        UnreadableFile: A part of the log or of the run is broken or gone.
        NotWritten: As on a full disk.
    """
    if asked.name and not slug(asked.name):
        cure = "name the run by letters a to z and digits"
        raise BadInput(f"{asked.name[:80]!r} makes no folder's name", where="--name", cure=cure)
    if not parts(workspace.records / "events"):
        raise NotReady(f"no events in {workspace.records}", cure="ingest a log: `rolecall ingest --data FOLDER`")
    with scratch(workspace.dealt_log(_key(contender, asked)), "a replay of the same requests") as folder:
        return _run(workspace, contender, asked, folder)


def _run(workspace: Workspace, contender: Contender, asked: Asked, rows: Path) -> RunFolder:
    dealt = _deal(workspace, asked, rows)
    manifest = _manifest(workspace, contender, asked, dealt)
    folder = workspace.replay_runs / manifest.name
    written = (folder / MANIFEST).read_bytes() if (folder / MANIFEST).is_file() else None
    same = written == _text(manifest).encode()
    if same and (folder / SUMMARY).is_file():
        log.info("replay: run %s is done already", manifest.name)
        _clear(folder)
        return RunFolder(folder)
    if folder.exists() and not same:  # without a manifest too: a call that was killed may have begun to remove it
        log.warning("replay: the run %s of before, of other arguments or an altered manifest, goes", manifest.name)
        shutil.rmtree(folder)
    write_text(folder / MANIFEST, _text(manifest))
    task = _task(workspace, contender, asked, folder, dealt)
    numbers = dealt.numbers
    todo = [number for number in numbers if not task.part(number).is_dir()]
    what = "replay: %s asks %s requests, %s of %s parts"
    log.info(what, manifest.name, f"{dealt.requests:,}", len(todo), len(numbers))
    if todo:
        run_pipeline(asked.options, workspace, partial(_build, task=task, todo=todo))
    _gather(task, manifest, numbers)
    return RunFolder(folder)


def _build(pipeline: beam.Pipeline, mark: Mark, task: Task, todo: Sequence[int]) -> object:
    dealt = pipeline | "parts" >> beam.Create(todo) | "spread" >> beam.Reshuffle() | "seen" >> beam.Map(mark.checked)
    return dealt | "answer" >> beam.Map(lambda number: answer_part(task, number))


def _deal(workspace: Workspace, asked: Asked, rows: Path) -> Dealt:
    events = workspace.records / "events"
    dealt = deal_requests(parts(events), asked.which, rows, PART_REQUESTS, asked.rank_only)
    if not dealt.requests:
        what = "no request of the log is asked for" + (" that shows its list" if asked.rank_only else "")
        cure = "ask for other dates, or for the whole log: `--from` and `--to`"
        raise NotReady(what, where=str(events), cure=cure)
    return dealt


def _key(contender: Contender, asked: Asked) -> str:
    """The same for the same call, as of one that goes on."""
    ids = sorted(asked.which.ids) if asked.which.ids is not None else None
    return json_hash([contender.model_dump(mode="json"), _arguments(asked), asked.name, ids])


def _arguments(asked: Asked) -> dict[str, Any]:
    which = asked.which
    return {
        "splits": list(which.splits),
        "from": which.start.isoformat() if which.start else None,
        "to": which.end.isoformat() if which.end else None,
        "requests": which.most,
        "seed": which.seed,
        "window_days": which.within.total_seconds() / 86_400 if which.within else None,
        "rank_only": asked.rank_only,
    }


def _manifest(workspace: Workspace, contender: Contender, asked: Asked, dealt: Dealt) -> Manifest:
    judge = asked.judge if asked.judge is not None and asked.judge.free and asked.policy is not None else None
    graded_by = "the truth of the market" if asked.market else f"judge {judge.kind}" if judge else ""
    assert dealt.first is not None
    bundle = read_manifest(workspace.bundles / contender.bundle)
    versions = {
        "encoder": read_encoder(workspace.encoder).version,
        "text": bundle.text_version,
        "activity": _known_until(workspace.features / MEMBER_ACTIVITY),
        "policy": asked.policy.version if asked.policy and graded_by else "",
        "judge": json_hash(judge.model_dump(mode="json")) if judge and not asked.market else "",
    }
    about: dict[str, Any] = {
        "contender": contender,
        "arguments": _arguments(asked),
        "versions": versions,
        "records": _records(workspace),
        "as_of": dealt.first.isoformat(),
        "requests": dealt.requests,
        "requests_hash": dealt.ids,
        "splits": dict(sorted(dealt.splits.items())),
        "set_apart": dict(sorted(dealt.apart.items())),
        "parts": dealt.parts,
        "rank_only": asked.rank_only,
        "graded_by": graded_by,
        "simulated": bool(asked.market) or bool(bundle.lineage.get("simulated")),
    }
    unnamed = Manifest(name="", **about)
    who = slug(Path(contender.trec).stem) if contender.trec else contender.bundle[:8]
    mode = "rerank" if asked.rank_only else "full"
    made = f"{contender.system}-{who}-{mode}-{json_hash(unnamed.model_dump(mode='json'), 8)}"
    return unnamed.model_copy(update={"name": slug(asked.name) if asked.name else made})


def _text(manifest: Manifest) -> str:
    return as_json(manifest.model_dump(mode="json"))


def _records(workspace: Workspace) -> str:
    """Hash of the names and sizes of all parts that answers hang on: a part never changes under its name."""
    folders = [*sorted(workspace.records.glob("*")), *sorted(workspace.features.glob("*"))]
    found = [(path.relative_to(workspace.root).as_posix(), path.stat().st_size) for of in folders for path in parts(of)]
    return json_hash(found)


def _known_until(folder: Path) -> str:
    """The newest time of a feature table and, where it was made anew beside the first one, its version; empty: none."""
    paths = parts(folder)
    if not paths:
        return ""
    newest = pl.scan_parquet(paths).select(pl.col(EVENT_TIME).max()).collect().item()
    version = paths[0].parent.parent.name if paths[0].parent != folder else ""
    return " ".join(filter(None, (newest.isoformat() if newest else "", version)))


def _task(workspace: Workspace, contender: Contender, asked: Asked, folder: Path, dealt: Dealt) -> Task:
    """What all parts share; the index as of the first request is built once, for all processes."""
    bundle = workspace.bundles / contender.bundle
    item_encoder, encoder = ItemEncoder(bundle), TextEncoder(workspace.encoder)
    for surface in ("search", "recommendation"):
        contender.objective(item_encoder.manifest, surface)  # refuses knobs that do not fit
    assert dealt.first is not None
    like, cut = workspace.indexes / contender.index, dealt.first
    index, known_from = find_past_index(workspace, cut, item_encoder, encoder, like, folder / _INDEX, any_bundle=True)
    opened = JobIndex.load(index)
    check_index(opened, item_encoder.manifest, encoder)
    undated = {} if has_impressions(workspace) else first_views(workspace, opened)
    judge = asked.judge if asked.judge is not None and asked.judge.free else None
    return Task(
        root=workspace.root,
        folder=folder,
        asked=dealt.folder,
        contender=contender,
        index=index,
        known_from={**undated, **known_from},
        rank_only=asked.rank_only,
        rules=asked.rules,
        judge=judge,
        policy=asked.policy,
        market=asked.market,
        share=Share.of(asked.options),
    )


def _gather(task: Task, manifest: Manifest, numbers: Sequence[int]) -> None:
    """The parts as one table each, the TREC files and the summary, a part at a time; then the parts go."""
    with writing(task.folder, "the tables of the run"):
        for name in TABLES:
            with staged_file(task.folder / f"{name}.parquet") as staged:
                _write_together(staged, (_read(task, number, name) for number in numbers))
        write_run(task.folder / "answers.run", _answered(task, numbers), manifest.name)
        write_qrels(task.folder / "choices.qrels", _chosen(task, numbers))
    summary = Summary(manifest)
    for number in numbers:
        summary.add(*(pl.DataFrame(_read(task, number, name)) for name in ("measures", "shown")))
    if summary.requests != manifest.requests:
        what = f"{summary.requests:,} requests were answered of {manifest.requests:,}"
        raise UnreadableFile(what, where=str(task.folder), cure="remove this folder, then run again")
    write_text(task.folder / SUMMARY, as_json(summary.result()))
    _clear(task.folder)
    log.info("replay: run %s", task.folder)


def _clear(folder: Path) -> None:
    """Remove what a run that is done needs no more."""
    for name in ("parts", _INDEX):
        shutil.rmtree(folder / name, ignore_errors=True)


def _read(task: Task, number: int, name: str) -> pa.Table:
    return pq.read_table(task.part(number) / f"{name}.parquet")


def _write_together(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables of one schema, one at least, as one, in row groups of `GROUP_ROWS` or more."""
    held = [next(tables)]
    with pq.ParquetWriter(path, held[0].schema, compression="zstd") as writer:
        for table in tables:
            if sum(one.num_rows for one in held) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(held))
                held = []
            held.append(table)
        writer.write_table(pa.concat_tables(held))


def _answered(task: Task, numbers: Sequence[int]) -> Iterator[tuple[str, RankedList]]:
    for number in numbers:
        answers = pl.DataFrame(_read(task, number, "answers")).group_by("request_id", maintain_order=True)
        for request, jobs, scores in answers.agg("job_id", "score").iter_rows():
            yield request, (jobs, np.array(scores, np.float32))


def _chosen(task: Task, numbers: Sequence[int]) -> Iterator[tuple[str, Mapping[str, int]]]:
    for number in numbers:
        chosen = pl.DataFrame(_read(task, number, "shown")).filter(pl.col("gain") > 0)
        of_requests = chosen.group_by("request_id", maintain_order=True).agg("job_id", "gain")
        for request, jobs, worth in of_requests.iter_rows():
            yield request, dict(zip(jobs, worth, strict=True))
