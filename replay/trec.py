"""Runs and qrels as TREC files, with ties broken against the system before they are written.

Evaluators break ties each in their own way, and compare in 32 bits. So a run's scores fall strictly, in float32, with
the relevant jobs of a tie last: every evaluator then reads the same order, and the one that flatters least.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from contracts.errors import BadInput, UnreadableFile
from contracts.versions import staged_file

Qrels = Mapping[str, Mapping[str, int]]
"""Request -> job -> gain, a non-negative whole number."""
RankedList = tuple[Sequence[str], np.ndarray]
"""Jobs best first, and their scores (n,) float32, strictly falling."""
Run = Mapping[str, RankedList]
"""Request -> ranked list: the answers of one system."""

_PLAIN = "".join(chr(c) for c in range(33, 127) if chr(c) != "%")
_SMALLEST = int(np.float32(np.finfo(np.float32).tiny).view(np.int32))


def order_against(scores: np.ndarray, gains: np.ndarray, depth: int | None = None) -> np.ndarray:
    """Order jobs by score, and among equal scores by rising gain.

    Args:
        scores: (n,) float without NaN, compared in float32.
        gains: (n,) numbers.
        depth: How many to keep; None: all.

    Returns:
        (m,) int64 positions, best first.

    Raises:
        BadInput: A score is NaN.
    """
    scores = np.asarray(scores, np.float32)
    if np.isnan(scores).any():
        raise BadInput(
            f"{int(np.isnan(scores).sum()):,} of {len(scores):,} scores are NaN", cure="train the ranker again"
        )
    if depth is not None and depth < len(scores):
        cut = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        kept = np.flatnonzero(scores >= cut)  # a tie at the cut stays whole until it is ordered
        return kept[np.lexsort((gains[kept], -scores[kept]))][:depth]
    return np.lexsort((gains, -scores))


def strictly_falling(scores: np.ndarray) -> np.ndarray:
    """(n,) float32: falling `scores` (n,) lowered as little as makes each smaller than the one before.

    Computed on the floats' order as integers; denormals count as zero, since some machines flush them.
    """
    scores = np.asarray(scores, np.float32)
    bits = np.abs(scores).view(np.int32).astype(np.int64)
    place = np.where(bits < _SMALLEST, 0, np.sign(scores).astype(np.int64) * (bits - _SMALLEST + 1))
    step = np.arange(len(place))
    place = np.minimum.accumulate(place + step) - step
    magnitude = np.where(place == 0, 0, np.abs(place) - 1 + _SMALLEST).astype(np.int32).view(np.float32)
    return np.sign(place).astype(np.float32) * magnitude


def write_run(path: Path, run: Run | Iterable[tuple[str, RankedList]], tag: str) -> None:
    """`request Q0 job rank score tag` a line, of answers that may come one by one.

    Ids are percent-encoded where they hold a blank or are not ASCII.
    """
    lines = (
        f"{name} Q0 {_encode(job)} {rank} {score:.9g} {tag}\n"
        for request, (jobs, scores) in (run.items() if isinstance(run, Mapping) else run)
        for name in [_encode(request)]
        for rank, (job, score) in enumerate(zip(jobs, scores.tolist(), strict=True), start=1)
    )
    _write(path, lines)


def write_qrels(path: Path, qrels: Qrels | Iterable[tuple[str, Mapping[str, int]]]) -> None:
    """`request 0 job gain` a line, of requests that may come one by one."""
    _write(
        path,
        (
            f"{_encode(request)} 0 {_encode(job)} {gain}\n"
            for request, gains in (qrels.items() if isinstance(qrels, Mapping) else qrels)
            for job, gain in gains.items()
        ),
    )


def read_run(path: Path) -> dict[str, RankedList]:
    """The answers in a TREC run file, each request's jobs by falling score; of equal scores the file's order holds.

    Raises:
        BadInput: A line is no `request Q0 job rank score tag`, its score is no number, or a job stands twice.
        UnreadableFile: The file holds no line.
    """
    found: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            fields = line.split()
            if not fields:
                continue
            where, cure = f"{path}, line {number}", "write `request Q0 job rank score tag`"
            if len(fields) != 6:
                raise BadInput(f"{len(fields)} fields", where=where, cure=cure)
            request, _, job, _, score, _ = fields
            try:
                value = float(score)
            except ValueError:
                raise BadInput(f"score {score[:40]!r} is no number", where=where, cure=cure) from None
            if math.isnan(value):
                raise BadInput("score NaN", where=where, cure="give each job a score")
            of = found.setdefault(decode(request), {})
            if decode(job) in of:
                raise BadInput(
                    f"job {decode(job)!r} stands twice in {decode(request)!r}", where=where, cure="name it once"
                )
            of[decode(job)] = value
    if not found:
        raise UnreadableFile("no line in it", where=str(path), cure="give a run file with answers")
    return {
        request: (sorted(of, key=of.__getitem__, reverse=True), strictly_falling(np.sort(list(of.values()))[::-1]))
        for request, of in found.items()
    }


def slug(system: str) -> str:
    """A system's name as it stands in file names and in the last column of a run."""
    return re.sub(r"[^a-z0-9]+", "-", system.lower()).strip("-")


def decode(name: str) -> str:
    """The id that a file's percent-encoded name stands for."""
    return unquote(name)


def _encode(name: str) -> str:
    return name if name.isascii() and name.isalnum() else quote(name, safe=_PLAIN)


def _write(path: Path, lines: Iterator[str]) -> None:
    with staged_file(path) as staged, staged.open("w", encoding="ascii") as file:
        file.writelines(lines)
