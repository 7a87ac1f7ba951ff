"""O*NET's files as jobs and expert grades."""

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import UnreadableFile
from contracts.records import Grade
from sources import Reject
from sources.onet import ATTRIBUTION


@pytest.fixture
def occupations(tmp_path: Path) -> Path:
    files = {
        "Occupation Data.txt": [
            "O*NET-SOC Code\tTitle\tDescription",
            "1\tCooks\tPrepare food.",
            "2\tBakers\tBake bread.",
        ],
        "Task Statements.txt": ["O*NET-SOC Code\tTask ID\tTask", "1\t7\tGrill meat."],
        "Technology Skills.txt": ["O*NET-SOC Code\tExample\tHot Technology", "1\tTill\tN", "1\tExcel\tY"],
        "Job Zones.txt": ["O*NET-SOC Code\tJob Zone", "1\t2"],
        "Related Occupations.txt": [
            "O*NET-SOC Code\tRelated O*NET-SOC Code\tRelatedness Tier\tIndex",
            "1\t2\tPrimary-Short\t1",
            "2\t1\tSupplemental\t9",
            "9\t1\tPrimary-Long\t3",
        ],
    }
    for name, rows in files.items():
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    return tmp_path


def test_an_occupation_is_a_job(occupations: Path, read: Callable) -> None:
    cook, baker = read(occupations, "jobs")
    assert (cook.id, cook.title, cook.seniority, cook.skills) == ("1", "Cooks", "entry", ("Excel", "Till"))
    assert cook.description == "Prepare food. Grill meat."
    assert (baker.seniority, baker.skills) == (None, ())


def test_relatedness_is_graded_by_tier(occupations: Path, read: Callable) -> None:
    grades = {(g.query, g.job_id): g.grade for g in read(occupations, "grades") if isinstance(g, Grade)}
    assert grades == {("Cooks", "1"): 4, ("Bakers", "2"): 4, ("Cooks", "2"): 3, ("Bakers", "1"): 1}


def test_a_relation_of_an_unknown_occupation_is_set_aside(occupations: Path, read: Callable) -> None:
    assert [r.row for r in read(occupations, "grades") if isinstance(r, Reject)] == [3]


def test_a_line_that_does_not_match_the_header_is_named(occupations: Path, read: Callable) -> None:
    (occupations / "Job Zones.txt").write_text("O*NET-SOC Code\tJob Zone\n1\t2\t3\n")
    with pytest.raises(UnreadableFile, match=r"Job Zones\.txt: row 1 has 3 cells under 2 columns"):
        read(occupations, "jobs")


def test_the_licence_is_named() -> None:
    assert "CC BY 4.0" in ATTRIBUTION
