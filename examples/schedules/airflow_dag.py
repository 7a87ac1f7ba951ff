"""The nightly run as an Airflow DAG (2.4 and later): one task, since its stages share their libraries and one lock.

Copy it into the folder of DAGs. What each stage did stands in the task's log and in WORKSPACE/nightly.json.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    "rolecall_nightly",
    schedule="15 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a night that was missed is made good by the next one
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=20)},
):
    BashOperator(
        task_id="nightly",
        bash_command=(
            "rolecall nightly --data /srv/exports/board --snapshot --workspace /srv/rolecall --retrain-days 30"
        ),
        execution_timeout=timedelta(hours=5),
    )
