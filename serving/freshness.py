"""How old what is served is: read from the disk by the thread that looks at CURRENT, never while somebody asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from contracts.workspace import Workspace
from feature_repo.store import materialized_until
from retrieval.index.manifest import built_at
from serving.metrics import Metrics


def tell_freshness(metrics: Metrics, workspace: Workspace, index: Path) -> None:
    """Set the gauges of the index's and the features' age. What cannot be read is NaN, and no error."""
    metrics.index_built.set(_seconds(lambda: built_at(index)))
    metrics.features_materialized.set(_seconds(lambda: materialized_until(workspace)))


def _seconds(when: Callable[[], datetime | None]) -> float:
    try:
        moment = when()
    except Exception:  # whatever a disk or a broken registry raises: requests do not need it
        return math.nan
    return math.nan if moment is None else moment.timestamp()
