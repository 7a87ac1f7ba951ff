"""O*NET's files as jobs and expert grades."""

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import MissingColumn
from contracts.records import Grade
from examples.sources.onet import ATTRIBUTION
from sources import Reject, open_source
from tests.make import refused


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


def test_a_line_that_does_not_match_the_header_is_set_aside_and_nothing_else_is_lost(
    occupations: Path, read: Callable
) -> None:
    for name in ("Occupation Data.txt", "Task Statements.txt", "Technology Skills.txt", "Job Zones.txt"):
        with (occupations / name).open("a") as file:
            file.write(f"short line of {name}\n")
    rows = read(occupations, "jobs")
    assert [row.id for row in rows if not isinstance(row, Reject)] == ["1", "2"]
    rejects = [row for row in rows if isinstance(row, Reject)]
    assert {row.reason for row in rejects} == {"wrong_column_count"}
    assert sorted(row.raw for row in rejects) == sorted(f"short line of {Path(row.source).name}" for row in rejects)
    assert len(rejects) == 4


def test_a_short_line_of_relations_is_set_aside(occupations: Path, read: Callable) -> None:
    with (occupations / "Related Occupations.txt").open("a") as file:
        file.write("1\t2\n")
    rows = read(occupations, "grades")
    assert [(r.reason, r.row) for r in rows if isinstance(r, Reject)] == [
        ("wrong_column_count", 4),
        ("unknown_value", 3),
    ]
    assert sum(isinstance(row, Grade) for row in rows) == 4


@pytest.mark.parametrize("zone", ["n/a", "6", "0", "", "²"])
def test_an_unknown_job_zone_is_left_out_and_said_but_the_job_stays(
    occupations: Path, read: Callable, zone: str
) -> None:
    (occupations / "Job Zones.txt").write_text(f"O*NET-SOC Code\tJob Zone\n1\t{zone}\n2\t3\n")
    reject, cook, baker = read(occupations, "jobs")
    assert (cook.id, cook.seniority, baker.seniority) == ("1", None, "mid")
    assert (reject.reason, reject.row, reject.raw) == ("unknown_value", 1, f"1\t{zone}")


def test_a_10_mb_task_is_set_aside_and_the_job_stays(occupations: Path, read: Callable) -> None:
    with (occupations / "Task Statements.txt").open("a") as file:
        file.write("1\t8\t" + "x" * 10_000_000 + "\n")
    reject, cook, baker = read(occupations, "jobs")
    assert (cook.description, baker.id) == ("Prepare food. Grill meat.", "2")
    assert (reject.reason, len(reject.raw)) == ("text_too_long", 10_000_004)


@pytest.mark.parametrize("name", ["Job Zones.txt", "Technology Skills.txt", "Related Occupations.txt"])
def test_a_missing_column_of_any_file_is_said_before_any_is_read(occupations: Path, name: str) -> None:
    (occupations / name).write_text("O*NET-SOC Code\tNote\n1\t2\n")
    with refused(MissingColumn, "O*NET-SOC Code, Note", where=name):
        open_source(occupations).shards("jobs")


def test_the_licence_is_named() -> None:
    assert "CC BY 4.0" in ATTRIBUTION
