"""Search a folder of jobs: what one sees is a table of jobs for a sentence that shares no word with the best of them.

Four jobs become a CSV file; three commands turn them into records, text and vectors; an index is built and asked. The
head of the table says how the query was read: `Denver` became a filter on the place, and the rest went to the encoder
(dense) and to the word index (terms). The column `found by` names who found each job.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.workspace import Workspace
from retrieval.index.build import build_index
from rolecall.cli import app

JOBS = """id,title,company,location,description,updated_at
1,Registered Nurse,Mercy,"Denver, Colorado",Medication and wound dressing for patients of a ward,2026-11-01T00:00:00Z
2,Care Assistant,Mercy,"Austin, Texas",Help residents of a home through their day,2026-11-02T00:00:00Z
3,Truck Driver,Hill Freight,"Denver, Colorado",Long haul with a class A licence,2026-11-03T00:00:00Z
4,Welder,Acme,"Denver, Colorado",MIG and TIG welding of steel frames,2026-11-04T00:00:00Z
"""


def rolecall(*arguments: object) -> None:
    """Run a command of `rolecall` in this process."""
    app([str(argument) for argument in arguments], standalone_mode=False)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        data, workspace = Path(folder) / "data", Path(folder) / "workspace"
        data.mkdir()
        (data / "jobs.csv").write_text(JOBS)
        rolecall("--quiet", "ingest", "--data", data, "--workspace", workspace)
        rolecall("--quiet", "verbalize", "--workspace", workspace)
        rolecall("--quiet", "train", "encoder", "--workspace", workspace)
        rolecall("--quiet", "embed", "--tables", "jobs", "--workspace", workspace)
        build_index(Workspace(workspace))
        rolecall("search", "looking after the sick in Denver", "--workspace", workspace)
