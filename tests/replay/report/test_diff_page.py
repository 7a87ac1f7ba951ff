"""The page of a comparison: one file that says the sentence, opens anywhere, and escapes what people typed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from replay.clustered import Mean
from replay.diff.results import Diff, Estimated, Example, Gate, Group, Line, Parity, Placed, Slice, Suppressed, Value
from replay.report.diff_page import render, write_diff


def mean(value: float, half: float | None = 0.02, requests: int = 120, members: int = 80) -> Mean:
    ends = (None, None) if half is None else (value - half, value + half)
    return Mean(value=value, low=ends[0], high=ends[1], error=half, requests=requests, members=members)


@pytest.fixture
def diff() -> Diff:
    histories = ("no action before", "1 to 4 actions", "20 actions or more")
    slices = [
        Slice(kind="history", name=name, first=0.3, second=0.4, difference=mean(0.1), p=0.01, said="better")
        for name in histories
    ]
    slices.append(
        Slice(kind="query", name="2 words", first=0.4, second=0.3, difference=mean(-0.1), p=0.01, said="worse")
    )
    trusted = Estimated(value=0.2, low=0.1, high=0.3, verdict="trust", reasons=(), effective=900)
    refused = Estimated(value=None, low=None, high=None, verdict="do not use", reasons=("no chance",), effective=0)
    lines = [
        Line(
            measure="nDCG@10",
            first=mean(0.3),
            second=mean(0.4),
            difference=mean(0.1),
            ceiling=mean(1),
            baseline=mean(0.1),
        )
    ]
    lines.append(Line(measure="poor_fits@10", first=mean(0.3), second=mean(0.2), difference=mean(-0.1)))
    lines.append(Line(measure="age@10", first=mean(9), second=mean(4), difference=mean(-5, None, 3, 1)))
    jobs = (Placed(title="Ward <b>nurse</b>", company="Acme", chosen=2, why=("close to your work",)),)
    return Diff(
        first="served-a",
        second="served-b",
        first_is="bundle a",
        second_is="bundle b",
        sentence="served-b is better than served-a.",
        said="better",
        measure="nDCG@10",
        requests=120,
        left_out=3,
        learned_from=7,
        rank_only=False,
        simulated=True,
        graded_by="judge rubric",
        set_apart={"sent twice": 4},
        least_members=20,
        level=0.95,
        lines=tuple(lines),
        slices=tuple(slices),
        suppressed=(Suppressed(kind="region", slices=2, requests=9),),
        gain=0.01,
        needed=5_400,
        values=tuple(
            Value(
                estimator=name,
                assumes="x",
                reward="view",
                places=1,
                requests=120,
                first=trusted,
                second=trusted,
                difference=of,
                needed=10,
            )
            for name, of in (("ips", trusted), ("snips", refused))
        ),
        no_value="",
        parity=Parity(
            what="the rate",
            groups=(
                Group(
                    name="x",
                    requests=30,
                    members=30,
                    first=0.2,
                    second=0.3,
                    first_ratio=(1.0, None, None),
                    second_ratio=(0.7, 0.6, 0.8),
                ),
            ),
            suppressed=1,
        ),
        examples=(
            Example(
                request_id="r1",
                query='nurse "<script>x()</script>"',
                about={"surface": "search"},
                first=0.9,
                second=0.1,
                chosen=("Ward nurse",),
                first_jobs=jobs,
                second_jobs=(),
            ),
        ),
        gate=Gate(measure="nDCG@10", worst=-0.01, confidence=0.95, slices=5, says="worse", worse=("query 2 words",)),
    )


def test_the_page_says_it_all_and_asks_for_nothing_from_elsewhere(diff: Diff) -> None:
    page = render(diff)
    for words in (
        diff.sentence,
        "Gate failed: query 2 words",
        "5,400",
        "Not held out",
        "Simulated market",
        "sent twice",
    ):
        assert words in page
    assert "one member: no interval" in page and "refused" in page and "do not use" in page
    assert "the second brings more" in page and "no legal advice" in page
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)


def test_what_people_typed_is_text_and_no_markup(diff: Diff) -> None:
    page = render(diff)
    assert "<script>x()" not in page and "&lt;script&gt;" in page and "<b>nurse" not in page


def test_fewer_poor_fits_are_shown_as_better_and_age_as_neither(diff: Diff) -> None:
    rows = {re.sub("<.*?>", "", row.split("</th>")[0]): row for row in render(diff).split("<tr")}
    assert 'class="up"' in next(row for row in rows.values() if "poor_fits@10<small>" in row)
    aged = next(row for row in rows.values() if "age@10<small>" in row)
    assert 'class="up"' not in aged and 'class="down"' not in aged


def test_the_json_beside_the_page_is_the_comparison(diff: Diff, tmp_path: Path) -> None:
    page = write_diff(tmp_path, diff)
    assert page.read_text("utf-8") == render(diff)
    assert Diff.model_validate(json.loads((tmp_path / "diff.json").read_text("utf-8"))) == diff


def test_a_comparison_of_next_to_nothing_has_a_page(diff: Diff) -> None:
    bare: dict[str, Any] = {"slices": (), "suppressed": (), "values": (), "examples": (), "parity": None, "gate": None}
    page = render(diff.model_copy(update=bare | {"needed": None, "no_value": "no shown job has a propensity"}))
    assert "No slice has 20 members" in page and "no shown job has a propensity" in page and "not known" in page


def test_a_phone_shows_the_page_without_scrolling_sideways(diff: Diff, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    page_file = write_diff(tmp_path, diff)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        problems: list[str] = []
        for width in (375, 1_400):
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.on("console", lambda message: problems.append(message.text))
            page.goto(page_file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("figure svg").count() >= 4
        browser.close()
    assert not problems
