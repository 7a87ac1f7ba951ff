"""What the as-of join costs beside those of DuckDB and Polars: which version of its row did each moment know?

    pip install duckdb
    python -m benchmarks.as_of

A million moments over 90 days are joined with the versions of the rows of 50,000 members (random; simulated), each of
which was known a second after its event. Every system reads the same Parquet files, gives the same rows, which is
checked, and runs in a process of its own, so that memory is its own; they take turns.

- `rolecall` is `contracts.time.as_of.rows_as_of`, which the feature store and the replay share. It knows two times a
  version (when it happened, when it was known) and versions that come out of order; the rivals are given one time.
- `rolecall, Feast` is the same through Feast's `get_historical_features`, values included.
- `seconds`: the median of the turns, from open files to rows; low and high the least and the most.
- `memory_mb`: the most that the process held beyond what it held before.
- `times_faster_rival`: over the faster of the two rivals, of medians.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from benchmarks import result_file
from benchmarks.markdown import Rows, by_name, made_by, markdown_table, plain, with_interval
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_TEXT, MEMBER_KEY, MEMBER_TEXT
from contracts.time.as_of import rows_as_of

DAYS, MEMBERS = 90, 50_000
START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = timedelta(seconds=1)
OURS, FEAST, RIVALS = "rolecall", "rolecall, Feast", ("DuckDB", "Polars")
TURNS = 3
VALUE = "location"
"""The feature that Feast joins."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--moments", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=2_000_000)
    parser.add_argument("--one", choices=SYSTEMS, help="run one system over --folder and print what it took")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(one(options.one, options.folder)))
        return
    with TemporaryDirectory() as place:
        folder = Path(place)
        draw(folder, options.moments, options.versions)
        took: dict[str, list[dict[str, Any]]] = {system: [] for system in SYSTEMS}
        for _ in range(TURNS):
            for system in SYSTEMS:
                took[system].append(in_its_own_process(system, folder))
    digests = {system: {turn["digest"] for turn in turns} for system, turns in took.items()}
    if len(set().union(*digests.values())) != 1:
        sys.exit(f"the systems joined other rows: {digests}")
    case = f"{options.moments:,} moments over {DAYS} days, {options.versions:,} versions"
    command = result_file.command_line("benchmarks.as_of")
    result_file.write("replay_scale", command, rows_of(case, took), simulated=True, publish=options.publish)


def rows_of(case: str, took: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the result file; took: what each turn of each system gave."""
    rows, middle = [], {system: float(np.median([turn["seconds"] for turn in turns])) for system, turns in took.items()}
    for system, turns in took.items():
        seconds = [turn["seconds"] for turn in turns]
        row = {"case": case, "system": system}
        ends = {"low": min(seconds), "high": max(seconds)}
        rows.append({**row, "metric": "seconds", "value": middle[system], **ends, "unit": "s"})
        memory = max(turn["memory_mb"] for turn in turns)
        rows.append({**row, "metric": "memory_mb", "value": memory, "unit": "MB"})
        if system not in RIVALS:
            times = middle[system] / min(middle[rival] for rival in RIVALS)
            rows.append({**row, "metric": "times_faster_rival", "value": times, "unit": "x"})
    return rows


def as_of_tables(rows: Rows) -> dict[str, str]:
    """The table of docs/benchmarks/replay.md."""
    named, lines = by_name(rows), []
    for case, system in dict.fromkeys((row["case"], row["system"]) for row in rows if row["metric"] == "seconds"):
        seconds, memory = named[case, system, "seconds"], named[case, system, "memory_mb"]
        times = named.get((case, system, "times_faster_rival"))
        lines.append([case, system, with_interval(seconds), plain(memory), plain(times)])
    head = ["join", "system", "seconds", "memory", "times the faster rival's seconds"]
    return {"as-of": markdown_table(head, lines), "made": made_by(rows)}


def draw(folder: Path, moments: int, versions: int) -> None:
    """Write `versions.parquet` and `moments.parquet`, and the versions as a part of a feature table."""
    rng = np.random.default_rng(0)
    ids = np.array([f"member-{number:06d}" for number in range(MEMBERS)])

    def times(count: int) -> pl.Series:
        microseconds = rng.choice(DAYS * 86_400_000, count, replace=False) * 1_000
        return pl.Series(microseconds).cast(pl.Duration("us")) + START

    members = ids[rng.integers(0, MEMBERS, versions)]
    table = pl.DataFrame({MEMBER_KEY: members, EVENT_TIME: times(versions), VALUE: np.arange(versions).astype(str)})
    table = table.with_columns((pl.col(EVENT_TIME) + LATER).alias(CREATED_TIME))
    table.write_parquet(folder / "versions.parquet")
    asked = pl.DataFrame({MEMBER_KEY: ids[rng.integers(0, MEMBERS, moments)], EVENT_TIME: times(moments)})
    asked.write_parquet(folder / "moments.parquet")


def in_its_own_process(system: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.as_of", "--one", system, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one(system: str, folder: Path) -> dict[str, Any]:
    """Seconds, memory and a digest of the joined rows of one run, in this process."""
    joined = SYSTEMS[system](folder)  # imports and what the system keeps ready
    before = _held_mb()
    started = time.perf_counter()
    rows = joined()
    seconds = time.perf_counter() - started
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    digest = f"{int(np.nansum(rows * (1 + np.arange(len(rows)) % 97)))}-{int(np.isnan(rows).sum())}"
    return {"seconds": seconds, "memory_mb": held - before, "digest": digest}


def _held_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


Joined = Callable[[], np.ndarray]
"""Gives (m,) float64, the place of each moment's version, NaN where none was known."""


def _ours(folder: Path) -> Joined:
    def joined() -> np.ndarray:
        history, moments = (pl.read_parquet(folder / f"{name}.parquet") for name in ("versions", "moments"))
        times = [EVENT_TIME, CREATED_TIME]
        rows = rows_as_of(history.select(MEMBER_KEY, *times), moments, [MEMBER_KEY], EVENT_TIME, times)
        return rows.cast(pl.Float64).to_numpy()

    return joined


def _polars(folder: Path) -> Joined:
    def joined() -> np.ndarray:
        history = pl.read_parquet(folder / "versions.parquet", columns=[MEMBER_KEY, CREATED_TIME]).with_row_index("row")
        moments = pl.read_parquet(folder / "moments.parquet").with_row_index("moment")
        found = moments.sort(EVENT_TIME).join_asof(
            history.sort(CREATED_TIME), left_on=EVENT_TIME, right_on=CREATED_TIME, by=MEMBER_KEY, check_sortedness=False
        )
        return found.sort("moment")["row"].cast(pl.Float64).to_numpy()

    return joined


def _duckdb(folder: Path) -> Joined:
    import duckdb

    query = f"""
        with versions as (select *, file_row_number as row from read_parquet(?, file_row_number = true)),
             moments as (select *, file_row_number as moment from read_parquet(?, file_row_number = true))
        select cast(versions.row as double) as row
        from moments asof left join versions
          on moments.{MEMBER_KEY} = versions.{MEMBER_KEY} and moments.{EVENT_TIME} >= versions.{CREATED_TIME}
        order by moments.moment
    """

    def joined() -> np.ndarray:
        paths = [str(folder / f"{name}.parquet") for name in ("versions", "moments")]
        rows = duckdb.connect().execute(query, paths).fetchnumpy()["row"]
        return np.ma.filled(rows.astype(np.float64), np.nan)

    return joined


def _feast(folder: Path) -> Joined:
    import pandas as pd
    import pyarrow.parquet as pq

    from contracts.tables import parts, write_part
    from contracts.workspace import Workspace
    from feature_repo.store import apply, open_store

    workspace = Workspace(folder / "workspace")
    for name in (MEMBER_TEXT, JOB_TEXT):  # the second is not asked for, but a repository has it
        if not parts(workspace.features / name):
            write_part(workspace.features / name, pq.read_table(folder / "versions.parquet"))
    apply(workspace)
    store = open_store(workspace)

    def joined() -> np.ndarray:
        asked = pd.read_parquet(folder / "moments.parquet")
        features = [f"{MEMBER_TEXT}:{VALUE}"]
        job = store.get_historical_features(asked, features=features, filter_by_created_timestamp=True)
        return pl.Series(job.to_arrow()[VALUE]).cast(pl.Float64).to_numpy()

    return joined


SYSTEMS: Mapping[str, Callable[[Path], Joined]] = {OURS: _ours, FEAST: _feast, "DuckDB": _duckdb, "Polars": _polars}

if __name__ == "__main__":
    main()
