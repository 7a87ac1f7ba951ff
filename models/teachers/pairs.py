"""The pairs of a training set as a teacher reads them: each text is tokenised once, and what can be shared is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from contracts.errors import BadInput
from contracts.text.token_ids import open_tokenizer, token_ids
from models.config import TeacherConfig
from models.teachers.cross_encoder import CrossEncoder
from models.teachers.full_text import FullText
from models.teachers.prompts import PromptTexts
from models.teachers.teacher_model import TeacherModel
from models.training.device import device_of, to_device
from models.training.rows import Rows, by_length
from models.training.states import BATCH_TOKENS, TextStates

PAIRS_AT_ONCE = 64


class TeacherPairs(Protocol):
    """Rows, and the model that reads them."""

    rows: Rows

    @property
    def model(self) -> TeacherModel: ...

    def logits(self, chosen: np.ndarray) -> Tensor:
        """Logits (len(chosen), tasks) float32 of rows by number, before the model's `answers`."""

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Batches of the chosen rows with their answers (n, tasks), for a model that learns no more."""


class JointPairs:
    """For the joint teacher. Holds the states of the texts below the fixed layers."""

    def __init__(self, rows: Rows, model: CrossEncoder, folder: Path, config: TeacherConfig, frozen: int) -> None:
        """frozen: layers that stay as they are. Raises BadInput for texts longer than the backbone reads."""
        self.rows, self.model = rows, model
        self._first = min(frozen, model.split)
        if (most := max(config.max_request_tokens, config.max_job_tokens)) > model.backbone.longest:
            raise BadInput(f"a text of {most} tokens, the backbone reads {model.backbone.longest}", where=str(folder))
        self._requests, self._jobs = (
            TextStates(
                model.backbone,
                token_ids(open_tokenizer(folder, longest), texts),
                self._first,
                config.memory_mb // 2,
                config.precision,
            )
            for texts, longest in ((rows.requests, config.max_request_tokens), (rows.jobs, config.max_job_tokens))
        )

    def logits(self, chosen: np.ndarray) -> Tensor:
        requests, request = np.unique(self.rows.request[chosen], return_inverse=True)
        jobs, job = np.unique(self.rows.job[chosen], return_inverse=True)
        return self.model(
            self._requests.batch(requests),
            self._jobs.batch(jobs),
            to_device(request, device_of(self.model)),
            to_device(job, device_of(self.model)),
            self._first,
        )

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """What a job is by itself is computed once a job, and a request is read once for its jobs."""
        model = self.model
        jobs, job = np.unique(self.rows.job[chosen], return_inverse=True)
        alone = torch.empty(len(jobs), model.backbone.hidden, device=device_of(model))
        for some in by_length(self._jobs.lengths[jobs], BATCH_TOKENS):
            read, mask = self._read(jobs[some])
            alone[some] = model.encode_item(read, mask).float()
        order = np.lexsort((self._jobs.lengths[jobs[job]], self.rows.request[chosen]))
        for start in range(0, len(order), PAIRS_AT_ONCE):
            batch = order[start : start + PAIRS_AT_ONCE]
            requests, request = np.unique(self.rows.request[chosen[batch]], return_inverse=True)
            asked = model.encode_prefix(*self._requests.batch(requests), self._first)
            read, mask = self._read(jobs[job[batch]])
            met = model.score(asked, read, mask, alone[job[batch]], to_device(request, device_of(model)))
            yield chosen[batch], model.answers(met)

    def _read(self, jobs: np.ndarray) -> tuple[Tensor, Tensor]:
        states, mask = self._jobs.batch(jobs)
        return self.model.backbone.run(states, mask, self._first, self.model.split), mask


class FullTextPairs:
    """For the full-text teachers: every pair is read by itself."""

    def __init__(self, rows: Rows, model: FullText, folder: Path, config: TeacherConfig) -> None:
        self.rows, self.model = rows, model
        lengths = config.max_request_tokens, config.max_job_tokens
        self._texts = PromptTexts(folder, rows.requests, rows.jobs, lengths, model.frame, model.longest)

    def logits(self, chosen: np.ndarray) -> Tensor:
        texts = self._texts.batch(self.rows.request[chosen], self.rows.job[chosen])
        return self.model(*(part.to(device_of(self.model)) for part in texts))

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """TeacherPairs of like length together, so that little is padding."""
        texts = self._texts
        lengths = texts.request_lengths[self.rows.request[chosen]] + texts.job_lengths[self.rows.job[chosen]]
        for some in by_length(lengths, BATCH_TOKENS):
            yield chosen[some], self.model.answers(self.logits(chosen[some]))


def read_pairs(rows: Rows, model: TeacherModel, folder: Path, config: TeacherConfig, frozen: int) -> TeacherPairs:
    """The rows for whichever model; folder: where its tokenizer lies; frozen: layers that stay as they are."""
    if isinstance(model, CrossEncoder):
        return JointPairs(rows, model, folder, config, frozen)
    assert isinstance(model, FullText)
    return FullTextPairs(rows, model, folder, config)
