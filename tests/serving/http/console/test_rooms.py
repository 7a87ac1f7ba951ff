"""The rooms for rules, health, quarantine and reports; and what no page does, whatever texts it shows."""

from __future__ import annotations

import csv
import errno
import html
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.tables import parts
from contracts.versions import current, file_hash
from contracts.workspace import Workspace
from retrieval.rules.rules import find_rules
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.console.charts import quantile
from serving.http.console.page import ROOMS
from serving.http.run import running
from tests.serving.http.console.conftest import RAW, page, send, write_rejects

EVIL = "Nurse <script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
DEMOTE = """rules:
  - name: far
    reason: too_far
    action: {action}
    enabled: true
    surfaces: [search]
    when: {{title: {{no_word_shared_but: []}}}}
    because: "{because}"
"""

# --- rules on trial --------------------------------------------------------------------------------------------------


def test_rules_on_trial_say_what_they_remove_and_save_nothing(room: tuple[Engine, httpx.Client]) -> None:
    engine, client = room
    text = page(
        client.post("/console/rules", data={"q": "nurse", "rules": DEMOTE.format(action="remove", because="x")})
    )
    trial = page(client.post("/console/rules", data={"q": "nurse", "rules": "rules: []"}))
    kept = [job["title"] for job in client.post("/v1/search", json={"query": "nurse", "k": 20}).json()["results"]]
    assert "removed by far" in text and "by <code>far</code>" in text
    assert not all("nurse" in title.lower() for title in kept) and "removed by" not in trial
    assert not engine.workspace.rules.exists() and "far" not in [rule.name for rule in engine.rules.rules]


def test_rules_on_trial_say_what_they_demote(reading: httpx.Client) -> None:
    rules = DEMOTE.format(action="demote", because="x")
    text = page(reading.post("/console/rules", data={"q": "nurse", "rules": rules}))
    assert "demoted by far" in text and "move down" in text


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("rules:\n  - name: x\n    reason: other\n    action: explode\n", "line"),
        ("rules: [", "line"),
        ("- 1", "not fields"),
        ("rules:\n" + DEMOTE.format(action="remove", because="x").partition("\n")[2] * 2, "far"),
    ],
)
def test_rules_that_are_none_name_the_line_and_stay_in_the_form(reading: httpx.Client, rules: str, said: str) -> None:
    text = page(reading.post("/console/rules", data={"q": "nurse", "rules": rules}))
    assert said in html.unescape(re.search(r'role="alert">(.*?)</p>', text, re.S)[1])
    assert html.escape(rules.splitlines()[0]) in text


def test_rules_are_saved_when_somebody_asks_and_hold_from_the_next_start(room: tuple[Engine, httpx.Client]) -> None:
    engine, client = room
    before, rules = engine.rules.version, DEMOTE.format(action="remove", because="too far")
    answer = send(client, "/console/rules", "/console/rules/save", rules=rules.replace("\n", "\r\n"))
    assert "next start" in page(answer)
    assert engine.workspace.rules.read_text() == rules
    assert engine.rules.version == before
    send(client, "/console/rules", "/console/rules/save", rules="rules: [")
    assert engine.workspace.rules.read_text() == rules


def test_rules_are_saved_where_the_next_start_reads_them(workspace: Workspace, tmp_path: Path) -> None:
    path, saved = tmp_path / "configured.yaml", DEMOTE.format(action="remove", because="too far")
    path.write_text("rules: []\n")
    config = ServeConfig(rules=path, deadline=60)
    with running(Engine(workspace, config)) as url, httpx.Client(base_url=url, timeout=60) as client:
        answer = send(client, "/console/rules", "/console/rules/save", rules=saved)
        assert "configured.yaml" in page(answer)
        assert path.read_text() == saved and not workspace.rules.exists()
        assert find_rules(workspace, config.rules).version in page(answer)


def test_rules_that_cannot_be_saved_are_said_to_be(
    room: tuple[Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("contracts.versions.staged_file", full)
    answer = send(room[1], "/console/rules", "/console/rules/save", rules="rules: []")
    assert "Read-only file system" in answer.text and "next start;" not in answer.text
    assert answer.status_code == 503


def test_rules_can_be_kept_as_a_file(reading: httpx.Client) -> None:
    answer = reading.post("/console/rules/file", data={"rules": "rules: []\r\n"})
    assert answer.text == "rules: []\n" and "attachment" in answer.headers["content-disposition"]


# --- health ----------------------------------------------------------------------------------------------------------


def test_health_says_what_is_served_and_how_long_stages_take(reading: httpx.Client) -> None:
    reading.post("/v1/search", json={"query": "nurse"})
    text, ready = page(reading.get("/console/health")), reading.get("/readyz").json()
    assert ready["bundle_version"] in text and ready["index_version"] in text
    assert re.search(r'<th scope="row">student</th><td class="number">\d+</td><td class="number">[\d.]+ m?s</td>', text)
    assert '<th scope="row">/v1/search</th><td>200</td>' in text


def test_a_quantile_lies_within_its_bucket() -> None:
    buckets = [(0.1, 10.0), (0.2, 30.0), (float("inf"), 40.0)]
    assert quantile(buckets, 0.5) == pytest.approx(0.15)
    assert quantile(buckets, 0.99) == 0.2
    assert quantile([], 0.5) is quantile([(0.1, 0.0)], 0.5) is None


# --- quarantine ------------------------------------------------------------------------------------------------------


def test_quarantine_counts_reasons_and_shows_their_rows(reading: httpx.Client) -> None:
    text = page(reading.get("/console/quarantine?table=events&reason=bad_json"))
    assert text.count("<article") == 2 and html.escape(RAW, quote=False).split(",")[0] in html.unescape(text).replace(
        "<script>", "&lt;script&gt;"
    ).replace("</script>", "&lt;/script&gt;")


def test_no_cell_of_the_csv_is_a_formula(reading: httpx.Client) -> None:
    answer = reading.get("/console/quarantine.csv?reason=bad_json")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["raw"] for row in rows] == [RAW, "{"]
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")] and "'=1+1 is wrong in row 1" in cells


# --- reports ---------------------------------------------------------------------------------------------------------


def test_reports_list_the_runs_that_were_held_against_each_other(room: tuple[Engine, httpx.Client]) -> None:
    engine, client = room
    folder = engine.workspace.replay_diffs / "served-a--served-b"
    folder.mkdir(parents=True)
    said = {"sentence": "b <i>is</i> better", "said": "better", "first": "served-a", "second": "served-b"}
    (folder / "diff.json").write_text(json.dumps(said))
    (folder / "diff.html").write_text("<p>the whole page</p>")
    text = page(client.get("/console/reports"))
    assert "served-b against served-a" in text and "b &lt;i&gt;is&lt;/i&gt; better" in text
    answer = client.get(f"/console/reports/diffs/{folder.name}")
    assert "the whole page" in answer.text and "sandbox" in answer.headers["content-security-policy"]
    for name in ("none", "..%2f..%2freport", "served-a--served-b%2fdiff.json"):
        assert client.get(f"/console/reports/diffs/{name}").status_code in (404, 503)


def test_reports_show_figures_with_their_intervals(reading: httpx.Client) -> None:
    text = page(reading.get("/console/reports"))
    assert "Order &lt;b&gt;" in text and "0.400 to 0.600" in text and "simulated" in text


def test_the_report_runs_nothing_and_is_kept_from_the_consoles_origin(reading: httpx.Client) -> None:
    answer = reading.get("/console/reports/report.html")
    policy = answer.headers["content-security-policy"]
    assert "<title>Report</title>" in answer.text
    assert "default-src 'none'" in policy and "sandbox" in policy and "script-src" not in policy


def test_a_workspace_without_anything_shows_empty_rooms(client: httpx.Client) -> None:
    for path in ("/console/quarantine", "/console/reports", "/console/golden", "/console/agreement", "/console/grade"):
        assert 'class="empty"' in page(client.get(path)), path
    page(client.get("/console/reports/report.html"), 503)


# --- hostile texts ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(furnished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, httpx.Client]]:
    """A service of a board whose texts got past all cleaning: titles, companies, headlines, ids of pairs."""
    workspace = Workspace(tmp_path_factory.mktemp("hostile") / "market")
    shutil.copytree(furnished.root, workspace.root)
    for table, columns in (("jobs", ("title", "company", "description", "location")), ("members", ("headline",))):
        for path in parts(workspace.records / table):
            _replace(path, columns)
    index = current(workspace.indexes)
    assert index is not None
    _replace(index / "jobs.parquet", ("title", "company", "location"))
    manifest, jobs = index / "index.json", index / "jobs.parquet"
    old = file_hash(furnished.indexes / index.name / "jobs.parquet")
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace(old, file_hash(jobs)))
    write_rejects(workspace)
    engine = Engine(workspace, ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield engine, client


def _replace(path: Path, columns: tuple[str, ...]) -> None:
    table = pq.read_table(path)
    for name in columns:
        evil = pa.array([EVIL] * table.num_rows, table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), evil)
    path.chmod(0o644)
    pq.write_table(table, path)


def test_no_text_runs_on_any_page(hostile: tuple[Engine, httpx.Client]) -> None:
    engine, client = hostile
    tried = client.get("/console", params={"tab": "member", "member": "m00000001"})
    job = re.search(r'name="job" value="([^"]+)"', tried.text)[1]
    why = re.search(r'href="(/console/why/[^"]+)"', tried.text)[1]
    asked = {"tab": "member", "member": "m00000001", "job": job}
    form = f"/console/grade/new?tab=member&member=m00000001&job={job}"
    graded = send(client, form, "/console/grade/save", **asked, grader="ann", grade="1", note=EVIL)
    evil_rule = DEMOTE.format(action="remove", because="<script>alert(3)</script>")
    pages = {
        "try": tried,
        "why": client.get(why),
        "advert": client.get(f"/console/jobs/{job}"),
        "new": client.get(form),
        "graded": graded,
        "picked": client.get("/console/golden?set=picked"),
        "compare": client.get("/console/compare?tab=member&member=m00000001&side=rules:none&side=policy:0"),
        "side": client.get("/console/compare", params={"q": EVIL, "side": EVIL}),
        "rules": client.post("/console/rules", data={"q": EVIL, "rules": evil_rule}),
        "bad rules": client.post("/console/rules", data={"q": "nurse", "rules": EVIL}),
        "profile": client.post("/console", data={"tab": "profile", "summary": EVIL, "skills": EVIL, "headline": EVIL}),
        "quarantine": client.get("/console/quarantine", params={"reason": EVIL, "table": EVIL}),
        "agreement": client.get("/console/agreement", params={"first": EVIL}),
    }
    pages |= {f"room {name}": client.get(address) for name, address, _, _ in ROOMS}
    for answer in pages.values():
        page(answer)
    for name in ("try", "why", "compare", "graded", "picked"):  # records are cleaned whenever they are read
        assert "&lt;script&gt;alert(1)" in pages[name].text, name
    assert engine.workspace.graded.exists()


@pytest.mark.parametrize("path", ["/console/why/<script>alert(1)/x", "/console/jobs/<script>alert(1)"])
def test_what_stands_in_an_address_is_text(reading: httpx.Client, path: str) -> None:
    page(reading.get(path), 404)
