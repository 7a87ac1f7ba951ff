"""Lists and records in one cell are read one cell at a time, however they are written, and what was assumed is said."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Member
from sources import open_source
from sources.mapping.written import decoded, is_written, mark_of, value_in, words_in


def jobs(folder: Path, skills: list[str]) -> Path:
    with (folder / "jobs.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(n, "Cook", "2025-05-01", cell) for n, cell in enumerate(skills)]
        csv.writer(file).writerows([("id", "title", "updated_at", "skills"), *rows])
    return folder


def said(folder: Path) -> set[tuple[str, str, str]]:
    source = open_source(folder)
    rows = [row for shard in source.shards("jobs") for row in source.read(shard)]
    return {(f.reason, f.shape, f.done) for row in rows for f in row.findings}


@pytest.mark.parametrize(
    ("cells", "skills"),
    [
        (
            ["Excel, Word", "Python, SQL", "R&amp;D, QA"],
            [("Excel", "Word"), ("Python", "SQL"), ("R&D", "QA")],
        ),
        (
            ["Excel, Word", "Python, SQL", "Sales; B2B", "Art\nCraft"],
            [("Excel, Word",), ("Python, SQL",), ("Sales", "B2B"), ("Art", "Craft")],
        ),
        (
            ["Excel, Word", "Python, SQL", "Go, Rust", "Art\nCraft"],
            [("Excel", "Word"), ("Python", "SQL"), ("Go", "Rust"), ("Art", "Craft")],
        ),
        (["Excel • Word", "Python、SQL", "A، B", "甲，乙"], [
            ("Excel", "Word"), ("Python", "SQL"), ("A", "B"), ("甲", "乙"),
        ]),
        (["CI/CD", "Excel / Word", "HTML/CSS/Go", "英語・中国語・日本語"], [
            ("CI/CD",), ("Excel", "Word"), ("HTML", "CSS", "Go"), ("英語", "中国語", "日本語"),
        ]),
        (["Data · Art", "Col·lecció"], [("Data", "Art"), ("Col·lecció",)]),
        (["['Python', 'SQL']", "['Python' 'SQL']", "{Python,\"Go, Rust\"}", "[Python, SQL]", "['Python', nan]", "[]"], [
            ("Python", "SQL"), ("Python", "SQL"), ("Python", "Go, Rust"), ("Python", "SQL"), ("Python",), (),
        ]),
        (['["Python", null, "", "nan"]', '{"Python", "SQL"}'], [("Python",), ("Python", "SQL")]),
    ],
)  # fmt: skip
def test_a_list_is_parted_cell_by_cell(
    tmp_path: Path, read: Callable, cells: list[str], skills: list[tuple[str, ...]]
) -> None:
    assert [job.skills for job in read(jobs(tmp_path, cells), "jobs")] == skills


def test_what_was_assumed_of_a_comma_is_said(tmp_path: Path) -> None:
    inside = jobs(tmp_path, ["Planning, budgets", "Triage;ICU", "A;B"])
    assert said(inside) == {("separator", "comma", "kept inside the value")}
    assert said(jobs(tmp_path, ["Planning, budgets", "CI/CD"])) == {
        ("separator", "comma", "parted there"),
        ("separator", "slash", "kept inside the value"),
    }


def test_records_as_python_prints_them_are_records_and_others_cost_the_cell(tmp_path: Path, read: Callable) -> None:
    with (tmp_path / "members.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "updated_at", "positions"))
        for n, cell in enumerate(
            ("[{'title': 'Cook', 'company': None, 'start': nan}]", "[{'title': 'Cook'", "[open(1)]")
        ):
            writer.writerow((n, "2025-05-01", cell))
    (tmp_path / "jobs.csv").write_text("id,title,updated_at\n1,Cook,2025-05-01\n")
    first, *others = read(tmp_path, "members")
    assert [position.title for position in first.positions] == ["Cook"]
    assert all(isinstance(member, Member) and member.positions == () for member in others)


@pytest.mark.parametrize(
    ("location", "read_as"),
    [
        ('["Paris","Berlin, Germany"]', "Paris; Berlin, Germany"),
        ("['Austin', 'Boston']", "Austin; Boston"),
        ("Austin\nBoston\n", "Austin; Boston"),
        ("Austin, TX", "Austin, TX"),
    ],
)
def test_several_places_are_several_places(tmp_path: Path, read: Callable, location: str, read_as: str) -> None:
    with (tmp_path / "jobs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "title", "updated_at", "location"), (1, "Cook", "2025-05-01", location)])
    assert read(tmp_path, "jobs")[0].location == read_as


def test_a_list_of_places_in_json_is_several_places(tmp_path: Path, read: Callable) -> None:
    row = '{"id": "1", "title": "Cook", "updated_at": "2025-05-01", "location": ["Paris", "Berlin, Germany"]}'
    (tmp_path / "jobs.jsonl").write_text(row)
    assert read(tmp_path, "jobs")[0].location == "Paris; Berlin, Germany"


@pytest.mark.parametrize(
    ("cell", "read_as"),
    [('="0017"', "0017"), ("'0018", "0018"), ("１７", "17"), ("17.0", "17"), ("a'b", "a'b"),
     ("9007199254740993", "9007199254740993")],
)  # fmt: skip
def test_an_id_is_read_without_the_marks_of_a_spreadsheet(
    tmp_path: Path, read: Callable, cell: str, read_as: str
) -> None:
    with (tmp_path / "jobs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "title", "updated_at"), (cell, "Cook", "2025-05-01")])
    assert read(tmp_path, "jobs")[0].id == read_as
    assert {reason for reason, *_ in said(tmp_path)} == ({"id_as_number"} if cell != read_as else set())


def test_an_id_that_json_cut_is_said(tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"id": 9007199254740993.0, "title": "Cook", "updated_at": "2025-05-01"}\n')
    assert {reason for reason, *_ in said(tmp_path)} == {"id_cut"}


@given(st.text("[]{}'\"\\,; /·\n&amp;ab1", max_size=30) | st.text(max_size=30))
def test_any_cell_is_read(cell: str) -> None:
    text = decoded(cell)
    mark_of(text)
    if is_written(text):
        assert isinstance(words_in(text), list)


@pytest.mark.parametrize(
    "hostile", ["[" * 50_000 + "]", "[" + "-" * 100_000 + "1]", "[1" + "+1" * 50_000 + "]", "{\0}"]
)
def test_a_hostile_literal_is_no_value(hostile: str) -> None:
    with pytest.raises(ValueError):
        value_in(hostile)
