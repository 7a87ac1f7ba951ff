"""Write a retrieval source: what one sees is a search that a source of our own took part in, and what it found.

A source is one class in one file. Registered under a name, it is asked as soon as `params.yaml` gives it a share of the
candidates; `found_by` in an answer then names it, and an explanation repeats its `why`:

    plugins: [examples/own_source.py]
    retrieval: {recommend: {newest: 0.25, popular: 0.0}}
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from contracts.workspace import Workspace
from retrieval.config import RetrievalConfig
from retrieval.engines.hits import Hits, top_k
from retrieval.index.build import build_index
from retrieval.sources.registry import SOURCES
from retrieval.sources.source import Source, SourceQuery
from rolecall.cli import app

JOBS = """id,title,company,location,description,posted_at,updated_at
1,Registered Nurse,Mercy,"Denver, Colorado",Medication for patients,2026-09-01T00:00:00Z,2026-09-01T00:00:00Z
2,Care Assistant,Mercy,"Austin, Texas",Help residents of a home,2026-10-02T00:00:00Z,2026-10-02T00:00:00Z
3,Truck Driver,Hill Freight,"Denver, Colorado",Long haul,2026-11-03T00:00:00Z,2026-11-03T00:00:00Z
"""


@SOURCES.register("newest")
class NewestSource(Source):
    """Jobs posted last, whatever is asked for."""

    why = "it is new"

    def search(self, query: SourceQuery) -> Hits:
        rows = np.flatnonzero(query.mask)
        posted = query.index.attributes.number("posted_at")[rows]
        return top_k(np.nan_to_num(posted, nan=0.0), min(query.k, 2), rows)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        data, workspace = Path(folder) / "data", Path(folder) / "workspace"
        data.mkdir()
        (data / "jobs.csv").write_text(JOBS)
        for command in (["ingest", "--data", str(data)], ["verbalize"], ["train", "encoder"], ["embed"]):
            app(["--quiet", *command, "--workspace", str(workspace)], standalone_mode=False)
        shares = {"dense": 0.3, "terms": 0.3, "popular": 0.0, "newest": 0.3}
        build_index(Workspace(workspace), retrieval=RetrievalConfig(search=shares))
        app(["search", "nurse", "--workspace", str(workspace)], standalone_mode=False)
