"""Positives of a retrieval encoder: requests, and the jobs that were taken on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from contracts.errors import BadInput
from contracts.versions import content_hash


@dataclass(frozen=True)
class Positives:
    """p pairs of a request and a job that was taken. Two adverts with the same text are one job.

    Attributes:
        requests: Distinct texts.
        jobs: Distinct texts of the whole inventory.
        request: (p,) int64 numbers in `requests`.
        job: (p,) int64 numbers in `jobs`.
        weight: (p,) float32, above 0.
        asker: (p,) int64 number of the member who made the request.
        taken: Of each asker the numbers of the jobs they took, ascending; none of these is a negative of theirs.
    """

    requests: list[str]
    jobs: list[str]
    request: np.ndarray
    job: np.ndarray
    weight: np.ndarray
    asker: np.ndarray
    taken: list[np.ndarray]

    @classmethod
    def of(
        cls,
        requests: Sequence[str],
        jobs: Sequence[str],
        weights: Sequence[float],
        askers: Sequence[str],
        inventory: Sequence[str],
        also_taken: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """From one request, job, weight and asker a pair, and the texts of other jobs.

        also_taken: asker and text of jobs that were taken too, on occasions that are not learned from.

        Raises BadInput where there is no pair, fewer than two jobs, or a weight that is not above 0.
        """
        if not len(requests):
            raise BadInput("no positives: nobody took a job on any request", cure="ingest a longer log")
        weight = np.asarray(weights, np.float32)
        if not (weight > 0).all() or not np.isfinite(weight).all():
            wrong = weight[~(np.isfinite(weight) & (weight > 0))][0]
            raise BadInput(f"a positive weighs {wrong}", cure="leave out what does not count")
        places = [
            {text: i for i, text in enumerate(dict.fromkeys(texts))}
            for texts in (requests, (*jobs, *inventory), askers)
        ]
        if len(places[1]) < 2:
            raise BadInput("one job, and nothing to tell it from", cure="give the texts of more jobs")
        request, job, asker = (
            np.array([place[text] for text in texts], np.int64)
            for place, texts in zip(places, (requests, jobs, askers), strict=True)
        )
        texts, who = places[1], places[2]
        more = [(who[one], texts[text]) for one, text in also_taken if one in who and text in texts]
        takers, jobs_taken = np.concatenate([np.stack([asker, job]), np.array(more, np.int64).reshape(-1, 2).T], axis=1)
        order = np.argsort(takers, kind="stable")
        taken = np.split(jobs_taken[order], np.cumsum(np.bincount(takers))[:-1])
        return cls(list(places[0]), list(texts), request, job, weight, asker, list(map(np.unique, taken)))

    @classmethod
    def joined(cls, some: Sequence[Self]) -> Self:
        """The pairs of several together; who asked in one is nobody who asked in another."""
        if len(some) == 1:
            return some[0]
        pairs = [
            (own.requests[r], own.jobs[j], w, f"{i}/{a}")
            for i, own in enumerate(some)
            for r, j, w, a in zip(own.request, own.job, own.weight.tolist(), own.asker, strict=True)
        ]
        also = (
            (f"{i}/{asker}", own.jobs[job])
            for i, own in enumerate(some)
            for asker, jobs in enumerate(own.taken)
            for job in jobs
        )
        requests, jobs, weights, askers = zip(*pairs, strict=True)
        return cls.of(requests, jobs, weights, askers, [text for own in some for text in own.jobs], also)

    def __len__(self) -> int:
        return len(self.request)

    @property
    def version(self) -> str:
        """Twelve hex digits of all of it."""
        arrays = (self.request, self.job, self.weight, self.asker, *self.taken)
        return content_hash([json.dumps([self.requests, self.jobs]), *(array.tobytes() for array in arrays)])

    def allowed(self, pairs: np.ndarray, jobs: np.ndarray) -> np.ndarray:
        """(len(pairs), len(jobs)) bool: whether a job may be a negative of a pair's request.

        A job that the asker is known to have taken may not, on whatever request that was.
        """
        return np.stack([~np.isin(jobs, self.taken[asker], assume_unique=True) for asker in self.asker[pairs]])
