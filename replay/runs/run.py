"""Runs: past requests are dealt into parts, answered part by part (Beam), and gathered into one folder.

A part is done when its folder is there. The same arguments on the same records make the same name, so that a run that
was killed goes on, and one that is done is not done again.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs.pipeline import run_pipeline
from beam_jobs.workers import Mark
from contracts.encoder import read_encoder
from contracts.errors import BadInput, NotReady
from contracts.features import EVENT_TIME, MEMBER_ACTIVITY
from contracts.tables import latest, parts, read_parts, read_records
from contracts.versions import json_hash, row_hash, write_text
from contracts.workspace import Workspace
from history.requests import EVENT_COLUMNS, PastRequest, Which, requests_again
from history.set_apart import set_apart
from models.training.metrics import calibration_error
from policy.judges.base import JudgeConfig
from policy.types import Policy
from ranking.scorer import BundleScorer, ItemEncoder
from replay.clustered import clustered_mean
from replay.holdout import first_views, has_impressions
from replay.measures import auc_estimates
from replay.past_index import find_past_index
from replay.runs.answers import OWN, TABLES, TASKS, Task, answer_part
from replay.runs.contender import Contender
from replay.runs.folder import MANIFEST, SUMMARY, Manifest, RunFolder, as_json
from replay.runs.measured import MEASURES
from replay.trec import slug, write_qrels, write_run
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import check_index
from retrieval.rules.rules import RuleBook

log = logging.getLogger("rolecall")

PART_REQUESTS = 128
"""Requests of a part, about: what a run that is killed does again at most, in each process."""
_INDEX = "index"
NO_LIST = "requests whose list the log does not show"


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
    """
    if asked.name and not slug(asked.name):
        cure = "name the run by letters a to z and digits"
        raise BadInput(f"{asked.name[:80]!r} makes no folder's name", where="--name", cure=cure)
    requests, apart = _requests(workspace, asked)
    manifest = _manifest(workspace, contender, asked, requests, apart)
    folder = workspace.replay_runs / manifest.name
    written = (folder / MANIFEST).read_bytes() if (folder / MANIFEST).is_file() else None
    same = written == _text(manifest).encode()
    if same and (folder / SUMMARY).is_file():
        log.info("replay: run %s is done already", manifest.name)
        return RunFolder(folder)
    if written is not None and not same:
        log.warning("replay: the run %s of before, of other arguments or an altered manifest, goes", manifest.name)
        shutil.rmtree(folder)
    write_text(folder / MANIFEST, _text(manifest))
    dealt = _dealt(requests, manifest.parts)
    task = _task(workspace, contender, asked, folder, requests)
    about = _logged_by(workspace, requests)
    todo = [
        (number, of, [about.get(one.list_id, "") for one in of])
        for number, of in sorted(dealt.items())
        if not task.part(number).is_dir()
    ]
    log.info("replay: %s asks %s requests, %s of %s parts", manifest.name, f"{len(requests):,}", len(todo), len(dealt))
    if todo:
        run_pipeline(asked.options, workspace, partial(_build, task=task, todo=todo))
    _gather(task, manifest, sorted(dealt))
    return RunFolder(folder)


def _build(
    pipeline: beam.Pipeline, mark: Mark, task: Task, todo: Sequence[tuple[int, Sequence[PastRequest], Sequence[str]]]
) -> object:
    dealt = pipeline | "parts" >> beam.Create(todo) | "spread" >> beam.Reshuffle() | "seen" >> beam.Map(mark.checked)
    return dealt | "answer" >> beam.Map(lambda part: answer_part(task, *part))


def _requests(workspace: Workspace, asked: Asked) -> tuple[list[PastRequest], Mapping[str, int]]:
    if not parts(workspace.records / "events"):
        raise NotReady(f"no events in {workspace.records}", cure="ingest a log: `rolecall ingest --data FOLDER`")
    table = read_records(workspace.records, "events", EVENT_COLUMNS)
    events, odd = set_apart(pl.DataFrame(latest(table, "id", "time")))
    found, late = requests_again(events, asked.which)
    if asked.rank_only:
        whole = [one for one in found if one.complete]
        late, found = late + Counter({NO_LIST: len(found) - len(whole)}), whole
    if not found:
        what = "no request of the log is asked for" + (" that shows its list" if asked.rank_only else "")
        cure = "ask for other dates, or for the whole log: `--from` and `--to`"
        raise NotReady(what, where=str(workspace.records / "events"), cure=cure)
    return found, {**odd, **late}


def _logged_by(workspace: Workspace, requests: Sequence[PastRequest]) -> dict[str, str]:
    """Request -> bundle and index versions of what showed it. The log is read once, a part of it at a time."""
    wanted, found = pl.DataFrame({"request_id": [one.list_id for one in requests]}), dict[str, str]()
    shown = (pc.field("action") == "impression") & pc.is_valid(pc.field("logged_by"))
    for path in parts(workspace.records / "events"):
        if "logged_by" in pq.read_schema(path).names:  # not of before there was that field
            rows = pl.DataFrame(read_parts([path], ["request_id", "logged_by"], shown))
            found |= dict(
                rows.join(wanted, on="request_id", how="semi").unique().sort("request_id", "logged_by").iter_rows()
            )
    return found


def _manifest(
    workspace: Workspace,
    contender: Contender,
    asked: Asked,
    requests: Sequence[PastRequest],
    apart: Mapping[str, int],
) -> Manifest:
    judge = asked.judge if asked.judge is not None and asked.judge.free and asked.policy is not None else None
    graded_by = "the truth of the market" if asked.market else f"judge {judge.kind}" if judge else ""
    which = asked.which
    arguments: dict[str, Any] = {
        "splits": list(which.splits),
        "from": which.start.isoformat() if which.start else None,
        "to": which.end.isoformat() if which.end else None,
        "requests": which.most,
        "seed": which.seed,
        "window_days": which.within.total_seconds() / 86_400 if which.within else None,
        "rank_only": asked.rank_only,
    }
    scorer = BundleScorer(workspace.bundles / contender.bundle)
    versions = {
        "encoder": read_encoder(workspace.encoder).version,
        "text": scorer.manifest.text_version,
        "activity": _known_until(workspace.features / MEMBER_ACTIVITY),
        "policy": asked.policy.version if asked.policy and graded_by else "",
        "judge": json_hash(judge.model_dump(mode="json")) if judge and not asked.market else "",
    }
    ids = [one.list_id for one in requests]
    about: dict[str, Any] = {
        "contender": contender,
        "arguments": arguments,
        "versions": versions,
        "records": _records(workspace),
        "as_of": requests[0].time.isoformat(),
        "requests": len(requests),
        "requests_hash": json_hash(ids),
        "splits": dict(sorted(Counter(one.split for one in requests).items())),
        "set_apart": dict(sorted(apart.items())),
        "parts": max(1, -(-len(requests) // PART_REQUESTS)),
        "rank_only": asked.rank_only,
        "graded_by": graded_by,
        "simulated": bool(asked.market) or bool(scorer.manifest.lineage.get("simulated")),
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


def _dealt(requests: Sequence[PastRequest], number: int) -> dict[int, list[PastRequest]]:
    dealt: dict[int, list[PastRequest]] = defaultdict(list)
    for one in requests:
        dealt[int(row_hash(one.list_id, 7), 16) % number].append(one)
    return dealt


def _task(
    workspace: Workspace, contender: Contender, asked: Asked, folder: Path, requests: Sequence[PastRequest]
) -> Task:
    """What all parts share; the index as of the first request is built once, for all processes."""
    bundle = workspace.bundles / contender.bundle
    item_encoder, encoder = ItemEncoder(bundle), TextEncoder(workspace.encoder)
    for surface in ("search", "recommendation"):
        contender.objective(item_encoder.manifest, surface)  # refuses knobs that do not fit
    like, cut = workspace.indexes / contender.index, min(one.time for one in requests)
    index, known_from = find_past_index(workspace, cut, item_encoder, encoder, like, folder / _INDEX, any_bundle=True)
    opened = JobIndex.load(index)
    check_index(opened, item_encoder.manifest, encoder)
    undated = {} if has_impressions(workspace) else first_views(workspace, opened)
    judge = asked.judge if asked.judge is not None and asked.judge.free else None
    return Task(
        root=workspace.root,
        folder=folder,
        contender=contender,
        index=index,
        known_from={**undated, **known_from},
        rank_only=asked.rank_only,
        rules=asked.rules,
        judge=judge,
        policy=asked.policy,
        market=asked.market,
    )


def _gather(task: Task, manifest: Manifest, numbers: Sequence[int]) -> None:
    """The parts as one table each, the TREC files and the summary; then the parts go."""
    tables = {}
    for name in TABLES:
        table = pa.concat_tables([pq.read_table(task.part(number) / f"{name}.parquet") for number in numbers])
        pq.write_table(table, task.folder / f"{name}.parquet", compression="zstd")
        tables[name] = pl.DataFrame(table)
    answers = tables["answers"].group_by("request_id", maintain_order=True).agg("job_id", "score")
    run_of = {request: (jobs, np.array(scores, np.float32)) for request, jobs, scores in answers.iter_rows()}
    write_run(task.folder / "answers.run", run_of, manifest.name)
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for request, job, gain in tables["shown"].filter(pl.col("gain") > 0)["request_id", "job_id", "gain"].iter_rows():
        qrels[request][job] = gain
    write_qrels(task.folder / "choices.qrels", qrels)
    write_text(task.folder / SUMMARY, as_json(summary(manifest, tables)))
    shutil.rmtree(task.folder / "parts")
    shutil.rmtree(task.folder / _INDEX, ignore_errors=True)
    log.info("replay: run %s", task.folder)


def summary(manifest: Manifest, tables: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """The means of every measure with intervals, AUC and calibration of each task over all shown jobs, and counts."""
    measures, shown = tables["measures"], tables["shown"]
    means: dict[str, dict[str, Any]] = {}
    for (system,), of in measures.group_by("system", maintain_order=True):
        members = of["member_id"].to_list()
        found = {name: clustered_mean(of[name].to_numpy(), members) for name in MEASURES}
        means[str(system)] = {name: one.model_dump() for name, one in found.items() if one is not None}
    return {
        "name": manifest.name,
        "contender": manifest.contender.name,
        "requests": manifest.requests,
        "led_to_something": int(measures.filter(system=OWN)["nDCG@10"].is_not_nan().sum()),
        "shown_jobs": len(shown),
        "with_propensity": int(shown["propensity"].is_not_null().sum()),
        "means": means,
        "tasks": {task: found for task in TASKS if (found := _of_task(shown, task))},
    }


def _of_task(shown: pl.DataFrame, task: str) -> dict[str, Any]:
    """AUC over all shown jobs of which the bundle says how probable an action is, and the calibration error."""
    known = shown.filter(pl.col(task).is_not_null() & pl.col(f"said_{task}").is_not_null())
    labels, said = known[task].to_numpy() > 0, known[f"said_{task}"].to_numpy()
    if not labels.any() or labels.all():
        return {}
    auc = auc_estimates(said[:, None], labels, known["request_id"].to_numpy(), 0)[0]
    return {
        "auc": auc.value,
        "low": auc.low if auc.n > 1 else 0.0,
        "high": auc.high if auc.n > 1 else 1.0,
        "calibration_error": calibration_error(said, labels.astype(np.float64)),
        "jobs": len(known),
    }
