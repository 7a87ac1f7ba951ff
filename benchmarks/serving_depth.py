"""How deep the student has to rank: good fits in the first ten and the time of ranking, by the number of candidates.

Members of a simulated market are asked for; a fit is good by the market's own truth (grade 3 or 4). The candidates are
the same at every depth, and those that the student does not score follow in the order of retrieval. Depth 0 is that
order alone.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np

from contracts.features import MEMBER_TEXT
from contracts.tables import read_table
from contracts.workspace import Workspace
from feature_repo.online import MemberRow
from ranking.eligibility import display_order
from ranking.match import encode_titles
from ranking.rank import as_retrieved, rank
from replay.fits import DEPTH, good_fits
from retrieval.engines.side_by_side import one_core
from retrieval.filters.filters import Filter
from retrieval.index.job_index import CANDIDATES
from retrieval.request import Request, build_request
from retrieval.rules.rules import find_rules
from serving.config import ServeConfig
from serving.servable import Servable, load_servable
from simulator.truth import Truth

DEPTHS = (0, 50, 100, 200, 500)
MEMBERS = 150
CASE = "demo, depth of ranking"


def depth_rows(workspace: Workspace, system: str) -> list[dict[str, Any]]:
    """Good fits at ten and milliseconds of ranking at each depth, with the 95% interval over members."""
    truth, rules = Truth.load(workspace.root / "raw").fits, find_rules(workspace, None).enabled
    servable = load_servable(workspace, ServeConfig())
    ids = sorted(set(read_table(workspace.features / MEMBER_TEXT, ["member_id"])["member_id"].to_pylist()))
    members = np.random.default_rng(0).permutation(ids)[:MEMBERS]
    fits: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    walls: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    try:
        for member in map(str, members):
            request = _request(servable, member, servable.members.read(member))
            vector = servable.encoder.encode([request.request_text], "request")[0]
            titles = encode_titles(servable.encoder, request) if servable.manifest.match_version else None
            candidates = servable.index.search(request, vector, CANDIDATES, rules)
            for depth in DEPTHS:
                servable.caches.clear()
                started = time.perf_counter()
                ranked = as_retrieved(candidates)
                if depth:
                    with one_core():  # as a request that is alone
                        ranked = rank(servable.index, servable.scorer, request, candidates, vector, depth, titles)
                walls[depth].append((time.perf_counter() - started) * 1_000)
                order = display_order(servable.index, ranked.rows, demoted=candidates.demoted)
                shown = [servable.index.ids[ranked.rows[place]] for place in islice(order, DEPTH)]
                fits[depth].append(good_fits(truth([member] * len(shown), shown, [""] * len(shown))))
    finally:
        servable.members.close()
    rows = []
    for depth in DEPTHS:
        case = f"{CASE} {depth}"
        rows.append(_row(case, system, "good_fits@10", np.array(fits[depth]), np.mean, ""))
        rows.append(_row(case, system, "ranking_p50_ms", np.array(walls[depth]), np.median, "ms"))
    return rows


def _request(servable: Servable, member: str, row: MemberRow) -> Request:
    return build_request(
        row.text,
        row.activity,
        "",
        row.location,
        Filter(),
        datetime.now(UTC),
        member_id=member,
        percentiles=servable.verbalizer.percentiles,
    )


def _row(case: str, system: str, metric: str, values: np.ndarray, of: Any, unit: str) -> dict[str, Any]:
    """A statistic of (n,) values with its 95% bootstrap interval."""
    drawn = np.random.default_rng(0).choice(values, (1_000, len(values)))
    low, high = np.percentile(of(drawn, axis=1), [2.5, 97.5])
    value = {"value": float(of(values)), "low": float(low), "high": float(high)}
    return {"case": case, "system": system, "metric": metric, "unit": unit, **value}
