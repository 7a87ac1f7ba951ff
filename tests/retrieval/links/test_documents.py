"""What people write: templates and edits, and what they are told where it does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from retrieval.links.edits import apply_edits, load_edits
from retrieval.links.graph import Link
from retrieval.links.templates import Pair, load_templates
from retrieval.links.values import Value
from tests.make import refused

TITLE = load_templates().title
CARE, TRIAGE, NURSE = Value("skills", "care"), Value("skills", "triage"), Value("title", "nurse")
SENIOR = Value("seniority", "senior")
MEMBERS, JOBS = frozenset({CARE, TRIAGE, NURSE}), frozenset({NURSE, SENIOR})
SIGNED = "    who: ann\n    when: 2026-02-01\n    why: the board asked\n"


def templates(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "templates.yaml"
    path.write_text(text)
    return path


def edits(tmp_path: Path, text: str):
    path = tmp_path / "edits.yaml"
    path.write_text("edits:\n" + text)
    return load_edits(path, MEMBERS, JOBS, TITLE)


def edit(action: str, member: str = "skills: triage", job: str = "title: Nurse", more: str = "") -> str:
    return f"  - {action}: {{member: {{{member}}}, job: {{{job}}}}}\n{more}{SIGNED}"


def test_the_built_in_templates_are_read():
    assert Pair("skills", "title") in load_templates().pairs


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Senior Nurse", "nurse"),
        ("Director, Backend Engineer", "backend engineer"),
        ("Vice President, Care", "care"),
        ("Sr. Baker", "baker"),
        ("Leader of Seniors", "leader of seniors"),
        ("Lead", "lead"),
    ],
)
def test_a_title_is_read_without_its_level(title, read):
    assert TITLE(title) == read


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("pairs:\n  - title -> title\n  - salary -> title\n", ("line 3", "pairs.1", "'salary'", "title, wish")),
        ("pairs:\n  - title -> wish\n", ("line 2", "pairs.0", "'title -> wish'", "'wish'")),
        ("pairs:\n  - title\n", ("line 2", "pairs.0", "'title'", "skills -> title")),
        ("pairs:\n  - title -> title\n  - title->title\n", ("pairs", "'title -> title'")),
        ("pairs: []\n", ("line 1", "pairs")),
        ("pairs: [title -> title\n", ("line 2",)),
        ("pairs: [title -> title]\npears: 1\n", ("line 2", "pears", 1)),
        ("pairs: [title -> title]\npairs: [title -> title]\n", ("line 2", "pairs")),
        ("- title -> title\n", ("pairs:",)),
    ],
)
def test_templates_that_do_not_fit_name_line_and_cure(tmp_path, text, named):
    with refused(BadInput, *named, where=tmp_path / "templates.yaml"):
        load_templates(templates(tmp_path, text))


def test_a_file_that_is_not_there_is_said(tmp_path):
    with refused(NotReady, tmp_path / "none.yaml"):
        load_templates(tmp_path / "none.yaml")


def test_an_edit_is_read_as_values_are(tmp_path):
    (found,) = edits(tmp_path, edit("add", job="title: [Senior NURSE]", more="    quality: 1.5\n"))
    assert found.ends == ((TRIAGE,), (NURSE,))
    assert found.edit.note == "added by ann on 2026-02-01: the board asked"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (edit("forbid", member="skills: tirage"), ("line 2", "member.skills", "'tirage'", "'triage'")),
        (edit("forbid", job="title: pilot"), ("line 2", "job.title", "'pilot'")),
        (edit("forbid", job="company: Acme"), ("line 2", "job.company", "'Acme'")),
        (edit("forbid", member="talent: singing"), ("line 2", "'talent'")),
        (edit("add"), ("line 2", "add", "quality")),
        (edit("forbid", more="    quality: 1\n"), ("line 2", "forbid", "quality")),
        ("  - who: ann\n    when: 2026-02-01\n    why: none\n", ("line 2", "edits.0", "add, forbid, pin")),
        (edit("forbid").replace("    who: ann\n", ""), ("line 2", "edits.0.who")),
        (edit("forbid").replace("2026-02-01", "soon"), ("line 4", "edits.0.when", "'soon'")),
        (edit("forbid").replace("the board asked", '""'), ("line 5", "edits.0.why")),
        (edit("add", more="    quality: 1\n") + edit("forbid"), ("line 2", "add", "line 7")),
        (edit("pin", member="skills: [triage, care]") + edit("forbid"), ("line 2", "pin", "line 6")),
        (edit("forbid") + edit("forbid"), ("line 6", "forbid", "line 2")),
    ],
)
def test_edits_that_do_not_fit_name_line_and_cure(tmp_path, text, named):
    with refused(BadInput, *named, where=tmp_path / "edits.yaml"):
        edits(tmp_path, text)


LEARNED = Link((TRIAGE,), (NURSE,), 1.2, 41, 5)
NARROW = Link((CARE, TRIAGE), (NURSE,), 0.4, 9, 1)
OTHER = Link((CARE,), (NURSE,), 0.3, 7, 2)
WEAK = Link((CARE,), (SENIOR,), 0.0, 4, 4)
JUDGED = {link.ends: link for link in (LEARNED, NARROW, OTHER, WEAK)}


def applied(tmp_path: Path, text: str):
    links, told = apply_edits([LEARNED, NARROW, OTHER], JUDGED, edits(tmp_path, text), "edits.yaml")
    return {link.ends: link for link in links}, told


def test_a_forbidden_link_is_gone_with_those_that_contain_it(tmp_path):
    links, told = applied(tmp_path, edit("forbid"))
    assert set(links) == {OTHER.ends}
    assert told == ["forbidden by ann on 2026-02-01: the board asked (2 links less)"]


def test_an_added_link_says_who_added_it(tmp_path):
    ends = ((TRIAGE,), (SENIOR,))
    links, _ = applied(tmp_path, edit("add", job="seniority: senior", more="    quality: 1.5\n"))
    assert links[ends].quality == 1.5
    assert links[ends].explain().endswith("level: added by ann on 2026-02-01: the board asked")


def test_an_added_link_that_was_learned_keeps_its_hires(tmp_path):
    links, told = applied(tmp_path, edit("add", more="    quality: 2.5\n"))
    assert links[LEARNED.ends].quality == 2.5 and links[LEARNED.ends].hires == 41
    assert "replaces a learned link" in told[0]


def test_a_pin_brings_back_what_was_judged_and_not_kept(tmp_path):
    links, told = applied(tmp_path, edit("pin", member="skills: care", job="seniority: senior"))
    assert links[WEAK.ends].pinned and links[WEAK.ends].hires == 4
    assert "brought back" in told[0]


def test_what_is_added_may_be_pinned(tmp_path):
    both = edit("pin", job="seniority: senior") + edit("add", job="seniority: senior", more="    quality: 1.5\n")
    links, _ = applied(tmp_path, both)
    added = links[(TRIAGE,), (SENIOR,)]
    assert added.pinned and added.note.startswith("added by ann") and "pinned by ann" in added.note


def test_a_pin_of_what_no_hire_shows_is_an_error(tmp_path):
    with refused(BadInput, "line 2", "pin", where="edits.yaml"):
        applied(tmp_path, edit("pin", job="seniority: senior"))
