"""A service whose golden set, quarantine and reports hold something, and a real browser to read its pages with."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.workspace import Workspace
from policy.golden.golden import adjudicate
from policy.golden.sheets import ADJUDICATED
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from sources import quarantine
from sources.rows import Reject

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = re.compile(r'name="token" value="([^"]+)"')
RAW = '<script>alert("raw")</script>,=HYPERLINK("http://x")'


def page(answer: httpx.Response, status: int = 200) -> str:
    """The text of a page, whose headers let it run the console's own script and nothing else."""
    assert answer.status_code == status, answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    check_inert(answer.text)
    return answer.text


def check_inert(text: str) -> None:
    """No element of a page runs anything, whatever the texts in it say."""
    reader = _Elements()
    reader.feed(text)
    scripts = [dict(given) for tag, given in reader.found if tag == "script"]
    assert [script["src"].partition("?")[0] for script in scripts] == ["/console.js"]
    assert not {"iframe", "object", "embed", "style", "base"} & {tag for tag, _ in reader.found}
    for _, given in reader.found:
        for name, value in given:
            assert name != "style" and not name.startswith("on"), (name, value)
            assert name not in ("href", "src", "formaction", "action") or not (value or "").startswith("javascript")


class _Elements(HTMLParser):
    """The elements of a page and their attributes, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def write_rejects(workspace: Workspace) -> None:
    """Three rows that did not fit, one of them hostile."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    for row, (reason, raw) in enumerate([("bad_json", RAW), ("bad_json", "{"), ("unknown_member", "m1")], start=1):
        reject = Reject("events", f"{reason}.jsonl", row, reason, f"=1+1 is wrong in row {row}", raw, row)
        quarantine.add(workspace.quarantine, [reject], now)


@pytest.fixture(scope="session")
def furnished(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The market with a golden set, rows in quarantine, and the figures of a replay. Nobody writes to it."""
    workspace = Workspace(tmp_path_factory.mktemp("furnished") / "market")
    shutil.copytree(market.root, workspace.root)
    shutil.copytree(workspace.root / "raw" / "golden", workspace.golden)
    write_rejects(workspace)
    cells = [{"system": "served", "metric": "nDCG@10", "value": 0.5, "low": 0.4, "high": 0.6}]
    table = {"title": "Order <b>", "about": "", "systems": ["served"], "metrics": ["nDCG@10"], "cells": cells}
    workspace.replay.mkdir(exist_ok=True)
    (workspace.replay / "metrics.json").write_text(json.dumps({"requests": 7, "simulated": True, "tables": [table]}))
    workspace.report.write_text("<title>Report</title><script>alert(1)</script>")
    return workspace


@pytest.fixture
def room(furnished: Workspace, tmp_path: Path) -> Iterator[tuple[Engine, httpx.Client]]:
    """A service of the test's own over a copy of the furnished market, and a client that keeps cookies."""
    shutil.copytree(furnished.root, tmp_path / "market")
    engine = Engine(Workspace(tmp_path / "market"), ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield engine, client


@pytest.fixture(scope="session")
def reading(furnished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one furnished service, for the tests that only read."""
    root = tmp_path_factory.mktemp("reading") / "market"
    shutil.copytree(furnished.root, root)
    (Workspace(root).golden / ADJUDICATED).unlink(missing_ok=True)
    adjudicate(Workspace(root).golden)  # which leaves what graders see apart open
    engine = Engine(Workspace(root), ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")  # Playwright holds an event loop, beside which no test runs another
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def send(client: httpx.Client, form: str, path: str, **fields: str) -> httpx.Response:
    """Send a form as a browser would: with the token of the page that holds it."""
    token = TOKEN.search(_admitted(lambda: client.get(form)).text)
    assert token is not None
    return _admitted(lambda: client.post(path, data={"token": token[1], **fields}, follow_redirects=True))


def _admitted(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer, asked for again while the service says that too many ask."""
    for _ in range(100):
        answer = ask()
        if answer.status_code != 429:
            break
        time.sleep(0.2)
    return answer
