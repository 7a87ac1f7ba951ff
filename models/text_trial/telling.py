"""Words whose sentences move a teacher: what of a job's description is worth the first tokens that a model reads.

A sentence is left out of a description and the teacher scores the pair again: how far the logit moves is the weight of
the sentence (leave-one-out, Li, Monroe and Jurafsky 2016, arXiv 1612.08220). A word's weight is the mean of its
sentences', shrunk towards that of all sentences, so that the choice of sentences is a pure function of the text, which
a request makes as a batch does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from contracts.errors import NothingToLearn
from contracts.text.sentences import sentences
from contracts.text.words import words
from models.teachers.cross_encoder import CrossEncoder
from models.teachers.fit_text import open_teacher, score_pairs
from models.teachers.pairs import read_pairs
from models.text_trial.retell import Origins
from models.training.rows import Rows

PAIRS = 300
MOST_SENTENCES = 12
MOST_JOB_TOKENS = 256
SHRINK = 5
"""Sentences of the mean weight that a word counts beside its own."""
LEAST_SENTENCES = 3
"""Of a word that gets a weight."""
MOST_WORDS = 500


def telling_words(teacher: Path, rows: Rows, origins: Origins, pairs: int = PAIRS, seed: int = 0) -> dict[str, float]:
    """Word -> how far the sentences that have it move the teacher's first logit, less the mean of all sentences.

    Args:
        teacher: Folder of a trained text teacher.
        rows: The training set; pairs of its training split are read.
        origins: Of the same rows.
        pairs: Pairs at most, drawn by seed.
        seed: Of the draw.

    Raises:
        NothingToLearn: No drawn description has two sentences.
    """
    drawn = np.random.default_rng(seed).permutation(rows.of_splits("train"))
    told = [(row, cut) for row in drawn if len(cut := sentences(origins.jobs[rows.job[row]].description)) > 1][:pairs]
    if not told:
        raise NothingToLearn("no job of the training set is described in two sentences", cure="leave it out")
    pairs_of, texts, left_out = [], [], []
    for row, cut in told:
        job = origins.jobs[rows.job[row]]
        for missing in range(-1, min(len(cut), MOST_SENTENCES)):  # first the whole description
            rest = " ".join(cut[:missing] + cut[missing + 1 :]) if missing >= 0 else job.description
            texts.append(origins.verbalizer.job(job.model_copy(update={"description": rest})))
            pairs_of.append(row)
            left_out.append(cut[missing] if missing >= 0 else "")
    logits = _logits(teacher, rows, np.array(pairs_of), texts)
    whole = logits[np.maximum.accumulate(np.where(np.array(left_out) == "", np.arange(len(texts)), 0))]
    return _weights([said for said in left_out if said], np.abs(whole - logits)[np.array(left_out) != ""])


def _logits(teacher: Path, rows: Rows, pairs_of: np.ndarray, texts: list[str]) -> np.ndarray:
    """(n,) first logits of the pairs with these row numbers (n,) and these job texts."""
    model, config = open_teacher(teacher)
    if isinstance(model, CrossEncoder):  # it reads on where training stopped, to weigh later sentences too
        config = config.model_copy(update={"max_job_tokens": min(MOST_JOB_TOKENS, model.backbone.longest)})
    told = replace(rows.only(pairs_of), jobs=texts, job=np.arange(len(texts)))
    pairs = read_pairs(told, model, teacher, config, len(model.layers()))
    return score_pairs(pairs, np.arange(len(told)), config.precision, "sentences")[:, 0]


def _weights(said: Sequence[str], moved: np.ndarray) -> dict[str, float]:
    of_word: dict[str, list[float]] = defaultdict(list)
    for sentence, effect in zip(said, moved - moved.mean(), strict=True):
        for word in set(words(sentence)):
            of_word[word].append(float(effect))
    weights = {
        word: round(sum(effects) / (len(effects) + SHRINK), 4)
        for word, effects in of_word.items()
        if len(effects) >= LEAST_SENTENCES
    }
    heaviest = sorted(weights, key=lambda word: (-abs(weights[word]), word))[:MOST_WORDS]
    return {word: weights[word] for word in sorted(heaviest) if weights[word]}
