"""Runs made of numbers alone: folders as `replay.runs` writes them, without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.arrow import TIME
from replay.results import BEST, POPULARITY
from replay.runs.answers import SLICES
from replay.runs.contender import Contender
from replay.runs.folder import MANIFEST, SUMMARY, Manifest, RunFolder, as_json
from replay.runs.measured import MEASURES
from replay.runs.task import OWN
from tests.make import NOW

MakeRun = Callable[..., RunFolder]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A run of n requests: `make_run("a", ndcg, members=..., slices={"surface": [...]}, shown=rows)`.

    shown: dicts of request (its number), job, position, propensity, rank, gain, view, apply.
    """

    def of(
        name: str,
        ndcg: Sequence[float],
        members: Sequence[str] | None = None,
        slices: Mapping[str, Sequence[str]] | None = None,
        shown: Sequence[Mapping[str, Any]] = (),
        answers: Sequence[tuple[int, int, str]] = (),
        logged_by: str = "",
        measure: str = "nDCG@10",
        first_id: int = 0,
        **about: Any,
    ) -> RunFolder:
        folder, n = tmp_path / name, len(ndcg)
        folder.mkdir()
        ids = [f"r{i + first_id}" for i in range(n)]
        who = list(members) if members is not None else [f"m{i}" for i in range(n)]
        named = dict(zip(ids, who, strict=True))
        fields: dict[str, Any] = {
            "name": name,
            "contender": Contender(bundle="b" * 12, index="i" * 12),
            "arguments": {},
            "versions": {},
            "records": "",
            "as_of": NOW.isoformat(),
            "requests": n,
            "requests_hash": "",
            "splits": {"test": n},
            "set_apart": {},
            "parts": 1,
            "rank_only": False,
            "graded_by": "",
            "simulated": False,
        }
        manifest = Manifest(**fields | about)
        (folder / MANIFEST).write_text(as_json(manifest.model_dump(mode="json")))
        requests = {
            "request_id": ids,
            "member_id": who,
            "query": [""] * n,
            "time": pa.array([NOW + timedelta(minutes=i) for i in range(n)], TIME),
            "split": ["test"] * n,
            "complete": [True] * n,
            "logged_by": [logged_by] * n,
            **{f"slice_{kind}": list((slices or {}).get(kind, [""] * n)) for kind in SLICES},
        }
        pq.write_table(pa.table(requests), folder / "requests.parquet")
        rows = []
        for system in (OWN, POPULARITY, BEST):
            values = {key: np.full(n, np.nan) for key in MEASURES}
            values[measure] = np.asarray(ndcg, np.float64) if system == OWN else np.full(n, float(system == BEST))
            if system == OWN:
                values["R@10"] = (np.asarray(ndcg) > 0.5).astype(np.float64)
            rows.append(pa.table({"request_id": ids, "member_id": who, "system": [system] * n, **values}))
        pq.write_table(pa.concat_tables(rows), folder / "measures.parquet")
        table = pl.DataFrame(
            [
                (ids[one["request"]], named[ids[one["request"]]], one["job"], one["position"], one["propensity"],
                 one["rank"], one.get("gain", 0), one.get("view", 0), one.get("apply", 0), None, None)
                for one in shown
            ],
            {
                "request_id": pl.String, "member_id": pl.String, "job_id": pl.String, "position": pl.Int32,
                "propensity": pl.Float64, "rank": pl.Int32, "gain": pl.Int8, "view": pl.Int8, "apply": pl.Int8,
                "said_view": pl.Float64, "said_apply": pl.Float64,
            },
            orient="row",
        )  # fmt: skip
        pq.write_table(table.to_arrow(), folder / "shown.parquet")
        told = [(ids[r], named[ids[r]], rank, job, 1.0 / rank, list[str]()) for r, rank, job in answers]
        kinds = {"request_id": pl.String, "member_id": pl.String, "rank": pl.Int16, "job_id": pl.String,
                 "score": pl.Float32, "why": pl.List(pl.String)}  # fmt: skip
        pq.write_table(pl.DataFrame(told, kinds, orient="row").to_arrow(), folder / "answers.parquet")
        (folder / SUMMARY).write_text("{}")
        return RunFolder(folder)

    return of
