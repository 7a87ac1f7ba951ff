"""Beam against a plain loop, and a second run against the first: the batch part of `results/spine.json`.

Both sides of a ratio do the whole work in this process, one after the other, in turns: they read the same Parquet,
call the same function (or load the same ONNX encoder and give it the same batches), and write Parquet. Beam's side
is the job as the command line calls it, with its flags, its look at what is done already, and its start-up.

Value: the median of the repeats; low and high: their extremes. The data is drawn from the simulator.
"""

from __future__ import annotations

import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import embed, ingest, verbalize
from benchmarks import result_file
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_TEXT, JOB_VECTOR, MEMBER_TEXT
from contracts.tables import latest, parts, read_table, write_part
from contracts.text.verbalizer import Verbalizer, content_hash
from contracts.workspace import Workspace
from retrieval.encoder import TextEncoder

CHANGED_SHARE = 0.01
VIEWS = {"members": MEMBER_TEXT, "jobs": JOB_TEXT}


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="members and jobs to verbalise (50000)")
    parser.add_argument("--texts", type=int, default=2_000, help="job texts to embed (2000)")
    parser.add_argument("--repeats", type=int, default=3, help="of every measurement (3)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), options.rows)
        rows = measure_verbalize(workspace, options.repeats)
        rows += measure_embed(workspace, Workspace(Path(folder) / "embed"), options.texts, options.repeats)
    result_file.write(
        "spine", result_file.command_line("benchmarks.beam"), rows, simulated=True, publish=options.publish
    )


def measure_verbalize(workspace: Workspace, repeats: int) -> list[dict]:
    """Rows of the result for `verbalize`, over all records of the workspace."""
    verbalizer = verbalize.fitted_verbalizer(workspace)
    argv = ["--workspace", str(workspace.root)]
    size = sum(read_table(workspace.records / table, ["id"]).num_rows for table in VIEWS)
    loop, beam, again = [], [], []
    for _ in range(repeats):
        shutil.rmtree(workspace.features, ignore_errors=True)
        loop.append(_seconds(lambda: _verbalize_in_a_loop(workspace, verbalizer)))
        shutil.rmtree(workspace.features)
        beam.append(_seconds(lambda: verbalize.run(argv)))
        changed = [_change_records(workspace.records / table) for table in VIEWS]
        again.append(_seconds(lambda: verbalize.run(argv)))
        for path in changed:
            path.unlink()
    return _rows(f"verbalize {size:,} rows", size, loop, beam, again)


def measure_embed(source: Workspace, workspace: Workspace, texts: int, repeats: int) -> list[dict]:
    """Rows of the result for `embed`, over so many different job texts of `source`, in a workspace of their own."""
    from models.encoder.export import export_encoder

    export_encoder(workspace.encoder)
    table = latest(read_table(source.features / JOB_TEXT), "text_hash", EVENT_TIME).slice(0, texts)
    write_part(workspace.features / JOB_TEXT, table)
    argv = ["--workspace", str(workspace.root), "--tables", "jobs"]
    loop, beam, again = [], [], []
    for _ in range(repeats):
        shutil.rmtree(workspace.features / JOB_VECTOR, ignore_errors=True)
        loop.append(_seconds(lambda: _embed_in_a_loop(workspace)))
        shutil.rmtree(workspace.features / JOB_VECTOR)
        beam.append(_seconds(lambda: embed.run(argv)))
        changed = _change_text(workspace.features / JOB_TEXT)
        again.append(_seconds(lambda: embed.run(argv)))
        changed.unlink()
    return _rows(f"embed {table.num_rows:,} texts", table.num_rows, loop, beam, again)


def _workspace(folder: Path, rows: int) -> Workspace:
    """Records of a simulated market of about so many members and jobs."""
    from simulator.market import simulate

    logging.getLogger("rolecall").setLevel(logging.WARNING)
    people = round(rows / 2.3)  # the simulator gives some of them a second version
    simulate(folder / "raw", members=people, jobs=people, events=100, seed=7)
    workspace = Workspace(folder / "workspace")
    ingest.run(["--workspace", str(workspace.root), "--source", str(folder / "raw")])
    return workspace


def _verbalize_in_a_loop(workspace: Workspace, verbalizer: Verbalizer) -> None:
    for table, view in VIEWS.items():
        for path in parts(workspace.records / table):
            done = []
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(verbalize.BATCH_ROWS):
                    done.append(verbalize.verbalize_batch(batch, table, batch["updated_at"], verbalizer))
            write_part(workspace.features / view, pa.concat_tables(done))


def _embed_in_a_loop(workspace: Workspace) -> None:
    encoder = TextEncoder(workspace.encoder)
    for path in parts(workspace.features / JOB_TEXT):
        rows = pq.read_table(path)
        for start in range(0, rows.num_rows, embed.CHUNK_TEXTS):
            chunk = rows.slice(start, embed.CHUNK_TEXTS)
            texts = chunk["text"].to_pylist()
            order = np.argsort([len(text) for text in texts], kind="stable")[::-1]
            vectors = np.empty((len(texts), encoder.dim), np.float32)
            for first in range(0, len(texts), embed.SLICE_TEXTS):
                places = order[first : first + embed.SLICE_TEXTS]
                vectors[places] = encoder.encode([texts[i] for i in places], "job")
            columns = chunk.drop(["text", "text_version", "row_hash"])
            lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), encoder.dim)
            write_part(workspace.features / JOB_VECTOR, columns.append_column("vector", lists))


def _change_records(folder: Path) -> Path:
    """Write a part with newer versions of 1% of a table's records."""
    table = read_table(folder)
    sample = table.take(_sample_rows(table.num_rows))
    word = "headline" if "headline" in table.schema.names else "title"
    return write_part(
        folder,
        _replace_columns(
            sample,
            {
                word: [f"{text} II" for text in sample[word].to_pylist()],
                "row_hash": [content_hash(text, "changed") for text in sample["row_hash"].to_pylist()],
                "updated_at": [time + timedelta(days=1) for time in sample["updated_at"].to_pylist()],
            },
        ),
    )


def _change_text(folder: Path) -> Path:
    """Write a part with newer text of 1% of a table's rows."""
    table = read_table(folder)
    sample = table.take(_sample_rows(table.num_rows))
    text = [f"{text} | pay: p95" for text in sample["text"].to_pylist()]
    now = datetime.now(UTC)
    hashes = [content_hash(line, "changed") for line in text]
    changed: dict[str, list] = {
        "text": text,
        "text_hash": hashes,
        EVENT_TIME: [now] * len(text),
        CREATED_TIME: [now] * len(text),
    }
    return write_part(folder, _replace_columns(sample, changed))


def _replace_columns(table: pa.Table, columns: dict[str, list]) -> pa.Table:
    for name, values in columns.items():
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    return table


def _sample_rows(rows: int) -> pa.Array:
    return pa.array(np.arange(0, rows, round(1 / CHANGED_SHARE)))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _rows(case: str, size: int, loop: list[float], beam: list[float], again: list[float]) -> list[dict]:
    def row(system: str, metric: str, values: list[float], unit: str) -> dict:
        middle = statistics.median(values)
        interval = {"low": min(values), "high": max(values)}
        return {"case": case, "system": system, "metric": metric, "value": middle, **interval, "unit": unit}

    return [
        row("plain loop", "per_second", [size / seconds for seconds in loop], "1/s"),
        row("Beam job", "per_second", [size / seconds for seconds in beam], "1/s"),
        row("Beam job", "of_plain_loop", np.divide(loop, beam).tolist(), "ratio"),
        row("Beam job", "second_run_1pct", np.divide(again, beam).tolist(), "ratio"),
    ]


if __name__ == "__main__":
    main()
