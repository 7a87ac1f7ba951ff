"""Replay: the held-out requests answered by every system, measured, and written down.

Writes TREC files and `metrics.json` under `workspace.replay`, and `report.html` beside it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow.compute as pc

from contracts.errors import NotReady
from contracts.examples import SERVED
from contracts.records import RECORDS
from contracts.tables import parts, read_table
from contracts.text.fitted import open_verbalizer
from contracts.workspace import Workspace
from models.training.metrics import calibration_error, reliability
from policy.judges.base import JudgeConfig
from policy.types import Policy
from ranking.scorer import BundleScorer, ItemEncoder
from replay.config import ServedConfig
from replay.graded import TrueGrades
from replay.holdout import (
    HeldOut,
    first_views,
    has_impressions,
    held_out,
    only_known,
    requests_as_of,
    requests_of_pairs,
)
from replay.judged import Collector, Judging, judge_served
from replay.measures import recall_curve
from replay.past_index import past_index
from replay.report.page import write_report
from replay.report.tables import TASKS, Comparison, EndToEnd
from replay.results import Reliability, Results, Table
from replay.systems import DEPTH, Ranker, ScoredPairs, end_to_end_runs, score_pairs
from replay.trec import Run
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import check_index
from retrieval.rules.rules import RuleBook

log = logging.getLogger("rolecall")

MIN_PAIRS = 50
"""Known outcomes of a task under which its calibration is not drawn."""


def replay(
    workspace: Workspace,
    *,
    resamples: int = 1_000,
    requests: int = 2_000,
    seed: int = 0,
    truth: TrueGrades | None = None,
    attribution: str = "",
    rules: RuleBook | None = None,
    served: ServedConfig | None = None,
    judge: JudgeConfig | None = None,
    policy: Policy | None = None,
    teachers: Collection[str] | None = None,
) -> Results:
    """Measure every system on the same held-out requests; write the runs, the metrics and the report.

    Args:
        workspace: Holds the log, the features, the bundle and the index.
        resamples: Of the bootstrap.
        requests: The most that are answered end to end.
        seed: Of the sample of requests and of the bootstrap.
        truth: True grades of a simulated market; they add the tables against the truth.
        attribution: Sentence that the licence of the data asks for.
        rules: From member feedback; every system answers by the enabled ones.
        served: What is judged of the candidates that retrieval returns; None for the defaults.
        judge: Who judges them, beside the truth; None for nobody.
        policy: What the judge grades by.
        teachers: Those that are on: what is served is read by none that was turned off. None: all that are there.

    Raises:
        NotReady: A step of the recipe is missing.
        IndexMismatch: Index and bundle do not belong together.
    """
    bundle = workspace.bundle
    encoder, scorer, item_encoder = TextEncoder(workspace.encoder), BundleScorer(bundle), ItemEncoder(bundle)
    is_listed = pc.field("stratum") != SERVED  # the others lie beside the lists, for the judge's sake
    test = read_table(workspace.training, filter=(pc.field("split") == "test") & is_listed)
    lists = requests_of_pairs(workspace, test)
    held = held_out(workspace, requests, seed)
    made = not held
    if made:
        held = sorted(lists, key=lambda request: request.time)
        if not held:
            raise NotReady("no request is held out, of the log or made", cure="label a board of more jobs")
        log.warning("replay: no request of the log is held out; %s made ones are answered", f"{len(held):,}")
    else:
        log.info("replay: %s held-out requests from %s on", f"{len(held):,}", held[0].time.date())
    with past_index(workspace, held[0].time, item_encoder, encoder) as past:
        check_index(past.index, scorer.manifest, encoder)
        ranker = Ranker(past.index, encoder, scorer, item_encoder)
        enabled = rules.enabled if rules else ()
        percentiles = open_verbalizer(workspace).percentiles if enabled or scorer.manifest.match_version else None
        asked = requests_as_of(workspace, held, past.known_from, percentiles)
        judging = Judging(served or ServedConfig(), truth, judge, policy, teachers)
        collector = Collector(judging, ranker, asked)
        runs = end_to_end_runs(ranker, held, asked, enabled, collector.add)
        impressions = has_impressions(workspace)
        undated = {} if impressions or made else first_views(workspace, past.index)
        known = only_known(held, undated) if undated else []
        if known:
            log.info("replay: %s of them went on to a job that somebody had viewed", f"{len(known):,}")
            known_from = {**undated, **past.known_from}
            runs_known = end_to_end_runs(
                ranker, known, requests_as_of(workspace, known, known_from, percentiles), enabled
            )
        of_lists = requests_as_of(workspace, lists, past.known_from)
        by_list = {of_list.request_id: request for of_list, request in zip(lists, of_lists, strict=True)}
        pairs = score_pairs(workspace, test, ranker, by_list)
        index_version, jobs, out_of_reach = past.index.version, len(past.index), _out_of_reach(past.index, held)
    log.info("replay: measuring, intervals from %s resamples", f"{resamples:,}")
    judged = judge_served(workspace, judging, ranker, held, asked, collector.lists, seed, resamples)
    shutil.rmtree(workspace.replay, ignore_errors=True)
    comparison = Comparison(workspace.replay, resamples, seed)
    tables: list[Table | None] = []
    if known:  # the table that is shown first is the honest one
        tables.append(comparison.end_to_end(known, runs_known, "known"))
    kind: EndToEnd = "all" if undated else "open"
    if not made:
        tables.append(comparison.end_to_end(held, runs, kind, "end_to_end_all" if known else "end_to_end"))
    tables += judged.tables
    if truth is not None:
        tables.append(comparison.true_fit(held, runs, truth))
    tables += [*comparison.reranked(pairs, truth), comparison.auc(pairs)]
    lineage = scorer.manifest.lineage
    results = Results(
        simulated=bool(lineage.get("simulated")) or truth is not None,
        attribution=attribution,
        impressions=impressions,
        made=made,
        requests=len(held),
        jobs=jobs,
        first=held[0].time,
        last=held[-1].time,
        out_of_reach=out_of_reach,
        tables=tuple(table for table in tables if table is not None),
        judged_by=judged.judged_by,
        orders={surface: objective.in_words for surface, objective in scorer.manifest.objectives.items()},
        cohorts=judged.cohorts,
        recall={}
        if made
        else {name: _recall(known or held, run) for name, run in (runs_known if known else runs).items()},
        reliability=_calibration(pairs),
        versions={
            "bundle": scorer.manifest.version,
            "index": index_version,
            "encoder": encoder.version,
            "text": scorer.manifest.text_version,
            **{f"{name} teacher": str(version) for name, version in lineage.get("teachers", {}).items()},
            **_policy(workspace),
            **({"rules": rules.version} if rules else {}),
        },
        records=_counted(workspace),
        quarantine=_quarantined(workspace),
    )
    (workspace.replay / "metrics.json").write_text(results.model_dump_json(indent=1) + "\n", "utf-8")
    workspace.replay_metrics.parent.mkdir(exist_ok=True)
    workspace.replay_metrics.write_text(json.dumps(results.by_system(), indent=1) + "\n", "utf-8")
    write_report(workspace, results)
    log.info("replay: report in %s", workspace.report)
    return results


def _out_of_reach(index: JobIndex, held: Sequence[HeldOut]) -> int:
    """Jobs that people went on to and that the index does not hold: a miss for every system."""
    return int((index.rows(job for request in held for job in request.gains) < 0).sum())


def _recall(held: Sequence[HeldOut], run: Run) -> tuple[float, ...]:
    ranks = []
    for request in held:
        jobs = run[request.request_id][0]
        ranks.append(np.array([rank for rank, job in enumerate(jobs) if job in request.gains], np.int64))
    totals = np.array([len(request.gains) for request in held])
    return tuple(recall_curve(ranks, totals, DEPTH).tolist())


def _calibration(pairs: ScoredPairs) -> tuple[Reliability, ...]:
    """The calibration of the bundle's probabilities by task, where enough outcomes are known."""
    by_task = []
    for task in TASKS:
        labels = pairs.labels[task]
        known = int((~np.isnan(labels)).sum())
        if task in pairs.probabilities and known >= MIN_PAIRS and (labels > 0).any():
            predicted = pairs.probabilities[task]
            error, bins = calibration_error(predicted, labels), tuple(reliability(predicted, labels))
            by_task.append(Reliability(task=task, pairs=known, error=error, bins=bins))
    return tuple(by_task)


def _counted(workspace: Workspace) -> Mapping[str, int]:
    """Table -> records, each id once."""
    present = [name for name in RECORDS if parts(workspace.records / name)]
    tables = {name: read_table(workspace.records / name, [_key(name)]) for name in present}
    return {name: pc.count_distinct(table[0]).as_py() for name, table in tables.items()}


def _key(table: str) -> str:
    return "row_hash" if table == "grades" else "id"


def _policy(workspace: Workspace) -> Mapping[str, str]:
    """The version of the policy that was graded by; nothing where nothing was graded."""
    if not parts(workspace.grades):
        return {}
    return {"policy": read_table(workspace.grades, ["policy_version"])["policy_version"][0].as_py()}


def _quarantined(workspace: Workspace) -> Mapping[str, int]:
    """Reason -> rows, most first."""
    if not parts(workspace.quarantine):
        return {}
    counts = Counter(read_table(workspace.quarantine, ["reason"])["reason"].to_pylist())
    return dict(counts.most_common())
