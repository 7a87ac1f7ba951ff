"""Bring your own CSV: what one sees is which rows fit, which do not and why, and where the others went.

Columns are the fields of `Member`, `Job` and `Event` in contracts/records.py. The second job ends before it begins,
which costs it the date, and the third has no title, which costs the row: the report names both before anything is
loaded (as `rolecall validate FOLDER` does), and `ingest` puts the third into the quarantine with its raw text, so that
a corrected export can be compared with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from beam_jobs import ingest
from contracts.tables import read_table
from contracts.workspace import Workspace
from sources.validate import validate

JOBS = """id,title,company,location,skills,posted_at,expires_at,updated_at
1,Registered Nurse,Mercy,"Denver, Colorado","[""wound care""]",2026-11-01,2026-12-01,2026-11-01T00:00:00Z
2,Welder,Acme,"Austin, Texas","[""TIG welding""]",2026-11-05,2026-10-01,2026-11-05T00:00:00Z
3,,Acme,"Austin, Texas",[],2026-11-05,2026-12-01,2026-11-05T00:00:00Z
"""

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        data, workspace = Path(folder) / "data", Workspace(Path(folder) / "workspace")
        data.mkdir()
        (data / "jobs.csv").write_text(JOBS)
        print("\n".join(validate(data, datetime.now(UTC)).lines()), "\n")

        # Above the share of 0.05 that is allowed by default, `ingest` stops, so that a broken export replaces nothing.
        ingest.run(["--source", str(data), "--workspace", str(workspace.root), "--max-reject-share", "0.8"])
        print("\nrecords")
        for row in read_table(workspace.records / "jobs", ["id", "title", "skills"]).to_pylist():
            print("  ", row)
        print("quarantine")
        for row in read_table(workspace.quarantine, ["reason", "detail", "raw"]).to_pylist():
            print("  ", row)
