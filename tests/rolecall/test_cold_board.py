"""A board without a log, from a folder of adverts to a served answer and a report: every stage, with tiny models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from beam_jobs import activity, embed, ingest, label, verbalize
from contracts.errors import NothingToLearn
from contracts.workspace import Workspace
from feature_repo.store import apply, materialize, training_set
from models.config import ExportConfig, StudentConfig, TeacherConfig
from models.student.distil import train_student
from models.teachers.scores import leave_out
from models.teachers.train import train_teacher
from policy import load_policy
from policy.judges.rubric import RubricConfig
from release.release import release
from replay.report.page import render
from replay.results import Results
from replay.run import replay
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.search import search
from rolecall.answer import serve_once
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running

TITLES = ("Registered Nurse", "Line Cook", "Truck Driver", "Java Developer", "Accountant", "Welder")
SKILLS = ("Triage", "Grilling", "Logistics", "Spring", "Bookkeeping", "TIG")
LISTS = ("--train-lists", "16", "--valid-lists", "4", "--test-lists", "4", "--train-candidates", "6")
LISTS += ("--valid-candidates", "6", "--test-candidates", "6", "--served-lists", "2", "--served-held-lists", "2")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, tiny: Path, encoder_folder: Path) -> Workspace:
    """Thirty adverts without dates, from raw to a bundle, an index and a feature store."""
    data, workspace = tmp_path_factory.mktemp("data"), Workspace(tmp_path_factory.mktemp("board"))
    jobs = [
        {
            "id": f"j{i}",
            "title": TITLES[i % 6],
            "skills": [SKILLS[i % 6]],
            "location": ("Denver, CO", "Boise, ID")[i % 2],
        }
        for i in range(30)
    ]
    (data / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    place = ["--workspace", str(workspace.root)]
    ingest.run([*place, "--source", str(data)])
    verbalize.run(place)
    activity.run(place)
    shutil.copytree(encoder_folder, workspace.encoder)
    embed.run(place)
    label.run([*place, *LISTS])
    apply(workspace)
    training_set(workspace)
    teacher = TeacherConfig(backbone=tiny, joint_layers=2, frozen_layers=0, epochs=1, learning_rate=1e-3, least_kappa=0)
    train_teacher(workspace, "policy", teacher)
    with pytest.raises(NothingToLearn) as nothing:
        train_teacher(workspace, "click", teacher)
    leave_out(workspace, "click", nothing.value.what)
    knobs = {"backbone": tiny, "frozen_layers": 0, "frozen_item_layers": 0, "item_tokens": 2, "learning_rate": 1e-3}
    train_student(workspace, StudentConfig(**knobs, epochs=1, served_epochs=1))
    bundle = release(
        workspace,
        ExportConfig(precision="float32", least_agreement=0, least_rank_correlation=-1, most_calibration_error=1),
    )
    embed.run([*place, "--what", "items"])
    build_index(workspace, bundle)
    apply(workspace)
    materialize(workspace)
    return workspace


@pytest.fixture(scope="module")
def results(board: Workspace) -> Results:
    return replay(board, resamples=100, judge=RubricConfig(), policy=load_policy())


@pytest.fixture(scope="module")
def client(board: Workspace) -> Iterator[httpx.Client]:
    with running(Engine(board, ServeConfig(deadline=60))) as url, httpx.Client(base_url=url, timeout=60) as found:
        yield found


def test_a_profile_is_answered_and_a_search_too(client: httpx.Client) -> None:
    profile = {"headline": "Registered nurse", "skills": ["Triage"], "location": "Denver, CO"}
    for path, body in (("recommend", {"profile": profile}), ("search", {"query": "welder"})):
        answer = client.post(f"/v1/{path}", json={**body, "k": 5}).raise_for_status().json()
        assert len(answer["results"]) == 5
        assert not answer["degraded"]
        assert all(set(result["scores"]) <= {"relevance"} for result in answer["results"])


def test_nothing_is_popular_where_nobody_looked(client: httpx.Client) -> None:
    answer = client.post("/v1/recommend", json={"profile": {"headline": "Line cook"}, "k": 20}).json()
    assert not any("popular" in result["found_by"] for result in answer["results"])


def test_the_recipe_ends_with_a_question_that_this_board_can_be_asked(board: Workspace) -> None:
    text = serve_once(board)
    assert text.startswith('POST /v1/recommend {"profile": {"headline": ')
    assert "bundle" in text


def test_the_replay_says_what_it_cannot_say(results: Results) -> None:
    assert results.made
    assert results.table("end_to_end") is None
    assert results.served is not None  # what the judge says of the answers, it can say
    page = render(results)
    assert "nobody can tell" in page
    assert "made of members and adverts" in page


def test_a_board_without_a_model_is_searched(board: Workspace) -> None:
    found = search(build_index(board), "welder", 10, Filter())
    titles = [found.index.display(int(row))["title"] for row in found.candidates.rows]
    assert titles.count("Welder") == 5  # all of them, among what an encoder that nobody trained finds
