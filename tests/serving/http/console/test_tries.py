"""The console's pages over a real service: what they show, what they never do."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.tables import read_table
from contracts.workspace import Workspace
from serving.engine import Engine
from serving.http.console import words
from serving.log_files import read_file
from tests.serving.http.console.conftest import page

RESULT = re.compile(r'<h3><a href="(/console/jobs/[^"]+)">(.*?)</a></h3>')
WHY = re.compile(r'href="(/console/why/[^"]+)"')


def test_the_front_page_leads_to_the_form(client: httpx.Client) -> None:
    answer = client.get("/", follow_redirects=True)
    assert answer.url.path == "/console"
    assert '<form method="get" action="/console"' in page(answer)


def test_a_search_shows_what_the_api_answers(client: httpx.Client) -> None:
    api = client.post("/v1/search", json={"query": "nurse", "k": 20}).json()["results"]
    shown = [html.unescape(title) for _, title in RESULT.findall(page(client.get("/console", params={"q": "nurse"})))]
    assert shown == [job["title"] for job in api]


def test_what_the_words_were_read_as_is_shown_and_taken_off(client: httpx.Client) -> None:
    text = page(client.get("/console", params={"q": "jobs over 990k"}))
    [chips] = re.findall(r'<ul class="chips".*?</ul>', text, re.DOTALL)
    [off] = re.findall(r'href="([^"]+)"', chips)
    without = page(client.get(html.unescape(off)))
    assert "take these words as typed" not in without and "Read all words again" in without
    assert 'value="jobs over 990k"' in without


def test_what_would_narrow_it_is_a_link_and_is_taken_away_again(client: httpx.Client) -> None:
    text = page(client.get("/console", params={"q": "manager engineer nurse developer"}))
    [more] = re.findall(r'<ul class="chips more">.*?</ul>', text, re.DOTALL)
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', more)]
    filters = [link for link in links if "narrow=" in link]
    assert filters and all("q=" in link for link in links)
    narrower = page(client.get(filters[0]))
    assert len(RESULT.findall(narrower)) > 0
    [off] = re.findall(
        r'<a href="([^"]+)">[^<]*<span aria-hidden="true"> ×</span><span class="unseen">: take', narrower
    )
    assert "narrow=" not in off
    assert RESULT.findall(page(client.get(html.unescape(off)))) == RESULT.findall(text)


def test_filters_of_the_form_are_filters(client: httpx.Client) -> None:
    text = page(client.get("/console", params={"q": "nurse", "workplace": "remote"}))
    body = {"query": "nurse", "k": 20, "filter": {"all": [{"attribute": "workplace", "any_of": ["remote"]}]}}
    assert len(RESULT.findall(text)) == len(client.post("/v1/search", json=body).json()["results"])
    assert '<option value="remote" selected>' in text


def test_a_profile_is_answered_from_the_body_of_a_post(client: httpx.Client) -> None:
    given_ = {"headline": "Registered nurse", "skills": "Triage, ICU", "where": "Denver, CO", "summary": ""}
    text = page(client.post("/console", data=given_))
    profile = {"headline": "Registered nurse", "skills": ["Triage", "ICU"], "location": "Denver, CO", "summary": ""}
    api = client.post("/v1/recommend", json={"profile": profile, "location": "Denver, CO", "k": 20}).json()["results"]
    assert [html.unescape(title) for _, title in RESULT.findall(text)] == [job["title"] for job in api]
    assert 'value="Registered nurse"' in text and 'value="Triage, ICU"' in text


def test_an_unknown_member_is_said_to_be_unknown(client: httpx.Client) -> None:
    text = page(client.get("/console", params={"tab": "member", "member": "nobody"}))
    assert "No member has this id" in text


def test_a_result_leads_to_its_advert_and_to_why(client: httpx.Client) -> None:
    text = page(client.get("/console", params={"q": "nurse"}))
    [(path, title), *_] = RESULT.findall(text)
    assert f"<h1>{title}</h1>" in page(client.get(path))
    assert "Why it stood in place 1" in page(client.get(WHY.findall(text)[0]))


def test_the_advert_is_whole(client: httpx.Client, market: Workspace) -> None:
    job_id = client.post("/v1/search", json={"query": "nurse", "k": 1}).json()["results"][0]["job_id"]
    rows = [row for row in read_table(market.records / "jobs").to_pylist() if row["id"] == job_id]
    newest = max(rows, key=lambda row: row["updated_at"])
    assert html.escape(newest["description"].splitlines()[0], quote=False) in page(
        client.get(f"/console/jobs/{job_id}")
    ).replace("&#39;", "'").replace("&#34;", '"')


@pytest.mark.parametrize("path", ["/console/jobs/none", "/console/why/none/none"])
def test_what_is_not_there_is_said(client: httpx.Client, path: str) -> None:
    assert "cannot be shown" in page(client.get(path), 404)


@pytest.mark.parametrize(
    "query", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "‮ nurse"]
)
def test_what_was_typed_is_text(client: httpx.Client, query: str) -> None:
    text = page(client.get("/console", params={"q": query}))
    assert html.escape(query).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


def test_a_query_that_is_too_long_is_said_and_kept(client: httpx.Client) -> None:
    text = page(client.get("/console", params={"q": "nurse " * 400}))
    assert 'role="alert"' in text and 'value="nurse nurse' in text


def test_what_is_tried_is_not_logged_as_shown(engine: Engine, served: httpx.Client, workspace: Workspace) -> None:
    page(served.get("/console", params={"q": "nurse"}))
    api = served.post("/v1/search", json={"query": "nurse", "k": 3}).json()
    engine.close()
    logged = [row for path in workspace.logs.rglob("*.jsonl") for row in read_file(path)]
    assert [row["request_id"] for row in logged] == [api["request_id"]] * len(api["results"])


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pay", "told"),
    [
        ((40_000.0, 52_000.0, "USD", "year"), "$40,000 to $52,000 a year"),
        ((15.5, None, "EUR", "hour"), "from €15.50 an hour"),
        ((None, 900.0, "SEK", "month"), "up to 900 SEK a month"),
        ((20.0, 20.0, "GBP", "hour"), "£20 an hour"),
        ((None, None, "USD", "year"), ""),
    ],
)
def test_pay_in_words(pay: tuple, told: str) -> None:
    assert words.pay(*pay) == told


@pytest.mark.parametrize(("days", "told"), [(0, "today"), (1, "yesterday"), (12, "12 days ago"), (-3, "")])
def test_age_in_words(days: int, told: str) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert words.age(now - timedelta(days=days), now) == told
    assert words.age(datetime(2025, 1, 2, tzinfo=UTC), now) == "on 2 January 2025"


@given(st.floats(0, 1))
def test_no_probability_is_told_as_none_or_all(probability: float) -> None:
    assert words.likely(probability) not in ("0%", "100%")
