"""What trained embeddings are measured on: held-out requests, what each should find among all jobs, and the positives,
judged lists and teacher that may be learned from.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.onet_pairs import CODE, NEAR, pairs_table, related_occupations, titles_of
from contracts.arrow import to_table
from contracts.features import JOB_KEY, JOB_TEXT
from contracts.records import Job
from contracts.tables import latest, parts, read_table, write_part
from contracts.text.verbalizer import Verbalizer, request_text
from contracts.versions import content_hash, current
from contracts.workspace import Workspace
from examples.sources.onet import OCCUPATIONS, RELEASED, lines
from history.as_of import KNOWN, LoggedRequest, first_known, requests_as_of
from models.config import TeacherConfig
from models.encoder.log_positives import log_positives
from models.encoder.positives import Positives
from replay.holdout import held_out
from retrieval.words.terms import TermIndex, build_terms
from retrieval.words.tokens import job_words

HELD_OUT = 0.3
"""Of O*NET's occupations, by the six digits that detailed ones share."""
LIST_SIZE = 16
SHORT = TeacherConfig(max_pairs=2_400, epochs=2, max_request_tokens=32, max_job_tokens=64)
"""The policy teacher of O*NET's lists: their texts are short."""


@dataclass(frozen=True)
class Search:
    """n held-out requests among m jobs. words: what BM25 is asked; relevant, excluded: of each request the rows of the
    jobs that it should find, and of those that are no candidates; groups: which requests are resampled together."""

    name: str
    requests: list[str]
    words: list[str]
    jobs: list[str]
    terms: TermIndex
    relevant: list[np.ndarray]
    excluded: list[np.ndarray]
    groups: list[str]

    @property
    def case(self) -> str:
        return f"{self.name}: {len(self.requests):,} held-out requests, {len(self.jobs):,} jobs"

    @property
    def version(self) -> str:
        return _digest([self.requests, self.jobs])


@dataclass(frozen=True)
class Task:
    """lists: a workspace whose training lists are graded; teacher: whose scores of them are learned from."""

    search: Search
    positives: Positives
    lists: Workspace
    teacher: str


def onet_task(folder: Path, out: Path, titles: int, requests: int, lists: int, seed: int = 0) -> Task:
    """A title that people use -> its occupation. Of the held-out occupations nothing is learned from: neither their
    titles nor their own texts.

    titles: training titles at most; requests: held-out titles at most; lists: graded ones for the teacher. A title of a
    held-out and of a training occupation is left out, and one that is the occupation's own name.
    """
    rng = np.random.default_rng(seed)
    names = {line[CODE]: line["Title"] for line in lines(folder, OCCUPATIONS)}
    about = {line[CODE]: line["Description"] for line in lines(folder, OCCUPATIONS)}
    records = [Job(id=code, title=names[code], description=about[code], updated_at=RELEASED) for code in names]
    text = {job.id: Verbalizer().job(job) for job in records}
    broad = rng.permutation(sorted({code[:7] for code in names}))
    apart = set(broad[: round(HELD_OUT * len(broad))].tolist())
    owners: dict[str, set[str]] = defaultdict(set)
    for code, offered in titles_of(folder, "Alternate Titles.txt", "Alternate Title").items():
        for title in offered:
            if code in names and title.casefold() != names[code].casefold():
                owners[title.casefold()].add(code)
    inside = {title: {code[:7] in apart for code in codes} for title, codes in sorted(owners.items())}
    train, test = ([title for title, where in inside.items() if where == {side}] for side in (False, True))
    train, test = rng.permutation(train)[:titles].tolist(), rng.permutation(test)[:requests].tolist()
    known = [code for code in names if code[:7] not in apart]
    pairs = [(request_text(query=title), text[code], title) for title in train for code in sorted(owners[title])]
    asked, taken, askers = (list(column) for column in zip(*pairs, strict=True))
    row = {code: i for i, code in enumerate(names)}
    search = Search(
        name="O*NET titles",
        requests=[request_text(query=title) for title in test],
        words=test,
        jobs=[text[code] for code in names],
        terms=build_terms(list(job_words(to_table(records, Job)))),
        relevant=[np.array(sorted(row[code] for code in owners[title])) for title in test],
        excluded=[np.zeros(0, np.int64)] * len(test),
        groups=[min(owners[title])[:7] for title in test],
    )
    positives = Positives.of(asked, taken, [1.0] * len(pairs), askers, [text[code] for code in known])
    judged = Workspace(out / f"onet-lists-{_digest([str(folder.resolve()), train[:lists], LIST_SIZE, seed])}")
    if not parts(judged.training):
        chosen = {title: owners[title] for title in train[:lists]}
        rows = _graded(chosen, known, text, folder, rng)
        write_part(judged.training, pairs_table(rows, Verbalizer().version), "onet")
    return Task(search, positives, judged, "policy")


def _graded(
    chosen: dict[str, set[str]], known: Sequence[str], text: dict[str, str], folder: Path, rng: np.random.Generator
) -> list[tuple]:
    """Rows of `pairs_table`: of each title its occupations, related ones and any others, none of them held out."""
    near = related_occupations(folder)
    rows = []
    for title, own in chosen.items():
        grades: dict[str, int] = {}
        for code in own:
            grades |= {other: max(grade, grades.get(other, 0)) for other, grade in near[code].items()}
        related = [code for code in known if code in grades and code not in own]
        others = [code for code in known if code not in grades and code not in own]
        listed = [*sorted(own), *rng.permutation(related)[:NEAR].tolist()]
        listed += rng.choice(others, max(0, min(LIST_SIZE - len(listed), len(others))), replace=False).tolist()
        grades |= dict.fromkeys(own, 4)
        asked = request_text(query=title)
        rows += [(title, code, "train", grades.get(code, 0), asked, text[code]) for code in listed]
    return rows


def log_task(name: str, workspace: Workspace, teacher: str, requests: int, pairs: int, seed: int = 0) -> Task:
    """A log's held-out requests among all of its jobs, each with its first text. requests: held out, and pairs: past
    ones to learn from, at most."""
    held = held_out(workspace, requests, seed)
    asked = requests_as_of(workspace, [LoggedRequest(one.member_id, one.query, one.time, one.viewed) for one in held])
    table = first_known(read_table(workspace.features / JOB_TEXT, [JOB_KEY, "text", *KNOWN]), JOB_KEY, *KNOWN)
    text = dict(zip(table[JOB_KEY].to_pylist(), table["text"].to_pylist(), strict=True))
    records = latest(read_table(workspace.records / "jobs"), "id", "updated_at").sort_by("id")
    ids = records["id"].to_pylist()
    row = {job: i for i, job in enumerate(ids)}
    search = Search(
        name=name,
        requests=[request.request_text for request in asked],
        words=[request.words for request in asked],
        jobs=[text[job] for job in ids],
        terms=build_terms(list(job_words(records))),
        relevant=[np.array([row[job] for job in one.gains]) for one in held],
        excluded=[np.array([row[job] for job in request.exclude if job in row], np.int64) for request in asked],
        groups=[one.member_id or one.request_id for one in held],
    )
    return Task(search, log_positives(workspace, pairs, seed), workspace, teacher)


def recipe_workspace(out: Path, name: str, params: Path, data: Path | None) -> Workspace:
    """A workspace that has been through the recipe up to the click teacher, named by what it is made from."""
    root = out / f"{name}-{_digest([str(data and data.resolve()), params.read_text()])}"
    workspace = Workspace(root)
    if current(workspace.scores / "click") is None:
        source = ["--data", str(data)] if data else []
        command = ["-m", "rolecall", "--params", str(params), "run", *source, "--workspace", str(root)]
        subprocess.run([sys.executable, *command, "--to", "click_teacher"], check=True)
    return workspace


def _digest(value: Any) -> str:
    return content_hash(json.dumps(value), 8)
