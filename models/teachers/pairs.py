"""The pairs of a training set as input of a teacher's model; each text is tokenised once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

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
    """The pairs of a training set with the model that scores them."""

    rows: Rows

    @property
    def model(self) -> TeacherModel: ...

    def logits(self, chosen: np.ndarray) -> Tensor:
        """Raw logits (m, tasks) float32 of the pairs with row numbers `chosen` (m,), for training."""

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Score pairs with a trained model.

        Args:
            chosen: (m,) row numbers.

        Yields:
            Row numbers of a batch, and the model's `answers` (batch, tasks) for them.
        """


class JointPairs:
    """The pairs for the joint teacher; keeps the states of texts that leave the frozen layers."""

    def __init__(self, rows: Rows, model: CrossEncoder, folder: Path, config: TeacherConfig, frozen: int) -> None:
        """Tokenise the texts.

        Args:
            rows: The pairs.
            model: Scores them.
            folder: With the tokenizer.
            config: Longest texts, memory for states, precision.
            frozen: Number of lowest layers that are not trained.

        Raises:
            BadInput: The knobs allow longer texts than the backbone reads.
        """
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
            to_device(self.rows.match[chosen], device_of(self.model)),
            self.beside(chosen),
        )

    def beside(self, chosen: np.ndarray) -> Any:
        """What else the model reads of rows: nothing of texts alone."""
        return None

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """As `TeacherPairs.scores`: each job's vector is computed once, and a request is encoded once in a batch."""
        model = self.model
        jobs, job = np.unique(self.rows.job[chosen], return_inverse=True)
        vectors = self._vectors(self._jobs, jobs)
        order = np.lexsort((self._jobs.lengths[jobs[job]], self.rows.request[chosen]))
        for start in range(0, len(order), PAIRS_AT_ONCE):
            batch = order[start : start + PAIRS_AT_ONCE]
            texts, request = np.unique(self.rows.request[chosen[batch]], return_inverse=True)
            requests = model.encode_prefix(*self._requests.batch(texts), self._first)
            states, mask = self._job_states(jobs[job[batch]])
            match = to_device(self.rows.match[chosen[batch]], device_of(model))
            asked = to_device(request, device_of(model))
            beside = self.beside(chosen[batch])
            logits = model.score(requests, states, mask, vectors[job[batch]], asked, match, beside)
            yield chosen[batch], model.answers(logits)

    def vectors(self, requests: np.ndarray, jobs: np.ndarray) -> tuple[Tensor, Tensor]:
        """Unit vectors (m, H) float32 of requests and of jobs by number, each text read by itself."""
        return self._vectors(self._requests, requests), self._vectors(self._jobs, jobs)

    def _vectors(self, texts: TextStates, chosen: np.ndarray) -> Tensor:
        model = self.model
        vectors = torch.empty(len(chosen), model.backbone.hidden, device=device_of(model))
        for batch in by_length(texts.lengths[chosen], BATCH_TOKENS):
            states, mask = texts.batch(chosen[batch])
            states = model.backbone.run(states, mask, self._first, model.split)
            vectors[batch] = model.encode_item(states, mask).float()
        return vectors

    def _job_states(self, jobs: np.ndarray) -> tuple[Tensor, Tensor]:
        states, mask = self._jobs.batch(jobs)
        return self.model.backbone.run(states, mask, self._first, self.model.split), mask


class FullTextPairs:
    """The pairs for a full-text teacher, which reads every pair by itself."""

    def __init__(self, rows: Rows, model: FullText, folder: Path, config: TeacherConfig) -> None:
        self.rows, self.model = rows, model
        lengths = config.max_request_tokens, config.max_job_tokens
        self._match = rows.match if config.match else np.zeros_like(rows.match)
        self._texts = PromptTexts(
            folder, rows.requests, rows.jobs, lengths, model.frame, model.longest, with_match=bool(self._match.any())
        )

    def logits(self, chosen: np.ndarray) -> Tensor:
        texts = self._texts.batch(self.rows.request[chosen], self.rows.job[chosen], self._match[chosen])
        return self.model(*(part.to(device_of(self.model)) for part in texts))

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """As `TeacherPairs.scores`, in batches of pairs of similar length, to pad little."""
        texts = self._texts
        lengths = texts.request_lengths[self.rows.request[chosen]] + texts.job_lengths[self.rows.job[chosen]]
        for batch in by_length(lengths, BATCH_TOKENS):
            yield chosen[batch], self.model.answers(self.logits(chosen[batch]))


def read_pairs(rows: Rows, model: TeacherModel, folder: Path, config: TeacherConfig, frozen: int) -> TeacherPairs:
    """The pairs for a model of either kind.

    Args:
        rows: The pairs.
        model: Scores them.
        folder: With its tokenizer.
        config: The teacher's knobs.
        frozen: Number of lowest layers that are not trained.

    Returns:
        The pairs with the model.
    """
    if isinstance(model, CrossEncoder):
        return JointPairs(rows, model, folder, config, frozen)
    assert isinstance(model, FullText)
    return FullTextPairs(rows, model, folder, config)
