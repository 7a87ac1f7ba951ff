"""The match on the request path: bins are computed for what is ranked, kept with the answer, and explained."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.match import COMPARISONS, SIZES
from serving.engine import Engine
from serving.schemas import SearchRequest


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bins that follow from the row of the job alone, some of them not known."""

    def bins(index, request, rows, titles, reader) -> np.ndarray:
        return np.stack([np.random.default_rng(int(row)).integers(0, SIZES) for row in rows]).astype(np.uint8)

    monkeypatch.setattr("ranking.rank.match_bins", bins)


def test_an_explanation_names_the_comparisons_of_the_job_with_their_words(engine: Engine, drawn: None) -> None:
    answer = engine.search(SearchRequest(query="nurse", k=5))
    job = answer.results[2].job_id
    explained = engine.explain(answer.request_id, job).explanation.match
    (row,) = engine.servable.index.rows([job])
    bins = np.random.default_rng(int(row)).integers(0, SIZES)
    expected = {c.name: f"{c.name}: {c.bins[bin - 1]}" for c, bin in zip(COMPARISONS, bins, strict=True) if bin}
    assert {effect.name: effect.words for effect in explained} == expected
    assert any(abs(effect.effect) > 1e-4 for effect in explained)
    sizes = [abs(effect.effect) for effect in explained]
    assert sizes == sorted(sizes, reverse=True)


def test_the_bins_move_the_scores(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = []
    for bin in (0, 1):

        def bins(index, request, rows, titles, reader, bin=bin) -> np.ndarray:
            return np.full((len(rows), len(SIZES)), bin, np.uint8)

        monkeypatch.setattr("ranking.rank.match_bins", bins)
        answer = engine.search(SearchRequest(query="nurse", k=5))
        assert not answer.degraded
        scores.append({result.job_id: result.score for result in answer.results})
    both = scores[0].keys() & scores[1].keys()
    assert both and any(scores[0][job] != scores[1][job] for job in both)


def test_without_an_encoder_the_other_comparisons_are_still_made(
    engine: Engine, drawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(texts: list[str]) -> np.ndarray:
        raise RuntimeError("no encoder")

    monkeypatch.setattr(engine.servable.encoder, "plain", broken)
    answer = engine.search(SearchRequest(query="nurse", k=3))
    assert answer.degraded == ("encoder",) and answer.results
    assert engine.explain(answer.request_id, answer.results[0].job_id).explanation.match


def test_an_answer_that_the_student_did_not_order_explains_no_match(
    engine: Engine, drawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.servable.scorer, "logits", lambda *_: 1 / 0)
    answer = engine.search(SearchRequest(query="nurse", k=3))
    assert answer.degraded == ("student",)
    assert engine.explain(answer.request_id, answer.results[0].job_id).explanation.match == ()
