"""Tasks in words for the decoder teacher's benchmark: pairs of a simulated market and of O*NET, each with who asks.

Trained tasks (T1): relevance, view, apply and dismiss of shown jobs, and which words a member searches for. Tasks that
are never trained (T2): hire and save of shown jobs, a skill of a member, the occupation of a title, from job to job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from benchmarks.onet_pairs import CODE, titles_of
from contracts.examples import PAIR_FEATURES
from contracts.match import COMPARISONS
from contracts.tables import read_records, read_table
from contracts.tasks import INTEREST, TASKS
from contracts.workspace import Workspace
from examples.sources.onet import OCCUPATIONS, RELEASED, lines
from models.teachers.verbal import Asker
from models.training.rows import Rows

TRAINED = ("relevance", "view", "apply", "dismiss", "search")
SENTENCES: Mapping[str, str] = {
    **{task: TASKS[task] for task in (*TRAINED[:-1], "hire")},
    "search": "Will this member search for these words?",
    "save": "Will this member save this job?",
    "skill": "Does this member have this skill?",
    "occupation": "Is this job title a name for this occupation?",
    "job to job": "Will a member who is interested in the first job be interested in this one?",
}
UNTRAINED = ("hire", "save", "skill", "occupation", "job to job")
NEGATIVES = 3
"""Negatives of a positive."""


class TaskPairs(NamedTuple):
    """Pairs of one task: rows whose only target is that task's, and who asks."""

    rows: Rows
    askers: Mapping[str, Asker]


class Question(NamedTuple):
    """One pair: who asks what, about what, and the answer."""

    list_id: str
    asker: Asker
    item: str
    target: float
    split: str


def as_rows(task: str, questions: Sequence[Question]) -> TaskPairs:
    """Questions as rows without match or numbers, as they are of no shown job."""
    requests, request = np.unique([one.asker.text for one in questions], return_inverse=True)
    jobs, job = np.unique([one.item for one in questions], return_inverse=True)
    n = len(questions)
    rows = Rows(
        list_ids=np.array([one.list_id for one in questions], object),
        job_ids=np.array([f"{task}-{i}" for i in range(n)], object),
        splits=np.array([one.split for one in questions], object),
        strata=np.full(n, "logged", object),
        requests=requests.tolist(),
        request=request.astype(np.int64),
        jobs=jobs.tolist(),
        job=job.astype(np.int64),
        tasks=(task,),
        targets=np.array([[one.target] for one in questions], np.float32),
        position=np.zeros(n, np.int64),
        retrieved=np.zeros(n, np.int64),
        propensity=np.full(n, np.nan, np.float32),
        features=np.zeros((n, len(PAIR_FEATURES)), np.float32),
        match=np.zeros((n, len(COMPARISONS)), np.uint8),
        text_version="",
        version=f"{task}-{n}",
    )
    return TaskPairs(rows, {one.list_id: one.asker for one in questions})


def together(parts: Sequence[TaskPairs]) -> TaskPairs:
    """The rows of several parts as those of one training set, in their order; a list of two tasks is two lists."""
    tasks = tuple(dict.fromkeys(part.rows.tasks[0] for part in parts))
    columns: dict[str, list[np.ndarray]] = {}
    requests: list[str] = []
    jobs: list[str] = []
    askers: dict[str, Asker] = {}
    for part in parts:
        rows, task = part.rows, part.rows.tasks[0]
        named = np.array([f"{task}/{name}" for name in rows.list_ids], object)
        askers |= {f"{task}/{name}": asker for name, asker in part.askers.items()}
        targets = np.full((len(rows), len(tasks)), np.nan, np.float32)
        targets[:, tasks.index(task)] = rows.targets[:, 0]
        made = {"list_ids": named, "targets": targets, "request": rows.request + len(requests)}
        made["job"] = rows.job + len(jobs)
        for name in ("job_ids", "splits", "strata", "position", "retrieved", "propensity", "features", "match"):
            made[name] = getattr(rows, name)
        for name, values in made.items():
            columns.setdefault(name, []).append(values)
        requests += rows.requests
        jobs += rows.jobs
    whole = {name: np.concatenate(values) for name, values in columns.items()}
    version = "+".join(part.rows.version for part in parts)
    rows = replace(parts[0].rows, **whole, requests=requests, jobs=jobs, tasks=tasks, version=version)  # type: ignore[arg-type]
    return TaskPairs(rows, askers)


def of_task(rows: Rows, askers: Mapping[str, Asker], task: str, target: np.ndarray, chosen: np.ndarray) -> TaskPairs:
    """Some rows of the market as pairs of one task; target: (n,) of all rows."""
    found = rows.only(chosen)
    found = replace(found, tasks=(task,), targets=target[chosen, None], position=found.position * 0)
    return TaskPairs(found, {name: askers[name] for name in np.unique(found.list_ids).tolist()})


def drawn(rows: Rows, target: np.ndarray, splits: Sequence[str], most: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of at most `most` listed rows of some splits: of a list a positive, and `NEGATIVES` others at most."""
    known = np.flatnonzero(np.isfinite(target) & np.isin(rows.splits, splits) & rows.listed)
    lists = rows.lists(known)
    found: list[int] = []
    for i in rng.permutation(len(lists)):
        positive = lists[i][target[lists[i]] > 0.5]
        negative = lists[i][target[lists[i]] <= 0.5]
        if len(positive) and len(negative) and len(found) + NEGATIVES + 1 <= most:
            found += [rng.choice(positive), *rng.permutation(negative)[:NEGATIVES]]
    return np.sort(np.array(found, np.int64))


def saved(workspace: Workspace, rows: Rows) -> np.ndarray:
    """(n,) float32: whether a shown job was saved from its list; NaN where the job was not shown."""
    events = read_records(workspace.records, "events", ["request_id", "job_id", "action"])
    saves = pl.DataFrame(events).filter(pl.col("action") == "save")
    known = set(zip(saves["request_id"].to_list(), saves["job_id"].to_list(), strict=True))
    pairs = zip(rows.list_ids.tolist(), rows.job_ids.tolist(), strict=True)
    target = np.array([pair in known for pair in pairs], np.float32)
    target[~np.isfinite(rows.target("view"))] = np.nan
    return target


def searches(workspace: Workspace, rows: Rows, askers: Mapping[str, Asker], rng: np.random.Generator) -> TaskPairs:
    """Which of some words a member searched for, the others being what other members of that split searched for."""
    splits = dict(zip(rows.list_ids.tolist(), rows.splits.tolist(), strict=True))
    asked = [(name, asker) for name, asker in askers.items() if asker.query]
    of_split: dict[str, list[str]] = {}
    for name, asker in asked:
        of_split.setdefault(splits[name], []).append(asker.query)
    made = []
    for name, asker in asked:
        others = [query for query in rng.permutation(of_split[splits[name]]).tolist() if query != asker.query]
        who = asker._replace(query="", item_label="Words")
        for query in rng.permutation([asker.query, *others[:NEGATIVES]]).tolist():
            made.append(Question(name, who, query, float(query == asker.query), splits[name]))
    return as_rows("search", made)


def skills(rows: Rows, askers: Mapping[str, Asker], rng: np.random.Generator) -> TaskPairs:
    """Whether a member has a skill that was taken out of the member's text, or another member's skill."""
    splits = dict(zip(rows.list_ids.tolist(), rows.splits.tolist(), strict=True))
    fields = {name: _skills(asker.text) for name, asker in askers.items()}
    every = sorted({skill for own in fields.values() for skill in own})
    made = []
    for name, own in fields.items():
        if len(own) < 3:
            continue
        for has in (1.0, 0.0):
            skill = str(rng.choice(own)) if has else str(rng.choice([one for one in every if one not in own]))
            left = ", ".join(one for one in own if one != skill)
            text = askers[name].text.replace(", ".join(own), left)
            who = Asker(text, askers[name].time, item_label="Skill")
            made.append(Question(f"{name}/{has:.0f}", who, skill, has, splits[name]))
    return as_rows("skill", made)


def occupations(onet: Path, most: int, rng: np.random.Generator) -> TaskPairs:
    """Whether an alternate title is one of an occupation, the others being drawn; by O*NET."""
    names = {line[CODE]: line["Title"] for line in lines(onet, OCCUPATIONS)}
    offered = titles_of(onet, "Alternate Titles.txt", "Alternate Title")
    codes = [code for code in names if offered[code]]
    made = []
    for number, code in enumerate(rng.choice(codes, most // 2, replace=True).tolist()):
        title = str(rng.choice(offered[code]))
        split = "test" if codes.index(code) % 2 else "train"  # no occupation is of both
        others = [other for other in codes if other != code and codes.index(other) % 2 == codes.index(code) % 2]
        who = Asker(title, RELEASED, label="Job title", item_label="Occupation")
        for chosen, fits in ((code, 1.0), (str(rng.choice(others)), 0.0)):
            made.append(Question(f"{number}/{fits:.0f}", who, names[chosen], fits, split))
    return as_rows("occupation", made)


def from_job_to_job(workspace: Workspace, until: datetime, most: int, rng: np.random.Generator) -> TaskPairs:
    """Whether members who were interested in one job were so in another, drawn jobs being the others.

    Pairs of one member's interests after `until` are for the test, earlier ones for learning.
    """
    columns = ["member_id", "job_id", "action", "time"]
    events = pl.DataFrame(read_records(workspace.records, "events", columns))
    events = events.filter(pl.col("action").is_in(INTEREST) & (pl.col("member_id") != ""))
    texts = read_table(workspace.features / "job_text", ["job_id", "text"]).to_pylist()
    text_of = {row["job_id"]: row["text"] for row in texts}
    jobs = sorted(text_of)
    made = []
    for split, of_split in (
        ("train", events.filter(pl.col("time") < until)),
        ("test", events.filter(pl.col("time") >= until)),
    ):
        taken = of_split.unique(["member_id", "job_id"]).sort("member_id", "job_id")
        of_members = [group["job_id"].to_list() for _, group in taken.group_by("member_id", maintain_order=True)]
        several = [own for own in of_members if len(own) > 1]
        for number in range(most // 2):
            first, second = rng.choice(several[int(rng.integers(len(several)))], 2, replace=False).tolist()
            who = Asker(text_of[first], until, label="First job")
            for job, fits in ((second, 1.0), (str(rng.choice(jobs)), 0.0)):
                made.append(Question(f"{split}{number}/{fits:.0f}", who, text_of[job], fits, split))
    return as_rows("job to job", made)


def _skills(text: str) -> list[str]:
    field = next((field for field in text.split(" | ") if field.startswith("skills: ")), "")
    return field.removeprefix("skills: ").split(", ") if field else []
