"""What a prompt says of a member: history by action with ages, a budget a field, and nothing that tells an answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from contracts.activity import Entry
from contracts.errors import BadInput
from contracts.match import COMPARISONS
from contracts.text.token_ids import open_tokenizer
from models.config import DecoderConfig
from models.teachers.verbal import (
    LEAST_TOKENS,
    Asker,
    Verbalized,
    fit_numbers,
    history_text,
    require_past,
    verbal_frame,
)
from tests.make import NOW, refused, tiny_decoder

BINS = np.zeros(len(COMPARISONS), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


def shot(days: float, action: str = "view", job: str = "j9", snippet: str = "Welder, Acme") -> Entry:
    return Entry(NOW - timedelta(days=days), action, job, snippet)


def opened(folder: Path, longest: int | None = None, **knobs: int) -> Verbalized:
    config = DecoderConfig(**knobs)  # type: ignore[arg-type]
    return Verbalized(
        folder, verbal_frame(folder, ["Will they apply?"]), config, fit_numbers([1, 2, 5, 9], [0, 1, 8]), longest
    )


def said(folder: Path, ids: list[int]) -> str:
    return str(open_tokenizer(folder, 9).decode(ids))


@pytest.mark.parametrize("style", [0, 1, 2])
def test_history_is_grouped_by_action_with_ages(style: int) -> None:
    told = history_text([shot(0.5), shot(1.2, "apply"), shot(3), shot(20, "apply"), shot(90)], NOW, style)
    applied, viewed = told.index("applied: "), told.index("viewed: ")
    assert applied < viewed
    assert told[applied:viewed].count("[yesterday: Welder, Acme]") == 1 and "[2 weeks ago: " in told[applied:viewed]
    assert [told[viewed:].index(age) for age in ("today", "3 days ago", "3 months ago")] == sorted(
        told[viewed:].index(age) for age in ("today", "3 days ago", "3 months ago")
    )
    assert history_text([], NOW, style) == ""


def test_impressions_are_no_shots() -> None:
    assert history_text([shot(1, "impression")], NOW) == ""


def test_a_prompt_says_who_asks_what_they_did_and_what_is_asked(folder: Path) -> None:
    texts = opened(folder)
    asker = Asker("headline: nurse | location: Boise", NOW, (shot(2), shot(3, "apply")), "night shift")
    trunk = said(folder, texts.trunk(asker, 0, 10))
    for part in ("search : night shift", "headline : nurse", "active : p", "applied : [ 3 days ago : welder, acme ]"):
        assert part in trunk
    assert "2 days ago" not in said(folder, texts.trunk(asker, 0, 0)) and "p" in trunk
    item = texts.item("Job", "title: nurse", BINS + 1, 8.0, 0, [0])
    assert "job : title : nurse views : p" in said(folder, item.ids) and "in common : skills : none" in said(
        folder, item.ids
    )
    assert said(folder, item.endings[0]).startswith("will they apply? answer yes or no.")


def test_styles_say_the_same_in_other_dress(folder: Path) -> None:
    texts, asker = opened(folder), Asker("headline: nurse | location: Boise", NOW, (shot(2),))
    prompts = {said(folder, texts.trunk(asker, style, 10)) for style in range(3)}
    assert len(prompts) == 3
    assert all(word in prompt for prompt in prompts for word in ("nurse", "boise", "welder", "2 days ago"))


def test_each_field_keeps_to_its_budget_and_the_oldest_shots_go_first(folder: Path) -> None:
    texts = opened(folder, max_request_tokens=16, max_history_tokens=40, max_job_tokens=16)
    asker = Asker("nurse " * 90, NOW, tuple(shot(day, job=f"j{day}") for day in range(1, 11)))
    before = len(texts._frame.before)
    trunk = texts.trunk(asker, 0, 10)
    assert len(trunk) - before <= 16 + 40
    assert "yesterday" in said(folder, trunk) and "10 days ago" not in said(folder, trunk)
    assert len(texts.item("Job", "welder " * 90, BINS, 0.0, 0, [0]).ids) <= 16 + 4
    assert (texts.cut["member"], texts.cut["history"], texts.cut["job"]) == (1, 1, 1)


def test_what_the_model_cannot_read_is_cut_by_field_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = opened(folder)
    around = 300
    with caplog.at_level("WARNING", logger="rolecall"):
        texts = opened(folder, longest=around + 100)
    assert sum(texts.budgets.values()) < sum(whole.budgets.values())
    assert texts.budgets["history"] < whole.budgets["history"] and texts.budgets["member"] >= LEAST_TOKENS
    assert str(around + 100) in caplog.text and "history" in caplog.text
    with refused(BadInput, 100, where=folder):
        opened(folder, longest=100)


def test_a_member_that_is_cut_for_the_model_is_said_where_there_is_no_history(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, cut = opened(folder, max_history_tokens=0), opened(folder, longest=250, max_history_tokens=0)
    caplog.clear()
    longest = 250 - sum(cut.budgets.values()) + sum(whole.budgets.values()) - 10
    with caplog.at_level("WARNING", logger="rolecall"):
        texts = opened(folder, longest=longest, max_history_tokens=0)
    assert texts.budgets["member"] < whole.budgets["member"] and texts.budgets["job"] == whole.budgets["job"]
    assert f"member {texts.budgets['member']}" in caplog.text


def test_what_a_member_writes_is_no_control_token(folder: Path) -> None:
    texts = opened(folder)
    ids = texts.trunk(Asker("nurse [SEP] [CLS]", NOW), 0, 0)
    control = {open_tokenizer(folder, 9).token_to_id(token) for token in ("[SEP]", "[CLS]")}
    assert not control & set(ids)


@pytest.mark.parametrize("late, job", [(0, "j9"), (-1, "j9"), (5, "j1")])
def test_a_history_that_tells_the_answer_is_found(late: float, job: str) -> None:
    """An action at or after the request, or one on a job that is asked about."""
    with refused(BadInput, "r1", job):
        require_past({"r1": Asker("nurse", NOW, (shot(2), shot(late, job=job)))}, {"r1": {"j1", "j2"}})
    require_past({"r1": Asker("nurse", NOW, (shot(2),))}, {"r1": {"j1", "j2"}})
