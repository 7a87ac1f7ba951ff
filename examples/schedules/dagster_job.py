"""The nightly run as a Dagster asset on a schedule (`dagster dev -f dagster_job.py`), its stages as metadata."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import dagster

WORKSPACE = Path("/srv/rolecall")
COMMAND = "rolecall nightly --data /srv/exports/board --snapshot --workspace /srv/rolecall --retrain-days 30"


@dagster.asset(retry_policy=dagster.RetryPolicy(max_retries=1, delay=1_200))
def served_jobs() -> dagster.MaterializeResult:
    """Jobs, members and lists as of tonight."""
    subprocess.run(COMMAND.split(), check=True)
    note = json.loads((WORKSPACE / "nightly.json").read_text())
    return dagster.MaterializeResult(metadata={stage["stage"]: stage["said"] for stage in note["stages"]})


nightly = dagster.define_asset_job("rolecall_nightly", selection=[served_jobs])
defs = dagster.Definitions(
    assets=[served_jobs],
    jobs=[nightly],
    schedules=[dagster.ScheduleDefinition(job=nightly, cron_schedule="15 3 * * *")],
)
