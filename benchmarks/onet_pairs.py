"""Pairs whose grades nobody here made up: O*NET's occupations as requests, jobs graded by `Related Occupations`.

A request is a person of one occupation: a title that people report for it, its tools, its first tasks. A job is
another title of an occupation with the occupation's description; no list has a title twice, the request's included.
Grade 4: the same occupation; 3, 2, 1: the three tiers of expert relatedness, the nearer one where two occupations name
each other differently; 0: any other. A split holds whole occupations as requests, and a list holds no job of an
occupation that asks in a later split: no pair of a test occupation is seen in training, from either end. Of an
occupation's titles those of test jobs are others than those of training jobs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.examples import PAIR_FEATURES, TRAINING
from contracts.features import EVENT_TIME
from contracts.match import COMPARISONS
from contracts.records import Job, Member, Position
from contracts.tables import write_part
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.text.verbalizer import Verbalizer, request_text
from contracts.workspace import Workspace
from examples.sources.onet import ATTRIBUTION, OCCUPATIONS, RELATED, RELEASED, TIERS, lines, tasks, technologies

__all__ = ["ATTRIBUTION", "CODE", "SIZES", "pairs_table", "related_occupations", "titles_of", "write_pairs"]

CODE = "O*NET-SOC Code"
OWN, NEAR, FAR = 2, 8, 10
"""Jobs of a list: of the same occupation, of related ones, of any other."""
SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
SIZES = [OWN, NEAR, FAR, SHARES]


def write_pairs(folder: Path, workspace: Workspace, seed: int) -> int:
    """Write the training table of a workspace from a folder of O*NET tables; return the number of its pairs."""
    rng = np.random.default_rng(seed)
    names = {line[CODE]: line["Title"] for line in lines(folder, OCCUPATIONS)}
    about = {line[CODE]: line["Description"] for line in lines(folder, OCCUPATIONS)}
    near = related_occupations(folder)
    reported = titles_of(folder, "Sample of Reported Titles.txt", "Reported Job Title")
    offered = titles_of(folder, "Alternate Titles.txt", "Alternate Title")
    duties, tools, verbalizer = tasks(folder), technologies(folder), Verbalizer()
    asking = [code for code in names if near[code] and reported[code] and len(offered[code]) >= 2 * OWN + 2]
    splits = np.repeat(list(SHARES), np.ceil(np.array(list(SHARES.values())) * len(asking)).astype(int))[: len(asking)]
    split_of: dict[str, str] = dict(zip(rng.permutation(asking).tolist(), splits.tolist(), strict=True))
    rows = []
    for code, split in split_of.items():
        title = str(rng.choice(reported[code]))
        work = Position(title=title, description=" ".join(duties.get(code, [])[:2]))
        member = Member(
            id=code, headline=title, skills=tuple(tools.get(code, ())[:8]), positions=(work,), updated_at=RELEASED
        )
        asked = request_text(member_text=verbalizer.member(member))
        open_to = [other for other in names if other != code and not _asks_later(split_of.get(other, split), split)]
        others = [other for other in open_to if other not in near[code]]
        related = rng.permutation([other for other in open_to if other in near[code]])[:NEAR].tolist()
        listed = [code] * OWN + related + rng.choice(others, min(FAR, len(others)), replace=False).tolist()
        seen = {title.casefold()}
        for place, other in enumerate(listed):
            shown = _title(offered[other] or [names[other]], split, seen, rng)
            if shown is None:
                continue
            seen.add(shown.casefold())
            job = Job(id=f"{other}/{place}", title=shown, description=about[other], updated_at=RELEASED)
            grade = 4 if other == code else near[code].get(other, 0)
            rows.append((code, job.id, split, grade, asked, verbalizer.job(job)))
    write_part(workspace.training, pairs_table(rows, verbalizer.version), "onet")
    return len(rows)


def related_occupations(folder: Path) -> dict[str, dict[str, int]]:
    """Occupation -> those related to it -> grade, the same from both ends: the files name many from one only."""
    near: dict[str, dict[str, int]] = defaultdict(dict)
    for line in lines(folder, RELATED):
        one, other, grade = line[CODE], line["Related O*NET-SOC Code"], TIERS[line["Relatedness Tier"]]
        near[one][other] = near[other][one] = max(grade, near[one].get(other, 0))
    return near


def _asks_later(asks: str, split: str) -> bool:
    """Whether an occupation that asks in a split is kept out of the lists of another."""
    order = list(SHARES)
    return order.index(asks) > order.index(split)


def titles_of(folder: Path, name: str, column: str) -> dict[str, list[str]]:
    """Occupation -> its titles, each once however it is written."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines(folder, name):
        found[line[CODE]].setdefault(line[column].casefold(), line[column])
    return defaultdict(list, {code: list(titles.values()) for code, titles in found.items()})


def _title(titles: list[str], split: str, seen: Set[str], rng: np.random.Generator) -> str | None:
    """One of the even titles for a test list, one of the odd ones for another, that the list has not seen."""
    own = [title for title in titles[split != "test" :: 2] or titles if title.casefold() not in seen]
    return str(own[rng.integers(len(own))]) if own else None


def pairs_table(rows: list[tuple], text_version: str) -> pa.Table:
    """The training table of rows (list id, job id, split, grade, request text, job text)."""
    list_ids, job_ids, splits, grades, requests, jobs = (list(column) for column in zip(*rows, strict=True))
    n = len(rows)
    columns = {
        "list_id": list_ids,
        "member_id": list_ids,
        "query": [""] * n,
        "job_id": job_ids,
        EVENT_TIME: [RELEASED] * n,
        "split": splits,
        "stratum": ["onet"] * n,
        "position": [None] * n,
        "propensity": [None] * n,
        "grade": grades,
        "request_text": requests,
        "job_text": jobs,
        "text_version": [text_version] * n,
        **{name: [None] * n for name in ("retrieved", "expected", *ENGAGEMENT_TASKS)},
        **{name: [0.0] * n for name in PAIR_FEATURES},
        "match": [[0] * len(COMPARISONS)] * n,
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in TRAINING}, schema=TRAINING)
