"""The last phase of training: the scorer learns the judge's grades on lists as retrieval serves them.

Lists of random jobs are easy, and a student that orders them as its teacher does may still be lost among the candidates
of a request, which are all close to it. The encoders stay as they are, so each text is read once. What the student says
of other tasks is held at what it said before (self-distillation, Li and Hoiem 2016, arXiv 1606.09282).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models.config import StudentConfig
from models.student.student import PrefixStates, Student
from models.student.texts import StudentTexts
from models.training.device import autocast, device_of, to_device
from models.training.lists import served_lists
from models.training.loop import Hyper, ListBatch, fit
from models.training.losses import served_loss
from models.training.metrics import mean_spearman
from models.training.rows import by_length
from models.training.states import BATCH_TOKENS


class ServedLists:
    """The lists with graded served candidates, as what enters the scorer: prefix states and item tokens, in float16."""

    def __init__(self, student: Student, texts: StudentTexts) -> None:
        self.rows, rows = texts.rows, texts.rows
        self._lists = {split: served_lists(rows, split) for split in ("train", "valid")}
        lists = [of_list for of_split in self._lists.values() for of_list in of_split]
        chosen = np.concatenate(lists) if lists else np.zeros(0, np.int64)
        with torch.no_grad(), autocast(device_of(student)):
            self._prefixes = {int(r): _prefix_states(student, texts, r) for r in np.unique(rows.request[chosen])}
            self._jobs = np.unique(rows.job[chosen])
            self._items = _item_tokens(student, texts, self._jobs)

    def of(self, split: str) -> list[np.ndarray]:
        """Row numbers of each list of a split, train or valid: all its graded pairs."""
        return self._lists[split]

    def logits(self, student: Student, of_list: np.ndarray) -> Tensor:
        """Logits (n, tasks) of row numbers of one of the lists."""
        device = device_of(student)
        states = self._prefixes[int(self.rows.request[of_list[0]])]
        entering = [hidden.to(device).float() for hidden in states.entering]
        prefix = student.prefix_of(PrefixStates(entering, states.vector.to(device).float()))
        items = self._items[np.searchsorted(self._jobs, self.rows.job[of_list])].to(device).float()
        match = to_device(self.rows.match[of_list], device)
        return student.score(prefix, None, items[None], match[None])[0]

    def scores(self, student: Student, split: str) -> np.ndarray:
        """Logits (rows, tasks) float32 of the pairs in the lists of a split, NaN elsewhere."""
        logits = np.full((len(self.rows), len(student.head.tasks)), np.nan, np.float32)
        with torch.no_grad(), autocast(device_of(student)):
            for of_list in self.of(split):
                logits[of_list] = self.logits(student, of_list).float().cpu().numpy()
        return logits

    def agreement(self, student: Student, split: str) -> float:
        """Mean Spearman correlation of the student's relevance with the judge's grades within the lists of a split."""
        relevance = self.scores(student, split)[:, student.head.tasks.index("relevance")]
        return mean_spearman(relevance, self.rows.target("relevance"), self.of(split))


def learn_served(student: Student, lists: ServedLists, config: StudentConfig) -> None:
    """Train scoring layers, slots, match table and head of a student on the train lists; the head and the match table
    alone where `config.learn` is head."""
    parts: list[nn.Module | None] = [student.head, student.match]
    student.requires_grad_(False)
    if config.learn == "all":
        parts.append(student.score_layers)
        student.slots.requires_grad_(True)
    for part in parts:
        if part is not None:
            part.requires_grad_(True)
    device, tasks = device_of(student), student.head.tasks
    relevance = tasks.index("relevance")
    others = [column for column in range(len(tasks)) if column != relevance]
    grades, before = lists.rows.target("relevance"), lists.scores(student, "train")

    def loss(batch: ListBatch) -> Tensor:
        (of_list,) = batch.lists
        logits = lists.logits(student, of_list)
        held = (logits[:, others] - to_device(before[of_list][:, others], device)).square().mean(0).sum()
        return served_loss(logits[:, relevance], to_device(grades[of_list], device)) + held

    def batches(epoch: int) -> Iterator[ListBatch]:
        rng = np.random.default_rng((config.seed, epoch))
        for i in rng.permutation(len(lists.of("train"))):
            yield ListBatch(lists.rows, [rng.permutation(lists.of("train")[i])[: config.served_list_size]], epoch)

    steps = config.served_epochs * len(lists.of("train"))
    hyper = Hyper(config.served_epochs, steps, config.served_rate, config.served_rate)
    fit("student, served lists", student, loss, batches, hyper)


def _prefix_states(student: Student, texts: StudentTexts, request: int) -> PrefixStates:
    states = student.prefix_states(*texts.requests.batch(np.array([request])), texts.requests.layers)
    return PrefixStates([hidden.half().cpu() for hidden in states.entering], states.vector.cpu())


def _item_tokens(student: Student, texts: StudentTexts, jobs: np.ndarray) -> Tensor:
    """(len(jobs), T, H) float16."""
    tokens = torch.zeros(len(jobs), student.item_tokens, student.hidden, dtype=torch.float16)
    for chosen in by_length(texts.jobs.lengths[jobs], BATCH_TOKENS):
        tokens[chosen] = student.encode_items(*texts.jobs.batch(jobs[chosen]), texts.jobs.layers).half().cpu()
    return tokens
