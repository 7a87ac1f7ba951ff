"""The rows of erased members taken out of a workspace: every file in it is looked at, whatever wrote it.

A table of Parquet loses the rows that carry the member's id, or an id of one of the member's requests; a file of JSON
lines loses such lines (in the sample for `rolecall drift` those with the id's hash), in place, so that a service that
appends meanwhile loses nothing; sheets of a golden set lose the pairs. What is no row of a person's stays, and is
named: models, sums, and what lies outside the workspace.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.shown import unfolded
from contracts.tables import reading
from contracts.versions import STAGED, content_hash, file_hash, staged_file, write_text
from contracts.workspace import Workspace
from history.buckets import scratch

MEMBER = "member_id"
REQUESTS = ("list_id", "request_id")
"""Columns that name a member's request."""
ROWS_OF_MEMBERS = ("headline", "positions", "preferences")
"""A table with one of these and an `id` holds members."""
LEFT_SECONDS = 3_600
"""Age from which a file that was being written is what a killed process left of it."""
REMAINS: Mapping[str, str] = {
    "bundles": "models, which hold no row; trained with the member's rows until the next `rolecall run` replaces them",
    "teachers": "as bundles",
    "student": "as bundles",
    "towers": "as bundles",
    "encoder": "as bundles",
    "indexes": "sums of views and applications by job; until the next `rolecall index`",
    "features/job_stats": "sums by job; until the next `rolecall activity`",
    "report.html": "figures of many members; until the next `rolecall replay`",
    "summary.json": "as report.html",
    "replay_runs": "means of many members in summary.json; until the next `rolecall replay run`",
    "text_trial": "figures of many members; until the next `rolecall text trial`",
    "skills.json": "how many members list a skill; until the next `rolecall ingest`",
    "percentiles.json": "places of values among all members'; until the next `rolecall verbalize`",
}
"""What stays in the workspace, by its path, with why and until when."""
OUTSIDE = (
    "the folders that the data came from (give each as --data)",
    "what `rolecall backfill export` and `rolecall lists export` wrote",
    "the cache of DVC, where the recipe runs by it (`dvc gc --workspace`)",
    "backups, and what other programs read from the log",
)


@dataclass
class Erased:
    """What was taken out.

    Attributes:
        rows: Path in the folder -> rows or lines that were taken out.
        removed: Paths that were removed as a whole.
        requests: Ids of the members' requests.
        pairs: Ids of golden pairs of theirs.
        rationales: What a judge said of them.
    """

    rows: Counter[str] = field(default_factory=Counter)
    removed: list[str] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    pairs: set[str] = field(default_factory=set)
    rationales: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return self.rows.total()


def erase_rows(folder: Path, member_ids: Iterable[str]) -> Erased:
    """Take the rows of members out of all files below a folder: a workspace, or one of data in Rolecall's own layout.

    Files are replaced one by one, each as a whole. A second run does what the first did not come to.

    Args:
        folder: Where to look.
        member_ids: Ids as they stand in the members' records.

    Raises:
        OtherWriter: A `rolecall replay run` is at work there, which would write the rows again.
        UnreadableFile: A table is broken, or is being written just now; no table was touched.
        OSError: A file cannot be read or written; those before it are done.
    """
    ids, done = set(member_ids), Erased()
    hashes = {content_hash(member_id) for member_id in ids}
    _remove_left(folder, done)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    parquet = [path for path in files if path.suffix == ".parquet"]
    for path in parquet:
        with reading(path):
            _note_requests(path, ids, done)
    for path in files:
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".parquet":
            done.rows[name] += _from_parquet(path, ids, done)
        elif path.suffix == ".arrow":
            done.rows[name] += _from_dealt(path, ids)
        elif path.suffix in (".jsonl", ".ndjson"):
            done.rows[name] += _blank_lines(path, lambda line: _is_line_of(line, ids, hashes, done))
    for path in files:
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".jsonl", ".ndjson"):
            done.rows[name] += _blank_lines(path, lambda line: _is_of_request(line, done.requests))
        elif path.suffix == ".csv":
            done.rows[name] += _from_sheet(path, ids, done)
        elif path.suffix in (".run", ".qrels", ".trec"):
            done.rows[name] += _from_trec(path, done)
        elif path.name == "judge_answers.sqlite":
            done.rows[name] += _from_answers(path, done)
    done.rows = +done.rows
    _hash_again(folder, done)
    copies = folder / "copies"
    if copies.is_dir() and _names_one(copies, ids):
        shutil.rmtree(copies)  # the next load takes them anew, without the erased
        done.removed.append("copies")
    diffs = Workspace(folder).replay_diffs
    if done.requests and diffs.is_dir():
        shutil.rmtree(diffs)  # pages with what people searched for; `rolecall replay diff` writes them again
        done.removed.append(diffs.relative_to(folder).as_posix())
    return done


def remaining(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """What of a member stays in a workspace, and why and until when."""
    for name, why in REMAINS.items():
        if (workspace.root / name).exists():
            yield name, why


def _remove_left(folder: Path, done: Erased) -> None:
    """Remove what killed processes left: logs that a replay dealt, and what nobody gives its name any more."""
    logs = Workspace(folder).dealt_logs()
    for log in logs:
        with scratch(log, "an erasure"):
            pass
    staged = [path for path in folder.rglob(f"*{STAGED}") if _is_left(path)]
    for path in staged:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    done.removed += sorted(path.relative_to(folder).as_posix() for path in (*logs, *staged) if not path.exists())


def _is_left(staged: Path) -> bool:
    """Whether nothing was written to a staged file or folder within `LEFT_SECONDS`."""
    newest = max(path.stat().st_mtime for path in (staged, *staged.rglob("*")))
    return time.time() - newest > LEFT_SECONDS


def _note_requests(path: Path, ids: set[str], done: Erased) -> None:
    """Collect ids of requests and what a judge said, before their rows are gone."""
    schema = pq.read_schema(path)
    if MEMBER not in schema.names:
        return
    wanted = [name for name in (*REQUESTS, "rationale") if name in schema.names]
    if wanted:
        found = pq.read_table(path, columns=[MEMBER, *wanted], filters=pc.field(MEMBER).isin(list(ids)))
        for name in wanted:
            values = {value for value in found[name].to_pylist() if value}
            (done.rationales if name == "rationale" else done.requests).update(values)


def _from_parquet(path: Path, ids: set[str], done: Erased) -> int:
    """Write the table without the rows of members; returns how many there were."""
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    columns = [name for name in (MEMBER, *REQUESTS) if name in names]
    if "id" in names and any(name in names for name in ROWS_OF_MEMBERS):
        columns.append("id")
    is_quarantine = {"table", "raw", "reason"} <= set(names)
    if is_quarantine:
        columns = ["table", "raw", "detail"]
    if not columns:
        return 0

    def kept(table: pa.Table) -> pa.Array:
        if is_quarantine:
            rows = table.select(columns).to_pylist()
            return pa.array([not _is_theirs(row, ids) for row in rows], pa.bool_())
        theirs = pa.array([False] * table.num_rows)
        for name in columns:
            values = ids if name in (MEMBER, "id") else done.requests
            text = table[name].cast(pa.string())
            theirs = pc.or_(theirs, pc.is_in(text, pa.array(sorted(values), pa.string())))
        return pc.invert(theirs)

    if all(pc.all(kept(file.read_row_group(i, columns))).as_py() in (True, None) for i in range(file.num_row_groups)):
        return 0
    removed = 0
    with staged_file(path) as staged, pq.ParquetWriter(staged, file.schema_arrow, compression="zstd") as writer:
        for i in range(file.num_row_groups):
            table = file.read_row_group(i)
            left = table.filter(kept(table))
            removed += table.num_rows - left.num_rows
            writer.write_table(left)
    return removed


def _from_dealt(path: Path, ids: set[str]) -> int:
    """Write rows that wait for a run, batch by batch, without those of members; returns how many there were."""
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            schema, batches = reader.schema, [reader.get_batch(i) for i in range(reader.num_record_batches)]
    except pa.ArrowInvalid:  # as a machine that went down left it: the run that goes on deals these anew
        path.unlink()
        return 0
    is_members = "id" in schema.names and any(name in schema.names for name in ROWS_OF_MEMBERS)
    column = "id" if is_members else MEMBER
    if column not in schema.names:
        return 0
    gone = pa.array(sorted(ids), pa.string())
    left = [batch.filter(pc.invert(pc.is_in(batch[column], gone))) for batch in batches]
    removed = sum(batch.num_rows for batch in batches) - sum(batch.num_rows for batch in left)
    if removed:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            staged_file(path) as staged,
            pa.OSFile(str(staged), "wb") as sink,
            pa.ipc.new_file(sink, schema, options=options) as writer,
        ):
            for batch in left:
                writer.write_batch(batch)
    return removed


_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")


def _names(text: str, ids: Iterable[str]) -> bool:
    """Whether a text holds one of the ids, as it is or as JSON may escape it."""
    if any(member_id in text for member_id in ids):
        return True
    if "\\" not in text:
        return False
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two escapes may be one character
    return any(member_id in plain for member_id in ids)


def _is_theirs(row: Mapping[str, Any], ids: set[str]) -> bool:
    """Whether a row that was set aside names one of them: in any field, since it fits no known form."""
    if row["table"] == "jobs":
        return False
    try:
        return bool(ids & set(_values(json.loads(row["raw"]))))
    except ValueError:
        return _names(row["raw"], ids) or _names(row["detail"], ids)


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _values(part)
    elif value is not None:
        yield str(value)


def _blank_lines(path: Path, is_theirs: Callable[[bytes], bool]) -> int:
    """Overwrite lines with spaces; returns how many."""
    removed, start = 0, 0
    with path.open("r+b") as file:
        for line in file:
            end = start + len(line)
            if is_theirs(line):
                here = file.tell()
                file.seek(start)
                file.write(b" " * len(line.rstrip(b"\r\n")))
                file.seek(here)
                removed += 1
            start = end
    return removed


def _is_line_of(line: bytes, ids: set[str], hashes: set[str], done: Erased) -> bool:
    """Whether a line is of one of the members; their requests and golden pairs are noted.

    hashes: Of the ids, as `serving.drift_sample` writes them in their place.
    """
    if not _names(line.decode("utf-8", "replace"), ids | hashes):
        return False
    try:
        row = json.loads(line)
    except ValueError:
        return True  # a line that was cut off, and holds the id
    if not isinstance(row, dict):
        return False
    member = row.get("member")
    owner = row.get(MEMBER) or (member.get("id") if isinstance(member, dict) else None)
    owner = owner or (row.get("id") if any(name in row for name in ROWS_OF_MEMBERS) else None)
    is_hashed = isinstance(member, str) and member in hashes
    if owner not in ids and not is_hashed and not any(event.get(MEMBER) in ids for event in unfolded(row)):
        return False
    done.requests.update(str(row[name]) for name in REQUESTS if row.get(name))
    done.pairs.update([str(row["pair_id"])] if row.get("pair_id") else [])
    return True


def _is_of_request(line: bytes, requests: set[str]) -> bool:
    """Whether a line names no member and one of the requests: of the log of trials."""
    if not requests or b'"member_id"' in line or b'"request_id"' not in line:
        return False
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and row.get("request_id") in requests


def _from_sheet(path: Path, ids: set[str], done: Erased) -> int:
    """Write a sheet without the rows of members and of their golden pairs."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return 0
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not rows:
        return 0
    names = list(rows[0])
    owner = MEMBER if MEMBER in names else "id" if any(name in names for name in ROWS_OF_MEMBERS) else None
    left = [row for row in rows if row.get("pair_id") not in done.pairs and (owner is None or row[owner] not in ids)]
    if len(left) == len(rows):
        return 0
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(left)
    write_text(path, out.getvalue(), "utf-8-sig", newline="")
    return len(rows) - len(left)


def _from_trec(path: Path, done: Erased) -> int:
    """Write a run or the judgements of a replay without the lines of the members' requests."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    left = [line for line in lines if line.split(maxsplit=1)[:1] not in [[id_] for id_ in done.requests]]
    if len(left) < len(lines):
        write_text(path, "".join(left))
    return len(lines) - len(left)


def _from_answers(path: Path, done: Erased) -> int:
    """Forget what a judge said of the members; all of it where golden pairs are theirs, which name no answer."""
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        if done.pairs:
            removed = connection.execute("DELETE FROM answers").rowcount
        else:
            connection.execute("CREATE TEMP TABLE said (rationale TEXT PRIMARY KEY)")
            connection.executemany("INSERT OR IGNORE INTO said VALUES (?)", [(text,) for text in done.rationales])
            removed = connection.execute("DELETE FROM answers WHERE rationale IN (SELECT * FROM said)").rowcount
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def _hash_again(folder: Path, done: Erased) -> None:
    """Let manifests say the hashes that their files have now."""
    for manifest in folder.rglob("index.json"):
        content = json.loads(manifest.read_bytes())
        files = content.get("files", {})
        for name in files:
            if f"{manifest.parent.relative_to(folder).as_posix()}/{name}" in done.rows:
                files[name] = file_hash(manifest.parent / name)
        text = json.dumps(content, indent=2)
        if json.loads(manifest.read_bytes()) != content:
            write_text(manifest, text)


def _names_one(folder: Path, ids: set[str]) -> bool:
    """Whether a file of data as it came names one of the ids; what is packed is taken to."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.suffix in (".parquet", ".gz", ".zip", ".xlsx", ".zst", ".bz2", ".sqlite", ".db"):
            return True
        with path.open("rb") as file:
            if any(_names(line.decode("utf-8", "replace"), ids) for line in file):
                return True
    return False
