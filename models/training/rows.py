"""The training table as the trainers see it: pairs grouped in lists, every distinct text held once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import BadInput
from contracts.examples import PAIR_FEATURES, SERVED, TRAINING
from contracts.match import match_column
from contracts.tables import read_table
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.versions import content_hash

KEYS = ("list_id", "job_id")


@dataclass(frozen=True)
class Rows:
    """n pairs. Texts are distinct; `request` and `job` say which of them a pair has.

    targets: (n, tasks) float32, the probability to learn, NaN where unknown; tasks `relevance` first (grade / 4, of the
    judge's mean grade where it says one), then the engagement tasks. position: (n,) int64 rank at which the pair was
    shown, 0 where it was not; retrieved: (n,) int64 place among the candidates that a service would rank, 0 where it is
    none of them or not known, as in training lists; propensity: (n,) float32 probability with which the logging policy
    showed it there, NaN where not known. match: (n, C) uint8, the bins of `contracts.match.COMPARISONS`, 0 where
    nothing is known.
    """

    list_ids: np.ndarray
    job_ids: np.ndarray
    splits: np.ndarray
    strata: np.ndarray
    requests: list[str]
    request: np.ndarray
    jobs: list[str]
    job: np.ndarray
    tasks: tuple[str, ...]
    targets: np.ndarray
    position: np.ndarray
    retrieved: np.ndarray
    propensity: np.ndarray
    features: np.ndarray
    match: np.ndarray
    text_version: str
    version: str

    def __len__(self) -> int:
        return len(self.list_ids)

    @property
    def listed(self) -> np.ndarray:
        """(n,) bool: the pairs of the lists that teachers and student learn from, without the `SERVED` beside them."""
        return self.strata != SERVED

    def of_splits(self, *splits: str) -> np.ndarray:
        """(m,) numbers of the listed rows of some splits, ascending."""
        return np.flatnonzero(np.isin(self.splits, splits) & self.listed)

    def target(self, task: str) -> np.ndarray:
        return self.targets[:, self.tasks.index(task)]

    @property
    def views(self) -> np.ndarray:
        """(n,) float32: how often each pair's job was opened in the week before, as known then."""
        return self.features[:, PAIR_FEATURES.index("views_7d")]

    def only(self, chosen: np.ndarray) -> Rows:
        """The chosen rows, with the texts that they have."""
        kept_requests, request = np.unique(self.request[chosen], return_inverse=True)
        kept_jobs, job = np.unique(self.job[chosen], return_inverse=True)
        return replace(
            self,
            list_ids=self.list_ids[chosen],
            job_ids=self.job_ids[chosen],
            splits=self.splits[chosen],
            strata=self.strata[chosen],
            targets=self.targets[chosen],
            position=self.position[chosen],
            retrieved=self.retrieved[chosen],
            propensity=self.propensity[chosen],
            features=self.features[chosen],
            match=self.match[chosen],
            requests=[self.requests[i] for i in kept_requests],
            request=request,
            jobs=[self.jobs[i] for i in kept_jobs],
            job=job,
        )

    def lists(self, rows: np.ndarray) -> list[np.ndarray]:
        """Row numbers grouped by list, in the order in which the lists first appear."""
        _, first, which = np.unique(self.list_ids[rows], return_index=True, return_inverse=True)
        groups = np.split(rows[np.argsort(which, kind="stable")], np.cumsum(np.bincount(which))[:-1])
        return [groups[i] for i in np.argsort(first)] if len(rows) else []


def read_rows(folder: Path) -> Rows:
    """The training table of a workspace.

    Raises NotReady where it is absent, BadInput where a column is missing or two text versions are mixed.
    """
    table = read_table(folder)
    missing = [name for name in TRAINING.names if name not in table.column_names]
    if missing:
        raise BadInput(
            f"no column {missing[0]!r}",
            where=str(folder),
            cure="run `rolecall label`, then `rolecall features training-set`",
        )
    versions = table["text_version"].unique().to_pylist()
    if len(versions) > 1:
        raise BadInput(
            f"text versions {', '.join(versions)} are mixed", where=str(folder), cure="verbalise and label anew"
        )
    table = table.sort_by([(key, "ascending") for key in KEYS])
    requests, request = _distinct(table["request_text"])
    jobs, job = _distinct(table["job_text"])
    grades = pc.coalesce(table["expected"], table["grade"].cast(pa.float32())).to_numpy() / np.float32(4)
    labels = [table[task].cast(pa.float32()).to_numpy() for task in ENGAGEMENT_TASKS]
    return Rows(
        list_ids=table["list_id"].to_numpy(),
        job_ids=table["job_id"].to_numpy(),
        splits=table["split"].to_numpy(),
        strata=table["stratum"].to_numpy(),
        requests=requests,
        request=request,
        jobs=jobs,
        job=job,
        tasks=("relevance", *ENGAGEMENT_TASKS),
        targets=np.stack([grades, *labels], axis=1).astype(np.float32),
        position=table["position"].fill_null(0).to_numpy().astype(np.int64),
        retrieved=table["retrieved"].fill_null(0).to_numpy().astype(np.int64),
        propensity=table["propensity"].cast(pa.float32()).to_numpy(),
        features=np.stack([table[name].to_numpy() for name in PAIR_FEATURES], axis=1),
        match=match_column(table),
        text_version=versions[0] if versions else "",
        version=_version(table),
    )


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _version(table: pa.Table) -> str:
    """Twelve hex digits over what is learned from, whatever the order of the parts on disk."""
    shown = ["split", "stratum", "position", "propensity"]
    means = ["expected"] if table["expected"].null_count < len(table) else []  # a judge without changes nothing
    compared = ["match"] if "match" in table.column_names else []
    learned = [*KEYS, *shown, "grade", *means, *ENGAGEMENT_TASKS, "request_text", "job_text", *compared]
    return content_hash(json.dumps(table[name].to_pylist()) for name in learned)


def by_length(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of like length, each of at most `budget` padded tokens (one row at least)."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= budget:
            stop += 1
        yield order[start:stop]
        start = stop
