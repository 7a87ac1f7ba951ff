"""What is kept of what an encoder learned: that which finds more for certain, else the encoder as it came."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from contracts.encoder import Side
from contracts.text.parts import KINDS, PartWeights
from models.config import HeadTraining
from models.encoder.choice import AS_IT_CAME, MEASURES, READINGS, choose, read_choice
from models.encoder.positives import Positives
from models.encoder.validation import Searches
from retrieval.encoder import TextEncoder
from tests.make import write_word_encoder

TRADES = [f"trade{i}" for i in range(30)]
NOISE = [f"noise{i}" for i in range(40)]
ABOUT = {"made_from": "these", "judged_by": "log"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    folder = write_word_encoder(
        tmp_path_factory.mktemp("e"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *TRADES, *NOISE], max_tokens=64, seed=0
    )
    return TextEncoder(folder, threads=1)


def noisy(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(NOISE, words).tolist())


def market(seed: int, requests: int, told_by_title: bool) -> Searches:
    """Requests for a trade among 600 jobs; jobs say their trade in the title, or nobody can tell which is wanted."""
    rng = np.random.default_rng(seed)
    trade = np.arange(600) % len(TRADES)
    jobs = [f"title: {TRADES[t]} | description: {noisy(rng, 40)} {i}" for i, t in enumerate(trade)]
    wanted = rng.integers(len(jobs), size=requests)
    asked = [TRADES[trade[job]] if told_by_title else noisy(rng, 1) for job in wanted]
    texts = [f"search: {title} | summary: {noisy(rng, 40)}" for title in asked]
    gains = [{int(job): 1.0} for job in wanted]
    return Searches(texts, jobs, gains, [[]] * requests, [f"m{i}" for i in range(requests)])


def pairs_of(searches: Searches) -> Positives:
    jobs = [searches.jobs[next(iter(gain))] for gain in searches.gains]
    return Positives.of(searches.requests, jobs, [1.0] * len(jobs), searches.askers, searches.jobs)


def test_reading_titles_is_kept_where_titles_tell(encoder: TextEncoder) -> None:
    choice, parts, head = choose(encoder, market(0, 150, True), None, None, HeadTraining(), ABOUT)
    assert parts.titles > 0 and head is None and choice.kept != AS_IT_CAME
    assert [one.name for one in choice.tried][: len(READINGS)] == list(READINGS)
    first, kept = choice.tried[0], next(one for one in choice.tried if one.name == choice.kept)
    assert kept.low > 0 and kept.found[MEASURES[0]] == pytest.approx(first.found[MEASURES[0]] + kept.gain, abs=1e-5)
    assert (first.gain, first.low, first.high) == (0, 0, 0) and choice.requests == 150


def test_the_encoder_stays_as_it_came_where_nothing_tells(encoder: TextEncoder) -> None:
    learn = ("the log", pairs_of(market(1, 300, False)))
    choice, parts, head = choose(encoder, market(0, 150, False), learn, None, HeadTraining(epochs=5), ABOUT)
    assert (choice.kept, parts, head) == (AS_IT_CAME, PartWeights(), None)
    assert choice.pairs == 300 and any(one.learned_from == "the log" for one in choice.tried)


class Faint:
    """Vectors that say the trade of a text faintly in their first numbers and noise in the others, as a whole alone."""

    def by_kind(self, texts: Sequence[str], weights: PartWeights, side: Side) -> np.ndarray:
        directions = np.zeros((len(texts), len(KINDS), 2 * len(TRADES)), np.float32)
        for row, text in enumerate(texts):
            name = next(word for word in re.findall(r"\w+", text) if word in TRADES)
            noise = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(len(TRADES))
            vector = np.concatenate([2.5 * np.eye(len(TRADES))[TRADES.index(name)], noise])
            directions[row, KINDS.index("whole")] = vector / np.linalg.norm(vector)
        return directions


def test_a_head_is_kept_under_the_reading_that_was_asked_for() -> None:
    learn = ("the log", pairs_of(market(1, 400, True)))
    config = HeadTraining(epochs=30, learning_rate=0.01)
    choice, parts, head = choose(Faint(), market(0, 150, True), learn, PartWeights(), config, ABOUT)
    assert parts == PartWeights() and head is not None and len(choice.tried) == 2
    assert choice.kept == f"{AS_IT_CAME}, learned from the log"


def test_a_reading_that_was_asked_for_stays_though_it_finds_less(encoder: TextEncoder) -> None:
    asked_for = PartWeights(whole=0, sentences=1)
    choice, parts, head = choose(encoder, market(0, 150, True), None, asked_for, HeadTraining(), ABOUT)
    assert (choice.kept, parts, head) == ("as configured", asked_for, None)


def test_a_choice_is_read_back_and_a_broken_one_is_made_anew(encoder: TextEncoder, tmp_path: Path) -> None:
    choice = choose(encoder, market(0, 60, True), None, PartWeights(), HeadTraining(), ABOUT).choice
    (tmp_path / "choice.json").write_text(choice.model_dump_json())
    assert read_choice(tmp_path / "choice.json") == choice
    assert read_choice(tmp_path / "absent.json") is None
    (tmp_path / "choice.json").write_text("{")
    assert read_choice(tmp_path / "choice.json") is None
