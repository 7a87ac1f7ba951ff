"""The training set as the student reads it: lists of pairs, each text read once up to the layers that learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contracts.text.token_ids import open_tokenizer, token_ids
from models.config import Arithmetic, StudentConfig
from models.layers.backbone import mask_bias
from models.student.student import Prefix, Student
from models.training.device import to_device
from models.training.lists import padded
from models.training.losses import alignment_loss
from models.training.rows import Rows
from models.training.states import TextStates


class StudentTexts:
    """Requests and jobs of a training set, as the states that enter the student's first trained layers."""

    def __init__(
        self,
        rows: Rows,
        student: Student,
        folder: Path,
        config: StudentConfig,
        frozen: tuple[int, int],
        precision: Arithmetic = "auto",
    ) -> None:
        """folder: where the tokenizer lies; frozen: fixed layers of the prefix and of the item encoder; precision: of
        the products in them."""
        self.rows = rows
        self.requests, self.jobs = (
            TextStates(
                backbone, token_ids(open_tokenizer(folder, longest), texts), layers, config.memory_mb // 2, precision
            )
            for backbone, texts, longest, layers in (
                (student.prefix, rows.requests, config.max_prefix_tokens, frozen[0]),
                (student.item, rows.jobs, config.max_item_tokens, frozen[1]),
            )
        )

    def logits(self, student: Student, of_list: np.ndarray) -> Tensor:
        """Logits (n, tasks) of row numbers that share one request."""
        return self.read(student, [of_list]).logits[0]

    def unpadded(self, student: Student, of_list: np.ndarray) -> Tensor:
        """As `logits`, with each text read by itself: what goes through the layers are tokens alone."""
        asked, mask = self.requests.batch(self.rows.request[of_list[:1]])
        prefix = student.encode_prefix(asked, mask, self.requests.layers)
        jobs = (self.jobs.batch(self.rows.job[row, None]) for row in of_list)
        items = torch.cat([student.encode_items(*job, self.jobs.layers) for job in jobs])
        match = to_device(self.rows.match[of_list], items.device)
        return student.score(prefix, None, items[None], match[None])[0]

    def prefix(self, student: Student, lists: Sequence[np.ndarray]) -> tuple[Prefix, Tensor]:
        """The prefix of the request of each list, and its attention bias (b, 1, 1, len)."""
        asked, mask = self.requests.batch(np.array([self.rows.request[of_list[0]] for of_list in lists]))
        return student.encode_prefix(asked, mask, self.requests.layers), mask_bias(mask, asked.dtype)

    def read(self, student: Student, lists: Sequence[np.ndarray]) -> ReadLists:
        """Lists of row numbers, padded to the longest; the rows of a list share one request."""
        rows = self.rows
        prefix, bias = self.prefix(student, lists)
        distinct, which = np.unique(np.concatenate([rows.job[of_list] for of_list in lists]), return_inverse=True)
        hidden, job_mask = self.jobs.batch(distinct)
        hidden = student.item.run(hidden, job_mask, self.jobs.layers)
        packed = to_device(padded(which, lists, 0), hidden.device)
        match = to_device(padded(rows.match[np.concatenate(lists)], lists, 0), hidden.device)
        logits, states = student.read_items(prefix, bias, student.compress(hidden, job_mask)[packed], match)
        return ReadLists(logits, states, prefix, bias, hidden, job_mask, packed, match, min(map(len, lists)))


class ReadLists(NamedTuple):
    """b lists of at most n jobs as the student read them.

    logits: (b, n, tasks); states: (b, n, H); hidden, mask: (jobs, len, H), (jobs, len) of the distinct jobs; packed:
    (b, n) which of them; match: (b, n, C) uint8 bins; shortest: pairs of the shortest list.
    """

    logits: Tensor
    states: Tensor
    prefix: Prefix
    bias: Tensor
    hidden: Tensor
    mask: Tensor
    packed: Tensor
    match: Tensor
    shortest: int

    def lost(self, student: Student, pairs: int) -> Tensor:
        """The alignment loss of the first `pairs` pairs of each list."""
        short = min(pairs, self.shortest)
        request = torch.arange(len(self.packed), device=self.packed.device).repeat_interleave(short)
        job = self.packed[:, :short].flatten()
        match = self.match[:, :short].flatten(0, 1)
        logits, states = student.read_text(self.prefix, self.bias, request, self.hidden[job], self.mask[job], match)
        item_logits, item_states = (own[:, :short].flatten(0, 1) for own in (self.logits, self.states))
        return alignment_loss(item_logits, logits, item_states, states)
