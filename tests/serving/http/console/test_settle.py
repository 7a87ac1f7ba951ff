"""What finished graders see apart is settled by a third person, and counts in the golden set."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest

from policy.golden.golden import adjudicate
from policy.golden.grading import open_decisions, read_graded
from policy.golden.pairs import read_pairs
from policy.golden.sheets import ADJUDICATED, read_adjudicated, write_adjudicated
from serving.engine import Engine
from tests.serving.http.console.conftest import page, send

Room = tuple[Engine, httpx.Client]
ROOM = "/console/agreement/settle"
PAIR = re.compile(r'name="pair" value="([^"]+)"')
GRADES = re.compile(r'name="grades" value="([^"]+)"')


@pytest.fixture
def apart(room: Room) -> Room:
    """A room whose golden set has four open pairs."""
    golden = room[0].workspace.golden
    (golden / ADJUDICATED).unlink(missing_ok=True)
    left = {row.pair_id for row in [row for row in adjudicate(golden) if row.grade is None][:4]}
    pairs = read_pairs(golden)
    decided = [
        row if row.grade is not None or row.pair_id in left else row._replace(grade=2, decided_by="eve")
        for row in read_adjudicated(golden, pairs)
    ]
    write_adjudicated(golden, pairs, decided)
    return room


def test_the_open_pairs_are_settled_one_by_one_in_the_copy(apart: Room) -> None:
    engine, client = apart
    pairs = read_pairs(engine.workspace.golden)
    rows = open_decisions(engine.workspace.golden, pairs)
    before = (engine.workspace.golden / ADJUDICATED).read_bytes()
    assert len(rows) > 2 and f"{len(rows)} pairs that finished graders" in page(client.get("/console/agreement"))
    text = page(client.get(ROOM))
    pair_id = PAIR.search(text)[1]  # type: ignore[index]
    assert pair_id == rows[0].pair_id and GRADES.search(text)[1].replace("&#34;", '"') == rows[0].grades  # type: ignore[index]
    graders = read_graded(engine.workspace.golden).marks
    assert all(name in text for name in graders)
    fields = {"set": "drawn", "pair": pair_id, "grades": rows[0].grades, "grader": "cid", "grade": "3", "note": "=so"}
    answer = page(send(client, ROOM, ROOM, **fields))
    assert "is settled" in answer and PAIR.search(answer)[1] == rows[1].pair_id  # type: ignore[index]
    [row] = [one for one in read_adjudicated(engine.workspace.graded, pairs) if one.pair_id == pair_id]
    assert (row.grade, row.decided_by, row.note) == (3, "cid", "=so")
    assert len(open_decisions(engine.workspace.graded, pairs)) == len(rows) - 1
    assert (engine.workspace.golden / ADJUDICATED).read_bytes() == before
    adjudicate(engine.workspace.graded)  # as the next grade would: the decision stays
    assert len(open_decisions(engine.workspace.graded, pairs)) == len(rows) - 1
    for one in rows[1:]:
        send(client, ROOM, ROOM, **fields | {"pair": one.pair_id, "grades": one.grades})
    assert "Nothing is open" in page(client.get(ROOM))


def test_one_is_left_for_the_next(apart: Room) -> None:
    _, client = apart
    first = PAIR.search(page(client.get(ROOM)))[1]  # type: ignore[index]
    second = PAIR.search(page(client.get(f"{ROOM}?after={quote(first)}")))[1]  # type: ignore[index]
    assert first != second


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"grader": "GRADER"}, "third person"),
        ({"grader": "agreed"}, "own name"),
        ({"grader": "../x"}, "name of letters"),
        ({"grade": "5"}, "scale"),
        ({"pair": "nobody"}, "not open"),
        ({"grades": "somebody=4"}, "anew"),
        ({"token": "forged"}, "page of this console"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_settled(apart: Room, changed: dict[str, str], said: str) -> None:
    engine, client = apart
    pairs = read_pairs(engine.workspace.golden)
    row, *others = open_decisions(engine.workspace.golden, pairs)
    grader = next(iter(read_graded(engine.workspace.golden).marks))
    fields = {"set": "drawn", "pair": row.pair_id, "grades": row.grades, "grader": "cid", "grade": "3"}
    given = {name: value.replace("GRADER", grader) for name, value in changed.items()}
    answer = send(client, ROOM, ROOM, **fields | given)
    assert answer.status_code in (403, 422) and said in answer.text
    assert len(open_decisions(engine.workspace.golden, pairs)) == 1 + len(others)
    if engine.workspace.graded.is_dir():
        assert len(open_decisions(engine.workspace.graded, pairs)) == 1 + len(others)


def test_without_two_finished_sheets_nothing_is_open(room: Room) -> None:
    engine, client = room
    for path in [*engine.workspace.golden.glob("sheet-*.csv")][1:]:
        path.unlink()
    (engine.workspace.golden / ADJUDICATED).unlink(missing_ok=True)
    assert "Nothing is open" in page(client.get(ROOM))
    assert "third person" not in page(client.get("/console/agreement"))
