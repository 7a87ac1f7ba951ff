"""The console in a real browser: keys, a newcomer's way, without a script, accessible, on a phone and in the dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from policy.golden.grading import PICKED, read_graded
from serving.engine import Engine
from serving.http.console.page import HERE, ROOMS
from tests.serving.http.console.conftest import send

Room = tuple[Engine, httpx.Client]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
DEMOTE = """rules:
  - name: no_word
    reason: wrong_occupation
    action: remove
    enabled: true
    surfaces: [search, recommendation]
    when: {title: {no_word_shared_but: []}}
    because: the title shares no word
"""


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page of a fresh context; whatever its console complains of fails the test."""
    context = browser.new_context(viewport=WIDE)
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_a_newcomer_grades_a_bad_recommendation_and_tries_a_rule_against_it(room: Room, tab: Any) -> None:
    engine, client = room
    base = str(client.base_url)
    tab.goto(f"{base}/console?tab=member")
    tab.get_by_label("The member's id").fill("m00000001")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("ol.jobs")
    tab.wait_for_load_state()
    tab.keyboard.press("Escape")
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    title = tab.locator(".step.at h3").inner_text()

    tab.keyboard.press("w")  # why is it here?
    tab.wait_for_selector("h1:has-text('Why it stood in place 2')")
    tab.wait_for_load_state()
    assert tab.get_by_role("link", name=title, exact=True).is_visible()

    tab.keyboard.press("m")  # grade it
    tab.wait_for_url("**/console/grade/new**")
    tab.get_by_label("Your name, as a grader").fill("ann")
    tab.keyboard.press("Escape")
    tab.keyboard.press("1")
    tab.get_by_role("status").get_by_role("link", name="golden set").click()
    tab.wait_for_selector("tr:target .g1")  # it stands in the golden set
    [(grader, marks)] = read_graded(engine.workspace.graded / PICKED).marks.items()
    assert grader == "ann" and [mark.grade for mark in marks.values()] == [1]

    tab.goto(f"{base}/console?tab=member&member=m00000001")
    tab.get_by_role("button", name="Try rules on it").click()
    tab.get_by_label("Rules, as YAML").fill(DEMOTE)
    tab.get_by_role("button", name="Try them").click()
    tab.wait_for_selector("#trial-title")
    tab.goto(f"{base}/console?tab=member&member=m00000001")
    tab.get_by_role("button", name="Compare").click()
    tab.get_by_label("No rules").check()
    tab.get_by_role("button", name="Compare").click()
    tab.wait_for_selector("#side-2:has-text('No rules')")


def test_keys_lead_through_the_rooms_and_are_told(reading: httpx.Client, tab: Any) -> None:
    base = str(reading.base_url)
    tab.goto(f"{base}/console/health")
    tab.keyboard.press("?")
    assert tab.locator("dialog[open]").is_visible()
    tab.keyboard.press("Escape")
    assert not tab.locator("dialog").is_visible()
    for name, address, heading, key in ROOMS:
        tab.keyboard.press("g")
        tab.keyboard.press(key)
        tab.wait_for_url(re.compile(re.escape(f"{base}{address}") + r"$"))
        assert tab.locator(".rooms a[aria-current]").inner_text() == heading, name
        tab.keyboard.press("Escape")  # out of a field that has the focus
    tab.goto(f"{base}/console/compare")
    tab.keyboard.press("/")
    tab.keyboard.type("g h 4 ?")
    assert tab.get_by_label("What are you looking for?").input_value().endswith("g h 4 ?")


def test_everything_works_without_a_script(room: Room, browser: Any) -> None:
    engine, client = room
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{client.base_url}/console")
    page.get_by_label("What are you looking for?").fill("nurse")
    page.get_by_role("button", name="Search").click()
    page.locator("ol.jobs button[name=job]").first.click()
    page.get_by_label("Your name, as a grader").fill("bob")
    page.locator("button[name=grade][value='3']").click()
    assert page.get_by_role("status").is_visible()
    marks = read_graded(engine.workspace.graded / PICKED).marks
    assert [mark.grade for mark in marks["bob"].values()] == [3]
    context.close()


@pytest.mark.parametrize("viewport", [WIDE, PHONE])
def test_pages_are_accessible_and_fit_the_screen(reading: httpx.Client, browser: Any, viewport: dict[str, int]) -> None:
    """By day all rules; by night, where the colours alone differ, their contrast."""
    from axe_playwright_python.sync_playwright import Axe

    base, axe = str(reading.base_url), Axe()
    tried = reading.get("/console?tab=member&member=m00000001").text
    job = re.search(r'name="job" value="([^"]+)"', tried)[1]
    why = re.search(r'href="(/console/why/[^"]+)"', tried)[1]
    asked = "tab=member&member=m00000001"
    paths = [address for _, address, _, _ in ROOMS] + [
        f"/console?{asked}",
        "/console?tab=profile",
        "/console?q=manager+engineer+nurse+developer+senior",
        "/console?q=nurse&narrow=employment%3Afull_time",
        "/console/agreement/settle",
        f"/console/compare?{asked}&side=rules:none&side=policy:0&side=nothing",
        f"/console/rules?{asked}",
        f"/console/grade/new?{asked}&job={job}",
        f"/console/jobs/{job}",
        why,
        "/console/jobs/none",
        "/console/quarantine?table=events&reason=bad_json",
    ]
    context = browser.new_context(viewport=viewport, color_scheme="light")
    page = context.new_page()
    problems: list[object] = []
    for path in paths:
        page.goto(f"{base}{path}")
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        problems += [(path, one["id"], one["nodes"][0]["html"][:200]) for one in found]
        page.emulate_media(color_scheme="dark")
        page.reload()  # a change of colours takes its time
        options = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}}
        found = axe.run(page, options=options).response["violations"]
        problems += [(path, "dark", one["id"], one["nodes"][0]["html"][:200]) for one in found]
        page.emulate_media(color_scheme="light")
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        problems += [(path, "wider than the screen", wider)] if wider > 0 else []
    context.close()
    assert problems == []


def test_a_form_that_was_sent_is_not_sent_twice(room: Room, tab: Any) -> None:
    engine, client = room
    tab.goto(f"{client.base_url}/console/grade?set=drawn")
    pair = tab.locator("input[name=pair]").input_value()
    tab.get_by_label("Your name, as a grader").fill("ann")
    tab.locator("button[name=grade][value='2']").dblclick(no_wait_after=True)
    tab.wait_for_selector("[role=status]")
    assert set(read_graded(engine.workspace.graded).marks["ann"]) == {pair}


def test_a_hostile_page_cannot_grade(room: Room, browser: Any, tmp_path: Path) -> None:
    engine, client = room
    send(client, "/console/grade", "/console/grade/save", grader="x", grade="9")  # the folder is there from now on
    evil = tmp_path / "evil.html"
    evil.write_text(
        f'<form method="post" action="{client.base_url}/console/grade/save"><input name="grader" value="eve">'
        '<input name="grade" value="0"><input name="tab" value="search"><input name="q" value="nurse">'
        '<input name="token" value="x"></form><script>document.forms[0].submit()</script>'
    )
    page = browser.new_context().new_page()
    page.goto(f"{client.base_url}/console/grade")  # a reader who has the cookie
    page.goto(evil.as_uri())
    page.wait_for_selector("text=This page cannot be shown")
    assert not (engine.workspace.graded / PICKED).exists()
    page.context.close()


def test_the_script_is_short_and_of_our_own() -> None:
    script = (HERE / "console.js").read_text("utf-8")
    assert len(script.splitlines()) <= 300
    assert not re.search(r"eval|innerHTML|document\.write|https?://", script)
