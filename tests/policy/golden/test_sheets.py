"""Sheets out and in: safe to open in a spreadsheet, read back as they were, and refused with file and row."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, MissingColumn, NotReady
from contracts.records import Job
from policy.golden.sheets import (
    NO_SCORE,
    accept_policy,
    accepted_versions,
    bare,
    guard,
    read_sheets,
    sheet_path,
    write_sheet,
)
from tests.make import refused

ANN = (4, 3, 2, 1, 0, 0, 2, 4)
BOB = (4, 3, 1, 1, 0, 3, 2, 4)


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n ＝﹦\ufeffa1|;,\""), max_size=8) | st.text(max_size=20))
def test_a_guarded_cell_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert bare(guard(text)) == text
    for part in re.split(r"[;|\t\r\n]", guard(text)):
        assert not part.strip(" \ufeff").startswith(("=", "+", "-", "@", "＝", "﹦")), (
            "in any cell that a spreadsheet splits off"
        )
    assert not guard(text).startswith(("\t", "\r", "\n"))


def test_an_advert_that_is_a_formula_is_written_as_text(tmp_path: Path, golden_pair) -> None:
    job = Job(id="j", title='=HYPERLINK("http://x","y")', updated_at="2025-01-06")
    path = write_sheet(tmp_path, "ann", [golden_pair(0, job=job, query="@SUM(1)")], "v1")
    row = next(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    assert row["job"].startswith("'=HYPERLINK")
    assert row["query"] == "'@SUM(1)"


def test_grades_and_scores_come_back(tmp_path: Path, write_golden) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    ann, bob = read_sheets(tmp_path, pairs)
    assert (ann.grader, bob.grader, ann.policy_version) == ("ann", "bob", "v1")
    assert tuple(ann.grades) == ANN
    assert tuple(bob.scores[:, 0]) == BOB
    assert (bob.scores[:, 1:] == NO_SCORE).all()


def test_a_copy_of_a_sheet_is_no_second_grader(tmp_path: Path, write_golden) -> None:
    pairs = write_golden(tmp_path, ann=ANN)
    (tmp_path / "sheet-ann (1).csv").write_bytes(sheet_path(tmp_path, "ann").read_bytes())
    with refused(BadInput, "'ann (1)'"):
        read_sheets(tmp_path, pairs)


def test_a_sheet_is_read_in_any_order_and_as_any_spreadsheet_saves_it(tmp_path: Path, write_golden) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    path = sheet_path(tmp_path, "ann")
    head, *rows = csv.reader(path.read_text("utf-8-sig").splitlines())
    place = head.index("grade")
    for row in rows:
        row[place] += ",0"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([head, *reversed(rows), [""] * len(head)])
    assert tuple(read_sheets(tmp_path, pairs)[0].grades) == ANN


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8-sig")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8-sig")


def last_row(path: Path) -> str:
    return path.read_text("utf-8-sig").splitlines(keepends=True)[-1]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (",4,\n", ",7,\n", "row 2: grade '7' is not on the scale (grades are 0 to 4)"),
        (",4,\n", ",good,\n", "row 2: grade 'good' is not on the scale"),
        (",4,\n", ",2.5,\n", "row 2: grade '2.5' is not on the scale"),
        (",4,\n", ",,\n", "no grade for 1 of 8 pairs, the first 'p0' (fill in"),
        ("\np3,", "\np99,", "row 5: unknown pair 'p99'"),
        ("\np3,", "\np2,", "row 5: pair 'p2' stands twice (keep one"),
        ("\np3,v1", "\np3,v0", "rows of several policy versions: 'v0', 'v1'"),
        (",grade,", ",mark,", "no column grade (keep the header"),
        (",4,\n", ",Jane Doe,\n", "row 2: grade a text of 8 characters is not on the scale"),
        ("\np3,", "\nJane Doe of Austin who welds,", "row 5: unknown pair a text of 28 characters in column pair_id"),
        ("\np3,v1", "\np3,Jane Doe", "rows of several policy versions: a text of 8 characters, 'v1'"),
    ],
)
def test_a_row_that_does_not_fit_is_told(tmp_path: Path, old: str, new: str, problem: str, write_golden) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    path = sheet_path(tmp_path, "ann")
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    edited(path, old, new)
    with pytest.raises(BadInput) as caught:
        read_sheets(tmp_path, pairs)
    assert problem in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "Jane" not in str(caught.value)  # where columns slipped, a cell may be what a member wrote


def test_a_score_off_the_scale_names_its_dimension(tmp_path: Path, golden_pair) -> None:
    pairs = [golden_pair(0)]
    write_sheet(tmp_path, "ann", pairs, "v1", [{"grade": 3, "pay": 9}])
    with refused(BadInput, "row 2", "pay", "'9'", where="sheet-ann.csv"):
        read_sheets(tmp_path, pairs)


def test_a_lost_row_is_told(tmp_path: Path, write_golden) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    path = sheet_path(tmp_path, "bob")
    edited(path, last_row(path), "")
    with refused(BadInput, "1 of 8 pairs", "'p7'", where=path):
        read_sheets(tmp_path, pairs)


def test_an_empty_sheet_is_told(tmp_path: Path, write_golden) -> None:
    pairs = write_golden(tmp_path, bob=BOB)
    write_sheet(tmp_path, "ann", pairs, "v1")
    with refused(BadInput, where=sheet_path(tmp_path, "ann")):
        read_sheets(tmp_path, pairs)


def test_no_sheet_one_grader_and_graders_by_different_policies_are_told(
    tmp_path: Path, golden_pair, write_golden
) -> None:
    pairs = [golden_pair(i) for i in range(len(ANN))]
    with refused(NotReady, tmp_path):
        read_sheets(tmp_path, pairs)
    write_golden(tmp_path, ann=ANN)
    with refused(BadInput, "'ann'"):
        read_sheets(tmp_path, pairs)
    write_sheet(tmp_path, "bob", pairs, "v2", [{"grade": grade} for grade in BOB])
    with refused(BadInput, "ann", "'v1'", "bob", "'v2'"):
        read_sheets(tmp_path, pairs)


def test_a_file_of_another_encoding_or_without_a_header_is_told(tmp_path: Path, write_golden) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    path = sheet_path(tmp_path, "ann")
    path.write_bytes("pair_id,note\np0,caf\xe9\n".encode("latin-1"))
    with refused(BadInput, "UTF-8", where=path):
        read_sheets(tmp_path, pairs)
    path.write_bytes(b"")
    with refused(MissingColumn, "pair_id, policy_version, grade", where=path):
        read_sheets(tmp_path, pairs)


@pytest.mark.parametrize("name", ["", "../ann", "a b", "é"])
def test_a_grader_is_a_file_name(tmp_path: Path, name: str) -> None:
    with refused(BadInput, repr(name)):
        sheet_path(tmp_path, name)


def test_versions_that_were_accepted_add_up(tmp_path: Path) -> None:
    assert accepted_versions(tmp_path) == set()
    accept_policy(tmp_path, "v2", "ann")
    accept_policy(tmp_path, "v3", "bob")
    assert accepted_versions(tmp_path) == {"v2", "v3"}
