"""A run folder: the manifest that says what was asked of whom, the numbers of each request, and their means.

manifest.json                                 contender, versions, which requests, what was set apart; no time of day
requests | answers | shown | measures.parquet what was asked, answered, shown then, and measured
answers.run  choices.qrels                    the same as TREC files
summary.json                                  means with intervals; it is written last, so that it says: done
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from pydantic import ValidationError

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.tables import reading
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from replay.runs.contender import Contender

FORMAT = 1
MANIFEST, SUMMARY = "manifest.json", "summary.json"


class Manifest(FrozenModel):
    """manifest.json of a run.

    Attributes:
        format: Raised with every field that is read otherwise.
        name: Of the folder.
        contender: Who answered.
        arguments: Which requests were asked, and how.
        versions: Of encoder, text, policy and judge; and `activity`: the time up to which members' activity is known.
        records: Hash of the names and sizes of the parts that were read.
        as_of: Time of the first request, as of which the index stands; ISO 8601.
        requests: Asked.
        requests_hash: Of their ids.
        splits: Split -> requests; what a bundle may have learned from is not of the split "test".
        set_apart: Cause -> events, outcomes or requests that are not counted.
        parts: Into how many the requests were dealt by a hash of their ids.
        rank_only: Whether the shown jobs alone were put in order.
        graded_by: Who graded the first ten; empty for nobody.
        simulated: Whether the log was drawn by the simulator.
    """

    format: int = FORMAT
    name: str
    contender: Contender
    arguments: Mapping[str, Any]
    versions: Mapping[str, str]
    records: str
    as_of: str
    requests: int
    requests_hash: str
    splits: Mapping[str, int]
    set_apart: Mapping[str, int]
    parts: int
    rank_only: bool
    graded_by: str
    simulated: bool


class RunFolder:
    """A run that is done.

    Attributes:
        folder: Where it lies.
        manifest: What it is.
        requests: A row a request, by its id: member_id, query, time, split, slice_*.
        measures: A row a request and order ("this run", "popularity", "best possible").
    """

    def __init__(self, folder: Path) -> None:
        """Open a run.

        Raises:
            NotReady: It was not finished.
            UnreadableFile: A file of it is broken.
        """
        self.folder, self.manifest = folder, read_manifest(folder)
        if not (folder / SUMMARY).is_file():
            cure = "give `rolecall replay run` the same arguments again: it goes on"
            raise NotReady("the run was not finished", where=str(folder), cure=cure)
        self.requests, self.measures = self.table("requests"), self.table("measures")

    def table(self, name: str) -> pl.DataFrame:
        """A table of the run, by its name without suffix."""
        path = self.folder / f"{name}.parquet"
        with reading(path):
            return pl.DataFrame(pq.read_table(path))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run. Raises NotReady, UnreadableFile."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no run in {folder}", cure="run `rolecall replay run` first") from error
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure="run `rolecall replay run` again") from error


def find_run(workspace: Workspace, name: str) -> RunFolder:
    """A run by its folder, its name in the workspace, or the beginning of one name alone.

    Raises:
        BadInput: There is no such run, or several; the error names those there.
        NotReady: It was not finished.
    """
    if (Path(name) / MANIFEST).is_file():
        return RunFolder(Path(name))
    there = runs(workspace)
    found = [one for one in there if one == name] or [one for one in there if one.startswith(name)]
    if len(found) != 1:
        known = ", ".join(found or there) or "none: run `rolecall replay run`"
        what = f"{len(found)} runs begin with {name!r}" if found else f"no run {name!r}"
        raise BadInput(what, where=str(workspace.replay_runs), cure=f"there are: {known}")
    return RunFolder(workspace.replay_runs / found[0])


def runs(workspace: Workspace) -> list[str]:
    """The names of the runs of a workspace, finished or not."""
    return sorted(path.parent.name for path in workspace.replay_runs.glob(f"*/{MANIFEST}"))


def as_json(content: Any) -> str:
    """JSON that is the same for the same content."""
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
