"""`rolecall search`: a table for people, values for programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import BadInput
from contracts.workspace import Workspace
from retrieval.index.build import build_index
from tests.make import refused

THEN = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = {"Nurse": "Denver, Colorado", "Head Nurse of a very long and tiresome title": "Austin, Texas"}


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, two_jobs: Callable[[Path, Mapping[str, str]], Workspace]
) -> Workspace:
    """An index of two jobs whose encoder is gone."""
    found = two_jobs(tmp_path_factory.mktemp("search"), PLACES)
    build_index(found)
    shutil.rmtree(found.encoder)
    return found


def test_people_get_a_table_that_says_how_the_query_was_read(
    rolecall: Callable[..., str], workspace: Workspace
) -> None:
    lines = rolecall("search", "nurse in Denver", "-w", workspace.root).splitlines()
    assert lines[:2] == ["read as 'nurse'", "  first in Denver  (place:denver)"]  # few nurses are there
    assert lines[2].startswith("2 jobs, 2 open, 2 pass; asked terms, popular (no vectors: no encoder in ")
    assert lines[-3].split() == ["rank", "title", "company", "place", "found", "by", "score"]
    assert lines[-2].split()[:6] == ["1", "Nurse", "Mercy", "Denver,", "Colorado", "terms"]


def test_a_long_title_keeps_the_columns(rolecall: Callable[..., str], workspace: Workspace) -> None:
    head, first, second = rolecall("search", "nurse", "--index", workspace.index).splitlines()[-3:]
    assert "Head Nurse of a very long and tiresome …  Mercy" in first + second
    assert head.index("company") == first.index("Mercy") == second.index("Mercy")


def test_programs_get_values(rolecall: Callable[..., str], workspace: Workspace) -> None:
    wanted = '{"all": [{"attribute": "city", "any_of": ["Austin"]}]}'
    told = json.loads(rolecall("search", "nurse", "-w", workspace.root, "-k", 5, "--filter", wanted, "--json"))
    [result] = told["results"]
    assert (result["rank"], result["job_id"], result["found_by"]) == (1, "j1", ["terms"])
    assert told["words"] == "nurse" and told["filter"] == json.loads(wanted)


def test_no_job_is_said(rolecall: Callable[..., str], workspace: Workspace) -> None:
    wanted = '{"all": [{"attribute": "city", "any_of": ["Boise"]}]}'
    lines = rolecall("search", "nurse", "-w", workspace.root, "--filter", wanted).splitlines()
    assert lines[-1] == "no job"
    assert "no job has city 'Boise'" in lines


def test_jobs_near_a_town_are_found(rolecall: Callable[..., str], workspace: Workspace) -> None:
    near = '{"all": [{"within": {"place": "Round Rock, TX", "km": 50}}]}'
    told = json.loads(rolecall("search", "nurse", "-w", workspace.root, "--filter", near, "--json"))
    assert [result["job_id"] for result in told["results"]] == ["j1"]
    assert told["filter"] == json.loads(near)


def test_a_broken_filter_is_said(rolecall: Callable[..., str], workspace: Workspace) -> None:
    with refused(BadInput, "'{'", where="filter"):
        rolecall("search", "nurse", "-w", workspace.root, "--filter", "{")


def test_without_an_index_the_command_that_makes_one_is_named(rolecall: Callable[..., str], tmp_path: Path) -> None:
    from contracts.errors import NotReady

    with refused(NotReady, tmp_path, "rolecall index"):
        rolecall("search", "nurse", "-w", tmp_path)
