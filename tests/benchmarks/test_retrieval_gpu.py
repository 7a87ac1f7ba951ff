"""The GPU benchmark at a toy size, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import retrieval_gpu
from benchmarks.retrieval_gpu import PLAIN, Scale, plain, searches, upserts
from benchmarks.retrieval_turns import OURS, drawn
from retrieval.engines.exact import ExactEngine
from retrieval.engines.hits import Hits
from retrieval.engines.vectors import encode

TOY = Scale(600, 8, 20, (1, 2), 1, 0.1)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_gpu, "SHARES", (1.0, 0.1))
    monkeypatch.setattr(retrieval_gpu, "RATES", (0, 1_000))


def test_both_systems_are_measured_in_every_case() -> None:
    vectors, queries = drawn(TOY.jobs, TOY.dim, 2)
    rows = searches(encode(vectors, "float16"), queries, TOY, "cpu")
    cases = {(row["case"], row["system"]) for row in rows if row["metric"] == "ms"}
    assert len(cases) == 8 and {system for _, system in cases} == {OURS, PLAIN}


def test_an_answer_that_depends_on_the_device_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = drawn(TOY.jobs, TOY.dim, 2)
    search = ExactEngine.search

    def off(engine: ExactEngine, *asked: object) -> list[Hits]:
        found = search(engine, *asked)  # type: ignore[arg-type]
        return found if type(engine) is ExactEngine else [Hits(hits.rows[::-1], hits.scores) for hits in found]

    monkeypatch.setattr(ExactEngine, "search", off)
    with pytest.raises(ValueError, match="100% pass: another answer"):
        searches(encode(vectors, "float16"), queries, TOY, "cpu")


def test_jobs_are_upserted_meanwhile_and_the_answers_stay() -> None:
    vectors, queries = drawn(TOY.jobs, TOY.dim, 2)
    rows = upserts(vectors, queries, TOY, "cpu")
    assert [row["value"] for row in rows if row["metric"] == "recall"] == [1.0, 1.0]
    none, many = (row["value"] for row in rows if row["metric"] == "upserts_a_second")
    assert none == 0 < many


def test_a_writer_that_fails_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = drawn(TOY.jobs, TOY.dim, 2)
    monkeypatch.setattr(retrieval_gpu, "AT_ONCE", TOY.jobs + 1)
    with pytest.raises(ValueError, match="larger sample"):
        upserts(vectors, queries, TOY, "cpu")


def test_plain_pytorch_finds_what_passes() -> None:
    values = torch.eye(4, dtype=torch.float16)
    mask = np.array([True, False, True, True])
    assert plain(values, np.array([[1, 3, 2, 0.5]], np.float32), mask, 2).tolist() == [[2, 0]]
