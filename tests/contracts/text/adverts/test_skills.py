"""Skills are found by name; a name that is a common word too needs evidence."""

import json
import sys
from pathlib import Path

import pytest

from contracts.errors import BadInput, UnreadableFile
from contracts.text.adverts import skills as module
from contracts.text.adverts.skills import MOST_SKILLS, SkillsTold, gazetteer, saved_gazetteer, skill_names
from contracts.text.language import language_of
from contracts.text.sentences import sentences
from contracts.text.words import words
from tests.make import refused

PLAIN = gazetteer({}, extra=())


def read(text: str, skills: module.Gazetteer = PLAIN) -> SkillsTold:
    return skills.read([(one, words(one)) for one in sentences(text)], lambda: language_of(text))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Python and SQL.", ("Python", "SQL")),
        ("You write C++, C# and .NET.", ("C++", "C#", ".NET")),
        ("Experience with Go.", ("Go",)),
        ("Ready to go? Go for it.", ()),
        ("We go, you excel.", ()),
        ("Java, R, Go", ("Java", "R", "Go")),
        ("Experience in Go to market strategy.", ("Go-to-market strategy",)),
        ("R&D in the C-suite.", ()),
        ("Strong Excel skills.", ("Microsoft Excel",)),
        ("You excel at your job in the spring and get rest.", ()),
        ("Spring, Hibernate", ("Spring", "Hibernate")),
        ("Access to the Office in Word and deed.", ()),
        ("Word, Excel, Outlook", ("Microsoft Word", "Microsoft Excel", "Microsoft Outlook")),
        ("Excellent communication skills.", ("communication",)),
        ("No Java required.", ()),
        ("Java is not required, Python is.", ("Python",)),
        ("Not only Java, Python too.", ("Java", "Python")),
        ("No prior knowledge of SAP.", ()),
        ("Sie haben Kenntnisse in SAP und eine Ausbildung, aber keine Java Kenntnisse.", ("SAP",)),
        ("Experiência no Java e no Brasil com uma equipe para você.", ("Java",)),
        ("熟悉 Python 和 SQL。", ("Python", "SQL")),
        ("We teach at a teaching hospital.", ()),
    ],
)
def test_names_are_read(text: str, names: tuple[str, ...]) -> None:
    assert read(text).names == names


def test_what_is_held_back_is_said() -> None:
    assert read("Access to the office. We go there.").held_back == ("access", "office", "go")
    assert read("Experience with Go. We go there.").held_back == ()


def test_a_boards_own_names_count_and_name_the_rest() -> None:
    board = gazetteer({"Palliative Care": 2, "MS Excel": 3, "odd one": 1, "Go": 5, "skills": 9, "x" * 80: 4}, extra=())
    assert read("palliative care, ms-excel, odd one, skills", board).names == ("Palliative Care", "MS Excel")
    assert read("We go home.", board).names == ()


def test_a_name_has_its_plural() -> None:
    assert read("You install firewalls.").names == ("Firewalls",)


def test_an_extra_name_needs_evidence_and_never_hides_a_known_one() -> None:
    extra = gazetteer({}, extra=("stored procedures", "sound", "teradata", "sql queries", "a+"))
    assert read("Sound Teradata and Stored Procedures.", extra).names == ()
    assert read("SQL, stored procedures, Teradata, sound, a+. SQL queries.", extra).names == (
        "SQL",
        "stored procedures",
        "teradata",
    )
    assert "sound" not in read("The sound is loud.", extra).held_back


def test_the_extra_is_read_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / module.EXTRA
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    (package / "data" / "skills.json").write_text(json.dumps(["stored procedures"]))
    assert module.extra_names() == ("stored procedures",)
    assert module.EXTRA not in sys.modules
    (package / "data" / "skills.json").write_text("{")
    with refused(BadInput, where=package / "data" / "skills.json"):
        module.extra_names()


def test_a_long_list_is_cut() -> None:
    names = [name for name in skill_names().skills if name not in skill_names().careful][: MOST_SKILLS + 5]
    assert len(read(", ".join(names)).names) == MOST_SKILLS


def test_a_workspaces_names_are_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "skills.json"
    assert read("palliative care", saved_gazetteer(path)).names == ()
    path.write_text('{"Palliative Care": 2}')
    assert read("palliative care", saved_gazetteer(path)).names == ("Palliative Care",)
    path.write_text("[]")
    with refused(UnreadableFile, where=path):
        saved_gazetteer(path)


def test_the_files_that_people_edit_are_sound() -> None:
    from contracts.text.adverts import cues

    known = skill_names()
    assert {"R", "C", "Go"} <= set(known.careful)
    for part in ("titles", "says", "hints"):
        for field in ("seniority", "workplace", "employment"):
            cues.values(part, field)
    assert set(cues.languages()) >= {"english", "german", "french", "spanish", "portuguese", "italian", "dutch"}
    assert cues.labels().values[("standort",)] == "location"
