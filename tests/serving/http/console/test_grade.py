"""Grading in the console: a recommendation is graded for whom it was made, and the grade stands in the golden set."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from policy.golden.grading import PICKED, read_graded
from policy.golden.pairs import read_pairs
from policy.golden.sheets import Mark
from serving.engine import Engine
from serving.http.console.forms import GRADER
from tests.serving.http.console.conftest import page, send

Room = tuple[Engine, httpx.Client]


def test_a_recommendation_is_graded_and_stands_in_the_golden_set(room: Room) -> None:
    engine, client = room
    member = engine.member("m00000001")
    api = client.post("/v1/recommend", json={"member_id": member.id, "k": 3}).json()["results"]
    job = engine.advert(api[1]["job_id"])
    form = f"/console/grade/new?tab=member&member={member.id}&job={job.id}"
    assert job.title in page(client.get(form)).replace("&amp;", "&")
    fields = {"tab": "member", "member": member.id, "job": job.id, "grader": "ann", "grade": "0", "note": "=no"}
    answer = send(client, form, "/console/grade/save", **fields, score_skills="1")
    [pair] = read_pairs(engine.workspace.graded / PICKED)
    assert (pair.member, pair.job, pair.query) == (member, job, "")
    assert read_graded(engine.workspace.graded / PICKED).marks == {"ann": {pair.pair_id: Mark(0, {"skills": 1}, "=no")}}
    assert pair.pair_id in page(answer)
    listed = page(client.get("/console/golden?set=picked"))
    assert f'id="{pair.pair_id}"' in listed and '<b class="grade g0"' in listed
    assert "'=no" in (engine.workspace.graded / PICKED / "sheet-ann.csv").read_text("utf-8-sig")


def test_a_profile_is_graded_too(room: Room) -> None:
    engine, client = room
    asked = {"tab": "profile", "headline": "Registered nurse", "skills": "Triage, ICU", "where": "Denver, CO"}
    job = client.post("/v1/search", json={"query": "nurse", "k": 1}).json()["results"][0]["job_id"]
    page(client.post("/console/grade/new", data=asked | {"job": job}))
    send(client, "/console/grade", "/console/grade/save", **asked, job=job, grader="ann", grade="3")
    [pair] = read_pairs(engine.workspace.graded / PICKED)
    assert pair.member is not None and pair.member.skills == ("Triage", "ICU")


def test_a_drawn_pair_is_graded_in_a_copy_of_the_set(room: Room) -> None:
    engine, client = room
    before = sorted(path.read_bytes() for path in engine.workspace.golden.iterdir())
    pair_id = read_pairs(engine.workspace.golden)[3].pair_id
    fields = {"set": "drawn", "pair": pair_id, "grader": "ann", "grade": "2"}
    answer = send(client, "/console/grade?set=drawn", "/console/grade/save", **fields)
    assert read_graded(engine.workspace.graded).marks["ann"] == {pair_id: Mark(2)}
    assert sorted(path.read_bytes() for path in engine.workspace.golden.iterdir()) == before
    assert f"1 of {len(read_pairs(engine.workspace.golden))} drawn pairs graded by ann" in page(answer)


def test_the_next_pair_is_another_one_and_a_skipped_one_does_not_come_back_at_once(room: Room) -> None:
    _, client = room
    current = re.compile(r'name="pair" value="([^"]+)"')
    first = current.search(page(client.get("/console/grade?set=drawn")))[1]
    second = current.search(page(client.get(f"/console/grade?set=drawn&skip={first}")))[1]
    third = current.search(page(client.get(f"/console/grade?set=drawn&skip={first}&skip={second}")))[1]
    assert len({first, second, third}) == 3


def test_grades_of_others_are_hidden_until_one_has_graded(room: Room) -> None:
    _, client = room
    shown = re.compile(r'<b class="grade g\d"')
    assert not shown.search(page(client.get("/console/golden?set=drawn")))
    pair_id = re.search(r'<tr id="([^"]+)"', client.get("/console/golden?set=drawn").text)[1]
    fields = {"set": "drawn", "pair": pair_id, "grader": "ann", "grade": "2"}
    send(client, "/console/grade?set=drawn", "/console/grade/save", **fields)
    assert len(shown.findall(page(client.get("/console/golden?set=drawn")))) == 3  # theirs and both others'


def test_graders_at_once_lose_no_grade(room: Room) -> None:
    engine, client = room
    pairs = [pair.pair_id for pair in read_pairs(engine.workspace.golden)[:4]]

    def grade(one: tuple[str, str]) -> int:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            fields = {"set": "drawn", "pair": one[1], "grader": one[0], "grade": "1"}
            return send(own, "/console/grade?set=drawn", "/console/grade/save", **fields).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(grade, [(name, pair) for pair in pairs for name in ("ann", "bob")])) == {200}
    marks = read_graded(engine.workspace.graded).marks
    assert len(marks["ann"]) == len(marks["bob"]) == len(pairs)


@pytest.mark.parametrize(
    ("headers", "change"),
    [
        ({"Origin": "http://evil.example"}, {}),
        ({"Sec-Fetch-Site": "cross-site"}, {}),
        ({}, {"token": "guessed"}),
        ({}, {"token": ""}),
    ],
)
@pytest.mark.parametrize("path", ["/console/grade/save", "/console/rules/save"])
def test_a_form_of_another_page_writes_nothing(
    room: Room, path: str, headers: dict[str, str], change: dict[str, str]
) -> None:
    engine, client = room
    client.get("/console/grade")
    pair_id = read_pairs(engine.workspace.golden)[0].pair_id
    token = client.cookies["rolecall_token"]
    fields = {"token": token, "set": "drawn", "pair": pair_id, "grader": "ann", "grade": "1", "rules": "rules: []"}
    assert "was not sent by a page" in page(client.post(path, data=fields | change, headers=headers), 403)
    assert not engine.workspace.graded.exists() and not engine.workspace.rules.exists()
    client.post(
        path, data=fields, headers={"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    )
    assert engine.workspace.graded.exists() or engine.workspace.rules.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grade": "7"}, "7"),
        ({"grader": "../ann"}, "../ann"),
        ({"pair": "nobody"}, "nobody"),
        ({"score_pay": "x"}, "pay"),
    ],
)
def test_what_is_no_grade_is_said_and_not_written(room: Room, change: dict[str, str], said: str) -> None:
    engine, client = room
    pair_id = read_pairs(engine.workspace.golden)[0].pair_id
    fields = {"set": "drawn", "pair": pair_id, "grader": "ann", "grade": "1"} | change
    answer = send(client, "/console/grade?set=drawn", "/console/grade/save", **fields)
    assert said in page(answer, 422)
    assert "ann" not in read_graded(engine.workspace.graded or engine.workspace.golden).marks


def test_a_graders_name_is_kept_where_no_script_reads_it(room: Room) -> None:
    engine, client = room
    pair_id = read_pairs(engine.workspace.golden)[0].pair_id
    form = client.get("/console/grade?set=drawn")
    assert "HttpOnly" in form.headers["set-cookie"] and "SameSite=strict" in form.headers["set-cookie"]
    fields = {"set": "drawn", "pair": pair_id, "grader": "ann", "grade": "1"}
    send(client, "/console/grade?set=drawn", "/console/grade/save", **fields)
    assert client.cookies[GRADER] == "ann"


def test_agreement_is_of_both_graders_and_says_their_base_rates(reading: httpx.Client) -> None:
    text = page(reading.get("/console/agreement?set=drawn"))
    assert "Quadratic kappa" in text and "by chance" in text and "simulated-1" in text
    judged = page(reading.get("/console/agreement?set=drawn&first=simulated-1&second=rubric+judge"))
    assert '<option value="rubric judge" selected>' in judged
