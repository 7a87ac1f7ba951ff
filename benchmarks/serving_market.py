"""The market that the service is measured over: real words, attributes and activity, as many jobs as are asked for.

It is simulated once under `artifacts/serving/` and kept. Encoding all texts of a large one takes hours: the first N
jobs are, and the others take the vector (with noise) and the item tokens of one of those. The models' work is the same
whatever was encoded; the scan of vectors meets cosines that are more alike than those of texts. A case says so.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.features import CREATED_TIME, EVENT_TIME, JOB_TEXT, JOB_VECTOR, MEMBER_ENCODING
from contracts.tables import read_table, write_part
from contracts.versions import current, set_current
from contracts.workspace import Workspace
from feature_repo.trusted import PROJECT

log = logging.getLogger("rolecall")

CACHE = Path("artifacts/serving")
MEMBERS, EVENTS_A_JOB = 2_000, 3
NOISE = 0.05
PART_ROWS = 10_000


def market(source: Workspace, jobs: int, encoded: int) -> Workspace:
    """A workspace with the source's bundle and encoder over a simulated market; the one made before where there is.

    Its members are embedded and in the online store, as a deployment has them every night.
    """
    from beam_jobs import activity, ingest, verbalize
    from retrieval.index.build import build_index
    from simulator.market import simulate

    bundle = source.bundle.name
    workspace = Workspace(CACHE / f"{bundle}-{jobs}-{encoded}")
    if current(workspace.indexes):
        build_index(workspace, workspace.bundle)  # does nothing unless what an index is has changed since
        load_members(workspace)
        return workspace
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.root.mkdir(parents=True)
    shutil.copy(source.percentiles, workspace.percentiles)
    shutil.copytree(source.encoder, workspace.encoder)
    shutil.copytree(source.bundle, workspace.bundles / bundle)
    set_current(workspace.bundles, bundle)
    raw, place = workspace.root / "raw", ["--workspace", str(workspace.root)]
    log.info("drawing a market of %s jobs", f"{jobs:,}")
    simulate(raw, members=MEMBERS, jobs=jobs, events=EVENTS_A_JOB * jobs)
    ingest.run([*place, "--source", str(raw)])
    verbalize.run(place)
    activity.run(place)
    write_encoded(workspace, encoded)
    build_index(workspace, workspace.bundle)
    load_members(workspace)
    return workspace


def load_members(workspace: Workspace) -> None:
    """Members' vectors brought up to date and into the online store, with their text and activity."""
    from beam_jobs import embed
    from feature_repo.store import apply, materialize

    embed.run(["--workspace", str(workspace.root), "--tables", "members"])
    apply(workspace)
    materialize(workspace)


@contextmanager
def without_vectors(workspace: Workspace) -> Iterator[None]:
    """While it lasts the online store, which is SQLite's, has no member's vectors."""
    store = workspace.feature_repo / "data" / "online_store.db"
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        connection.execute(f"DELETE FROM {PROJECT}_{MEMBER_ENCODING}")
    try:
        yield
    finally:
        load_members(workspace)


def write_encoded(workspace: Workspace, encoded: int) -> None:
    """Vectors and item tokens of every job, the first `encoded` of them from their own text."""
    from ranking.scorer import ItemEncoder
    from retrieval.encoder import TextEncoder

    texts = read_table(workspace.features / JOB_TEXT)
    own = texts["text"].slice(0, encoded).to_pylist()
    encoder = TextEncoder(workspace.encoder)
    vectors = in_slices(partial(encoder.encode, side="job"), own, "vectors")
    items = in_slices(ItemEncoder(workspace.bundle).encode, own, "item tokens").astype(np.float16)
    rng = np.random.default_rng(0)
    for start in range(0, texts.num_rows, PART_ROWS):
        part = texts.slice(start, PART_ROWS)
        rows = np.arange(start, start + part.num_rows)
        found = vectors[rows % encoded]
        found = found + NOISE * (rows >= encoded)[:, None] * rng.standard_normal(found.shape).astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        keys = part.select(["job_id", "text_hash"])
        tokens = lists(items[rows % encoded].reshape(len(rows), -1))
        write_part(workspace.items / workspace.bundle.name, keys.append_column("tokens", tokens))
        table = part.select(["job_id", EVENT_TIME, CREATED_TIME]).append_column("vector", lists(found))
        table = table.append_column("title_vector", table["vector"])
        table = table.append_column("vector_hash", part["text_hash"])
        made_by = pa.array([encoder.version] * len(rows), pa.string())
        write_part(workspace.features / JOB_VECTOR, table.append_column("encoder_version", made_by))


def in_slices(encode: Any, texts: list[str], what: str) -> np.ndarray:
    found, said = [], time.monotonic()
    for start in range(0, len(texts), 256):
        found.append(encode(texts[start : start + 256]))
        if time.monotonic() - said > 5:
            said = time.monotonic()
            log.info("%s: %s of %s texts", what, f"{start:,}", f"{len(texts):,}")
    return np.concatenate(found)


def lists(values: np.ndarray) -> pa.Array:
    """A list column of (rows, width) values."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))
