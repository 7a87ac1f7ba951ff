"""What the text teachers and the unquantised student say of served candidates: dear, so of a few requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from contracts.features import JOB_KEY, JOB_TEXT
from contracts.match import COMPARISONS
from contracts.tables import read_as_of
from contracts.tasks import GAINS
from contracts.versions import require_current
from contracts.workspace import Workspace
from history.as_of import KNOWN
from models.registry import TEACHERS
from models.teachers.scores import is_left_out
from models.teachers.text import TextTeacher
from models.training.rows import Rows
from replay.results import STUDENT_FLOAT, teacher_name
from replay.served import ServedList
from retrieval.request import Request


def taught(
    workspace: Workspace,
    requests: Sequence[Request],
    lists: Sequence[ServedList],
    trained: Path | None = None,
    teachers: Collection[str] | None = None,
) -> list[ServedList]:
    """The lists with the scores of each text teacher of the workspace, in the order in which teachers are trained, and
    of the student as it was trained, in float32.

    A teacher orders by relevance where it answers that, else by the sum of what it says of engagement. A teacher that
    reads more than both texts is left out: what it reads of these pairs is not stored.

    Args:
        workspace: Holds the teachers and the job texts.
        requests: What retrieval was asked, in the order of the held-out requests.
        lists: Whose candidates are scored, with their matches.
        trained: The folder of the student that the bundle was made from; None to leave it out.
        teachers: Those that are on: one that was turned off is not asked, though it is still there. None: all.

    Raises:
        NotReady: A teacher's folder is incomplete.
    """
    folders = {
        name: require_current(workspace.teachers / name, f"{name} teacher", f"run `rolecall train {name}` first")
        for name in _asked(workspace, teachers)
    }
    rows = pairs_of(workspace, requests, lists)
    scores = {teacher_name(name): _scores(folder, rows) for name, folder in folders.items()}
    if trained is not None:
        scores |= _student_scores(trained, rows)
    ends = np.cumsum([len(served.jobs) for served in lists])[:-1]
    parts = {name: np.split(of, ends) for name, of in scores.items()}
    return [served.scored_by({name: of[i] for name, of in parts.items()}) for i, served in enumerate(lists)]


def answering_relevance(workspace: Workspace, teachers: Collection[str] | None = None) -> tuple[str, ...]:
    """The systems of the text teachers whose first task is relevance. teachers: as `taught`."""
    names = [name for name in _asked(workspace, teachers) if TEACHERS.get(name).tasks[0] == "relevance"]
    return tuple(map(teacher_name, names))


def _asked(workspace: Workspace, teachers: Collection[str] | None) -> list[str]:
    """The text teachers that are there and on, in the order in which they are trained."""
    there = [name for name in _of_both_texts() if (workspace.teachers / name).is_dir()]
    return [name for name in there if not is_left_out(workspace, name) and (teachers is None or name in teachers)]


def _of_both_texts() -> list[str]:
    """The teachers that read nothing of a pair but both texts and their match."""
    kinds = {name: TEACHERS.get(name) for name in TEACHERS.names()}
    return [name for name, kind in kinds.items() if issubclass(kind, TextTeacher) and not kind.reads]


def _scores(folder: Path, rows: Rows) -> np.ndarray:
    """(n,) float64 that a teacher orders by."""
    from models.teachers.train import logits_of

    tasks, logits = logits_of(folder, rows)
    by_task: Mapping[str, np.ndarray] = dict(zip(tasks, logits.astype(np.float64).T, strict=True))
    if "relevance" in by_task:
        return by_task["relevance"]
    return np.sum([1 / (1 + np.exp(-by_task[task])) for task in GAINS if task in by_task], axis=0)


def _student_scores(folder: Path, rows: Rows) -> dict[str, np.ndarray]:
    """The relevance (n,) of the student before quantisation, by the name of the system; none if it does not answer."""
    from models.student.distil import float_logits, load_student

    _, about = load_student(folder)
    if "relevance" not in about["tasks"]:
        return {}
    logits = float_logits(folder, rows, np.arange(len(rows)))
    return {STUDENT_FLOAT: logits[:, about["tasks"].index("relevance")].astype(np.float64)}


def pairs_of(workspace: Workspace, requests: Sequence[Request], lists: Sequence[ServedList]) -> Rows:
    """The pairs of all lists as teachers read them, with the job texts as known at each request's time."""
    pairs = [(requests[served.place], job) for served in lists for job in served.jobs]
    moments = [(job, request.time) for request, job in pairs]
    texts = read_as_of(workspace.features / JOB_TEXT, JOB_KEY, moments, ["text"], KNOWN)
    asked, request = np.unique([request.request_text for request, _ in pairs], return_inverse=True)
    jobs, job = np.unique([text["text"] if text else "" for text in texts], return_inverse=True)
    n = len(pairs)
    return Rows(
        list_ids=np.repeat([served.place for served in lists], [len(served.jobs) for served in lists]),
        job_ids=np.array([job for _, job in pairs]),
        splits=np.full(n, "test"),
        strata=np.full(n, "retrieved"),
        requests=asked.tolist(),
        request=request,
        jobs=jobs.tolist(),
        job=job,
        tasks=(),
        targets=np.zeros((n, 0), np.float32),
        position=np.zeros(n, np.int64),
        retrieved=np.zeros(n, np.int64),
        propensity=np.full(n, np.nan, np.float32),
        features=np.zeros((n, 0), np.float32),
        match=np.concatenate([_match(served) for served in lists]),
        text_version="",
        version="served",
    )


def _match(served: ServedList) -> np.ndarray:
    """(n, C) bins of a list's jobs; nothing known where they were not compared."""
    return np.zeros((len(served.jobs), len(COMPARISONS)), np.uint8) if served.match is None else served.match
