"""The room that says how the service is: what is served, how old it is, how long stages take, what was done without."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi import APIRouter, Response
from prometheus_client.metrics_core import Metric

from contracts.tables import parts
from retrieval.index.manifest import built_at
from serving.engine import Engine
from serving.http.console.charts import quantile
from serving.http.console.compare import policy_of
from serving.http.console.page import render, shown
from serving.http.siblings import summed
from serving.http.state import Service

router = APIRouter(include_in_schema=False)
QUANTILES = (0.5, 0.95, 0.99)
PREFIX = "rolecall_"


class Timed(NamedTuple):
    """How long something took. quantiles: seconds at `QUANTILES`; shares: of the observations in each bucket."""

    name: str
    times: int
    quantiles: tuple[float | None, ...]
    shares: tuple[float, ...]


class Counted(NamedTuple):
    """One value of a metric and its labels."""

    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    """A metric that has no table of its own."""

    name: str
    about: str
    values: list[Counted]


@router.get("/console/health")
async def health(service: Service) -> Response:
    return await shown(service, lambda engine: _page(engine, service.metrics_text()))


def timed(family: Metric, label: str) -> list[Timed]:
    """What a histogram says of each value of a label, those that took longest in the middle first."""
    buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            buckets[sample.labels.get(label, "")].append((float(sample.labels["le"]), sample.value))
    found = []
    for name, of_name in buckets.items():
        ascending = sorted(of_name)
        total = ascending[-1][1]
        counts = [
            count - before for (_, count), before in zip(ascending, [0, *(c for _, c in ascending)], strict=False)
        ]
        most = max(counts, default=0) or 1
        shares = tuple(count / most for count in counts)
        found.append(Timed(name, int(total), tuple(quantile(ascending, share) for share in QUANTILES), shares))
    return sorted((one for one in found if one.times), key=lambda one: -(one.quantiles[0] or 0))


def counted(family: Metric) -> list[Counted]:
    """The values of a counter or gauge; those that a counter was created at are left out."""
    values = [Counted(sample.labels, sample.value) for sample in family.samples if not sample.name.endswith("_created")]
    return sorted(values, key=lambda one: -one.value)


def _page(engine: Engine, text: bytes) -> str:
    families = {family.name.removeprefix(PREFIX): family for family in summed(text)}
    tables = {
        name: timed(families.pop(name), label)
        for name, label in (("stage_seconds", "stage"), ("request_seconds", "path"))
        if name in families
    }
    named = {name: counted(families.pop(name)) for name in ("degraded", "requests", "events") if name in families}
    others = [
        Family(name, family.documentation, counted(family))
        for name, family in sorted(families.items())
        if family.type in ("counter", "gauge") and family.samples
    ]
    servable = engine.servable
    features = [path.stat().st_mtime for path in parts(engine.workspace.features / "member_text")]
    return render(
        "health.html",
        engine,
        "health",
        servable=servable,
        rules=engine.rules,
        policy=policy_of(engine).version,
        built=built_at(servable.folders[1]),
        features=datetime.fromtimestamp(max(features), UTC) if features else None,
        feed=engine.feed.state if engine.feed else "none",
        stages=tables.get("stage_seconds", []),
        paths=tables.get("request_seconds", []),
        degraded=[one for one in named.get("degraded", []) if one.value],
        requests=[one for one in named.get("requests", []) if one.value],
        events=[one for one in named.get("events", []) if one.value],
        others=others,
    )
