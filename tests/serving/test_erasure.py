"""A member erased while the service answers, and then from every file of the workspace."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contracts.erased import waiting
from contracts.errors import BadInput, NotReady
from contracts.tables import read_table, write_part
from contracts.workspace import Workspace
from feature_repo.store import materialize
from retrieval.index.job_index import JobIndex
from serving.config import ServeConfig
from serving.drift_config import DriftConfig
from serving.engine import Engine
from serving.http.run import running
from tests.serving.test_near_line import SEEN

MARK = "zygomorphic lighthouse keeper"
"""Words that stand in the member's own text alone."""


def _cells(path: Path) -> Iterator[str]:
    """All text of a table, whatever its columns hold."""
    table = pq.read_table(path)
    for name in table.column_names:
        if not pa.types.is_floating(table.schema.field(name).type):
            yield from map(str, table[name].to_pylist())


def _holding(root: Path, *words: str) -> list[str]:
    """Files below a folder in which a word stands, in tables too."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = "\n".join(_cells(path)).encode() if path.suffix == ".parquet" else path.read_bytes()
        if any(word.encode() in content for word in words):
            found.append(path.relative_to(root).as_posix())
    return found


@pytest.fixture
def marked(workspace: Workspace, member_ids: list[str]) -> tuple[Workspace, str]:
    """The market with a member whose words nobody else has, in every kind of file that the recipe writes."""
    from beam_jobs import ingest, verbalize

    id_ = "m-erase-me"
    more = workspace.root.parent / "more"
    (more / "members").mkdir(parents=True)
    (more / "truth").mkdir()
    (more / "truth" / "params.json").write_text("{}")  # a market's too: simulated and real records are never mixed
    member = {"id": id_, "headline": MARK, "updated_at": "2026-01-01T00:00:00Z"}
    broken = {"id": id_, "headline": MARK, "updated_at": "not a time", "positions": 7}
    lines = [json.dumps(row) for row in (member, broken)]
    (more / "members" / "a.jsonl").write_text("\n".join(lines) + "\n")
    ingest.run(["--workspace", str(workspace.root), "--source", str(more), "--max-reject-share", "1"])
    verbalize.run(["--workspace", str(workspace.root)])
    materialize(workspace)
    asked = {"list_id": ["r-theirs", "r-other"], "member_id": [id_, member_ids[0]], "request_text": [MARK, "other"]}
    write_part(workspace.training, pa.table(asked), "00000")
    write_part(workspace.examples, pa.table(asked), "00000")
    said = {"member_id": [id_, member_ids[0]], "rationale": [f"A {MARK} fits", "no"]}
    write_part(workspace.grades, pa.table(said), "00000")
    (workspace.scores / "policy").mkdir(parents=True)
    pq.write_table(
        pa.table({"list_id": asked["list_id"], "view": [0.1, 0.2]}), workspace.scores / "policy" / "v.parquet"
    )
    with sqlite3.connect(workspace.judge_answers) as answers:
        answers.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, grade INT, rationale TEXT, probabilities TEXT)")
        answers.executemany("INSERT INTO answers VALUES (?, 1, ?, '')", [("a", f"A {MARK} fits"), ("b", "no")])
    answers.close()
    workspace.replay.mkdir(exist_ok=True)
    (workspace.replay / "student.run").write_text("r-theirs Q0 j1 1 0.5 x\nr-other Q0 j1 1 0.5 x\n")
    return workspace, id_


def _erase(workspace: Workspace, *arguments: str) -> dict[str, object]:
    command = [
        sys.executable,
        "-m",
        "rolecall",
        "-q",
        "erase",
        *arguments,
        "--workspace",
        str(workspace.root),
        "--json",
    ]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    report: dict[str, object] = json.loads(answer.stdout or "{}")
    return report


def test_after_a_member_was_erased_no_file_of_the_workspace_names_them(marked: tuple[Workspace, str]) -> None:
    workspace, id_ = marked
    engine = Engine(workspace, ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        shown = client.post("/v1/recommend", json={"member_id": id_, "k": 3}).json()
        job = shown["results"][0]["job_id"]
        searched = {"member_id": id_, "job_id": job, "action": "view", "surface": "search", "query": MARK}
        assert client.post("/v1/events", json=searched).json()["accepted"] == 1
        event = {"request_id": shown["request_id"], "job_id": job, "action": "view"}
        assert client.post("/v1/events", json=event).json()["accepted"] == 1
        assert client.post("/v1/recommend", json={"member_id": id_, "k": 1}).json()["member_known"] is True

        reply = client.delete(f"/v1/members/{id_}").json()
        assert "online store" in reply["erased"] and reply["degraded"] == []
        assert any(part["until"] for part in reply["remains"])
        assert id_ in waiting(workspace)

        answer = client.post("/v1/recommend", json={"member_id": id_, "k": 1}).json()
        assert answer["member_known"] is False
        again = {"member_id": id_, "job_id": job, "action": "view"}
        assert client.post("/v1/events", json=[again]).json()["reasons"][0]["reason"] == "erased_member"
        assert client.get(f"/v1/explain/{shown['request_id']}/{job}").status_code == 404
        materialize(workspace)  # the tables still hold the member: no answer may
        assert client.post("/v1/recommend", json={"member_id": id_, "k": 1}).json()["member_known"] is False
    assert len(_holding(workspace.root, id_, MARK)) > 8, "records, features, quarantine, logs, training, ..."

    report = _erase(workspace, "--pending")
    assert report["members"] == 1
    assert _holding(workspace.root, id_, MARK, "r-theirs") == []
    assert waiting(workspace) == {}
    others = read_table(workspace.training)["list_id"].to_pylist()
    assert others == ["r-other"]
    assert (workspace.replay / "student.run").read_text() == "r-other Q0 j1 1 0.5 x\n"
    with sqlite3.connect(workspace.judge_answers) as answers:
        assert answers.execute("SELECT key FROM answers").fetchall() == [("b",)]
    assert "bundles" in report["remains"] and report["outside"]  # type: ignore[operator]
    JobIndex.load(workspace.index)


def test_what_the_reply_says_is_forgotten_is(workspace: Workspace, member_ids: list[str]) -> None:
    """Also of an answer and of a post that were under way meanwhile."""
    from serving.schemas import RecommendRequest

    id_ = member_ids[4]
    workspace.rules.write_text(json.dumps({"rules": [SEEN]}))
    engine = Engine(workspace, ServeConfig(deadline=60, drift=DriftConfig(share=1.0)))
    before = engine.recommend(RecommendRequest(member_id=id_, k=3))
    job_id = before.results[0].job_id
    engine.record({"member_id": id_, "job_id": job_id, "action": "view", "id": "seen"})
    _, under_way = engine.prepare(RecommendRequest(member_id=id_, k=3))
    assert id_ in _held(engine)
    reply = engine.erase(id_)
    assert {"recent answers", "impressions", "counts of the day", "online store"} <= set(reply.erased)
    assert any("events" in what for what in reply.refused) and any("drift" in left.what for left in reply.remains)
    engine._remember(under_way)
    engine.shown(under_way)
    assert id_ not in _held(engine)
    engine.close()
    lines = [json.loads(x) for path in (workspace.logs / "anonymous").iterdir() for x in path.read_text().splitlines()]
    assert {line["request_id"] for line in lines} == {under_way.request_id}
    sampled = "".join(path.read_text() for path in (workspace.root / "drift").iterdir())
    assert before.request_id in sampled and under_way.request_id not in sampled


def _held(engine: Engine) -> str:
    """What the process remembers of people."""
    slates = engine._slates
    return str([slates._slates, slates._rankings, engine._unclicked._members, engine._counts._people.__dict__])


def test_loading_the_old_files_again_brings_nobody_back(marked: tuple[Workspace, str]) -> None:
    from beam_jobs import ingest, verbalize

    workspace, id_ = marked
    _erase(workspace, id_)
    more = workspace.root.parent / "more"
    late = {"id": "e-late", "time": "2026-01-02T00:00:00Z", "surface": "search", "member_id": id_, "action": "view"}
    jobs = read_table(workspace.records / "jobs", ["id"])["id"].to_pylist()
    (more / "events").mkdir()
    (more / "events" / "b.jsonl").write_text(json.dumps(late | {"job_id": jobs[0]}) + "\n")
    (more / "members" / "a.jsonl").write_text((more / "members" / "a.jsonl").read_text() + "\n")
    for _ in range(2):
        ingest.run(["--workspace", str(workspace.root), "--source", str(more), "--max-reject-share", "1"])
    verbalize.run(["--workspace", str(workspace.root)])
    assert _holding(workspace.root, id_, MARK) == []
    _erase(workspace, id_, "--readmit")
    (more / "members" / "a.jsonl").write_text((more / "members" / "a.jsonl").read_text() + "\n")
    ingest.run(["--workspace", str(workspace.root), "--source", str(more), "--max-reject-share", "1"])
    assert id_ in read_table(workspace.records / "members", ["id"])["id"].to_pylist()


def test_the_log_that_a_service_appends_to_loses_the_lines_of_the_member_alone(tmp_path: Path) -> None:
    from rolecall.erase import erase_rows

    path = tmp_path / "logs" / "events" / "2026-01-01.jsonl"
    path.parent.mkdir(parents=True)
    rows = [{"member_id": id_, "job_id": "j", "query": "m1"} for id_ in ("m1", "m11", "m2", "m1")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"member_id": "m1", "cut o')
    with path.open("ab") as appending:
        assert erase_rows(tmp_path, ["m1"]).total == 3
        appending.write(b"\n" + json.dumps(rows[1]).encode() + b"\n")
    left = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    assert left == [rows[1], rows[2], rows[1]]


@pytest.mark.parametrize("id_", ["müller", 'a"b', "a/b", "😀7", "back\\slash"])
def test_an_id_that_json_escapes_is_found_in_lines_and_in_copies(tmp_path: Path, id_: str) -> None:
    from rolecall.erase import erase_rows

    row = json.dumps({"member_id": id_, "job_id": "j"})
    shouted = re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), row)
    other = json.dumps({"member_id": "m2", "job_id": "line\nbreak é"})
    kept = json.dumps({"member_id": "m2"})[:-4]
    lines = [
        row,
        shouted,
        row.replace("/", "\\/"),
        json.dumps({"member_id": id_}, ensure_ascii=False),
        other,
        kept,
        row[:-3],
    ]
    path = tmp_path / "logs" / "events" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "members.json").write_text(shouted + "\n")
    done = erase_rows(tmp_path, [id_])
    assert [line for line in path.read_text().splitlines() if line.strip()] == [other, kept]
    assert done.total == 5 and done.removed == ["copies"]


def test_lines_of_trials_and_of_the_drift_sample_go_with_the_member(tmp_path: Path) -> None:
    from contracts.versions import content_hash
    from rolecall.erase import erase_rows

    rows = {
        "logs/events/a.jsonl": [
            {"member_id": m, "request_id": r, "job_id": "j"} for m, r in (("m1", "r1"), ("m2", "r2"))
        ],
        "logs/trials/a.jsonl": [{"kind": "arm", "request_id": r} for r in ("r1", "r2", "r3")],
        "drift/2026-01-01.jsonl": [
            {"member": content_hash(m), "request_id": r} for m, r in (("m1", "r3"), ("m2", "r4"))
        ],
    }
    for name, of in rows.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in of))
    erase_rows(tmp_path, ["m1"])
    left = {name: [json.loads(x) for x in (tmp_path / name).read_text().splitlines() if x.strip()] for name in rows}
    assert left == {
        "logs/events/a.jsonl": rows["logs/events/a.jsonl"][1:],
        "logs/trials/a.jsonl": rows["logs/trials/a.jsonl"][1:2],
        "drift/2026-01-01.jsonl": rows["drift/2026-01-01.jsonl"][1:],
    }


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["--pending", "--data", "HERE"], BadInput, "nobody waits"),
        (["m1", "--data", "HERE", "--data", "HERE/nowhere"], NotReady, "nowhere"),
        (["--readmit"], BadInput, "takes ids"),
        (["m1", "--readmit", "--pending"], BadInput, "takes ids"),
        ([], BadInput, "no member"),
    ],
)
def test_what_would_do_less_than_it_was_asked_is_refused_before_anything_is_done(
    tmp_path: Path, arguments: list[str], kind: type[Exception], said: str
) -> None:
    from rolecall.cli import app

    (tmp_path / "members.jsonl").write_text('{"id": "m1", "headline": "x"}\n')
    before = sorted(tmp_path.rglob("*")), (tmp_path / "members.jsonl").read_text()
    words = [word.replace("HERE", str(tmp_path)) for word in arguments]
    found = CliRunner().invoke(app, ["erase", *words, "--workspace", str(tmp_path)])
    assert isinstance(found.exception, kind) and said in str(found.exception)
    assert (sorted(tmp_path.rglob("*")), (tmp_path / "members.jsonl").read_text()) == before


def test_a_store_that_does_not_answer_is_said_and_the_member_is_gone_from_answers(
    workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(workspace, ServeConfig(deadline=60))
    try:
        with sqlite3.connect(next((workspace.feature_repo / "data").glob("online*.db"))) as locked:
            locked.execute("BEGIN EXCLUSIVE")
            reply = engine.erase(member_ids[5])
        locked.close()
        assert reply.degraded == ("features",) and "online store" not in reply.erased
        from serving.schemas import RecommendRequest

        assert engine.recommend(RecommendRequest(member_id=member_ids[5], k=1)).member_known is False
    finally:
        engine.close()


def test_golden_pairs_of_an_erased_member_leave_the_set_with_their_grades(tmp_path: Path) -> None:
    from rolecall.erase import erase_rows

    golden = tmp_path / "golden"
    golden.mkdir()
    pairs = [{"pair_id": f"g{i}", "member": {"id": f"m{i}", "headline": "x"}} for i in range(3)]
    (golden / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    sheet = 'pair_id,who,grade\ng0,a,1\ng1,b,2\ng2,"c, d",3\n'
    (golden / "sheet-ann.csv").write_text(sheet)
    erase_rows(tmp_path, ["m1"])
    assert "g1" not in (golden / "pairs.jsonl").read_text()
    assert (golden / "sheet-ann.csv").read_text("utf-8-sig").splitlines() == sheet.replace("g1,b,2\n", "").splitlines()
