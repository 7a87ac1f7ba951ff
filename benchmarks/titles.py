"""Titles to occupations and to titles: is the merged order worse than the vectors or the words that it is made of?

    python -m benchmarks.titles --onet ../shared/data/onet

Titles that people use for O*NET's occupations are asked for, as searches and as members whose headline they are:

- `occupations`: the jobs are all occupations with their definitions; what fits are those that bear the title.
- `titles`: the jobs are up to seven other titles of each of 400 occupations; what fits are those of the same one.

The folder goes through the commands that anybody would run (`rolecall run --to embed`, `rolecall index
--retrieval-only`). Systems are one index, asked with its own shares, with vectors alone and with words alone. Average
precision and NDCG@10 over the first 500; low and high: 95% bootstrap intervals over requests, and each system less the
better of its parts, paired by request.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks import result_file
from benchmarks.markdown import Rows, made_by, markdown_table, with_interval
from benchmarks.onet_pairs import CODE, titles_of
from contracts.activity import Activity
from contracts.records import Member
from contracts.text.verbalizer import Verbalizer
from contracts.workspace import Workspace
from examples.sources.onet import OCCUPATIONS, lines
from replay.measures import mean_estimates
from retrieval.encoder import TextEncoder
from retrieval.filters.filters import Filter
from retrieval.index.job_index import JobIndex
from retrieval.request import Request, build_request

NAME = "titles"
MERGED, DENSE, TERMS = "merged, as configured", "vectors alone", "words alone"
METRICS = ("MAP", "nDCG@10")
SHOWN, TITLES, ASKED = 10, 7, 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Task(NamedTuple):
    """jobs: (id, title, description); asked: title -> the ids that fit."""

    jobs: list[tuple[str, str, str]]
    asked: dict[str, set[str]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--onet", type=Path, required=True, help="a folder of O*NET tables")
    parser.add_argument("--requests", type=int, default=1_500, help="titles that are asked for, at most")
    options = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    for name, task in tasks(options.onet, options.requests, seed=0).items():
        with TemporaryDirectory() as folder:
            rows += measured(name, task, indexed(Path(folder), task))
    result_file.write(
        NAME, result_file.command_line("benchmarks.titles"), rows, simulated=False, publish=options.publish
    )


def tasks(folder: Path, requests: int, seed: int) -> dict[str, Task]:
    """The two tasks by name."""
    rng = np.random.default_rng(seed)
    titles = titles_of(folder, "Alternate Titles.txt", "Alternate Title")
    occupations = [(line[CODE], line["Title"], line["Description"]) for line in lines(folder, OCCUPATIONS)]
    bearing: dict[str, set[str]] = defaultdict(set)
    for code, own in titles.items():
        for title in own:
            bearing[title].add(code)
    drawn = [sorted(bearing)[i] for i in rng.permutation(len(bearing))[:requests]]
    rich = [code for code in sorted(titles) if len(titles[code]) >= TITLES + ASKED]
    jobs: list[tuple[str, str, str]] = []
    asked: dict[str, set[str]] = {}
    for code in (rich[i] for i in rng.permutation(len(rich))[:400]):
        own = [titles[code][i] for i in rng.permutation(len(titles[code]))]
        jobs += [(f"{code}/{i}", title, "") for i, title in enumerate(own[:TITLES])]
        asked |= {title: {f"{code}/{i}" for i in range(TITLES)} for title in own[TITLES : TITLES + ASKED]}
    return {
        "titles to occupations": Task(occupations, {title: bearing[title] for title in drawn}),
        "titles to titles": Task(jobs, dict(list(asked.items())[:requests])),
    }


def indexed(folder: Path, task: Task) -> Workspace:
    """A workspace whose index holds the jobs, made by the commands."""
    data = folder / "data"
    data.mkdir()
    with (data / "jobs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "title", "description"), *task.jobs])
    workspace = Workspace(folder / "workspace")
    for command in (["run", "--data", str(data), "--to", "embed"], ["index", "--retrieval-only"]):
        told = [sys.executable, "-m", "rolecall", "-q", *command, "--workspace", str(workspace.root)]
        subprocess.run(told, check=True, stdout=subprocess.DEVNULL)
    return workspace


def measured(name: str, task: Task, workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The rows of the result file."""
    index, encoder, verbalizer = JobIndex.load(workspace.index), TextEncoder(workspace.encoder), Verbalizer()
    fits = list(task.asked.values())
    members = [verbalizer.member(Member(id="m", headline=title, updated_at=NOW)) for title in task.asked]
    for case, requests in (
        (f"{name}, searched", [build_request("", Activity(), title, "", Filter(), NOW) for title in task.asked]),
        (f"{name}, recommended", [build_request(text, Activity(), "", "", Filter(), NOW) for text in members]),
    ):
        vectors = encoder.encode([request.request_text for request in requests], "request")
        found = {system: _values(asked, requests, vectors, fits) for system, asked in systems(index).items()}
        yield from rows_of(f"{case}: {len(fits):,} titles, {len(task.jobs):,} jobs", found)


def systems(index: JobIndex) -> dict[str, JobIndex]:
    """The index as it is, and with a single source."""
    own = index.manifest.retrieval
    alone = {DENSE: "dense", TERMS: "terms"}
    ways = {system: dict.fromkeys(own.recommend, 0.0) | {source: 1.0} for system, source in alone.items()}
    return {MERGED: index} | {
        system: JobIndex(
            replace(
                index.parts,
                manifest=index.manifest.model_copy(
                    update={"retrieval": own.model_copy(update={"recommend": shares, "search": shares})}
                ),
            )
        )
        for system, shares in ways.items()
    }


def _values(index: JobIndex, requests: list[Request], vectors: np.ndarray, fits: list[set[str]]) -> np.ndarray:
    """(n, 2) average precision and NDCG@10."""
    return np.array(
        [
            precision_and_gain([job in wanted for job in index.search(request, vector).ids], len(wanted))
            for request, vector, wanted in zip(requests, vectors, fits, strict=True)
        ]
    )


def precision_and_gain(hits: Sequence[bool], wanted: int) -> tuple[float, float]:
    """Average precision and NDCG@10 of one list.

    hits: whether each place fits; wanted: how many fit in all.
    """
    right = np.array(hits, bool)
    discounts = 1 / np.log2(np.arange(2, SHOWN + 2))
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    gain = float(discounts[: len(right[:SHOWN])] @ right[:SHOWN])
    return float(precision[right].sum() / wanted), gain / float(discounts[:wanted].sum())


def rows_of(case: str, found: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """A row a system and metric, and of the merged order what it adds to the better of its parts."""
    for column, metric in enumerate(METRICS):
        values = {system: of[:, column] for system, of in found.items()}
        better = max((DENSE, TERMS), key=lambda system: float(values[system].mean()))
        named = {(system, metric): of for system, of in values.items()}
        named[MERGED, f"{metric} above {better}"] = values[MERGED] - values[better]
        estimates = mean_estimates(np.stack(list(named.values()), axis=1), seed=0)
        for (system, about), estimate in zip(named, estimates, strict=True):
            row = {"case": case, "system": system, "metric": about, "unit": ""}
            yield row | {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def titles_tables(rows: Rows) -> dict[str, str]:
    """The table of the documentation: cases down, the three orders and what the merged one adds across."""
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        of = {(row["system"], row["metric"]): row for row in rows if row["case"] == case}
        above = next(row for (_, metric), row in of.items() if metric.startswith("MAP above"))
        lines.append(
            [
                case,
                *(
                    with_interval(of[system, "MAP"])
                    for system in (
                        DENSE,
                        TERMS,
                        MERGED,
                    )
                ),
                with_interval(above),
            ]
        )
    head = ["MAP", "vectors", "words", "merged", "merged above the better"]
    return {"titles": markdown_table(head, lines), "titles_made": made_by(rows)}


if __name__ == "__main__":
    main()
