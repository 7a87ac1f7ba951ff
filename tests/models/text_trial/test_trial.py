"""Forms of texts on trial: texts are made again from their records, small teachers are compared, one may win."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from beam_jobs import verbalize
from contracts.arrow import to_table
from contracts.errors import BadInput, NothingToLearn, NotReady
from contracts.records import Job, Member
from contracts.tables import read_table, write_part
from contracts.text.form import JOB_BUDGET, MEMBER_BUDGET, TextForm, read_form
from contracts.text.verbalizer import Verbalizer, request_text
from contracts.versions import row_hash
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.registry import TEACHERS, teacher_config
from models.teachers.base import Teacher
from models.teachers.train import train_teacher
from models.text_trial.forms import near_forms, read_forms
from models.text_trial.retell import read_origins, retell
from models.text_trial.telling import SHRINK, _weights, telling_words
from models.text_trial.trial import CONTROL, IN_FORCE, SPLITS, Figure, Tried, _gains, try_forms
from models.training.rows import Rows, read_rows
from rolecall.cli import app
from tests.conftest import TRADES, training_table
from tests.make import refused

DAY = datetime(2026, 1, 1, tzinfo=UTC)
LISTS = 60
NOISE = "We care for the planet."


def write_records(workspace: Workspace, table: str, records: Sequence[Member | Job]) -> None:
    rows = to_table(records, type(records[0]))
    hashes = pa.array([row_hash(record.model_dump_json()) for record in records])
    write_part(workspace.records / table, rows.append_column("row_hash", hashes))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Workspace:
    """A board whose members say their trade as a skill alone, behind much else. Nobody writes to it."""
    workspace = Workspace(tmp_path_factory.mktemp("board"))
    table = training_table(LISTS).to_pylist()
    trades = {row["member_id"]: row["request_text"].split(" | ")[0].removeprefix("headline: ") for row in table}
    members = [
        Member(id=name, headline="Open to work or to learn at once or a little later", skills=(trade,), updated_at=DAY)
        for name, trade in trades.items()
    ]
    jobs = [
        Job(
            id=row["job_id"],
            title=row["job_text"].split(" | ")[0].removeprefix("title: "),
            description=f"{NOISE} You are a {row['job_text'].split(' | ')[0].removeprefix('title: ')}.",
            updated_at=DAY,
        )
        for row in table
    ]
    write_records(workspace, "members", members)
    write_records(workspace, "jobs", jobs)
    verbalize.run(["--workspace", str(workspace.root)])
    text = {
        view: {row[key]: row["text"] for row in read_table(workspace.features / view).to_pylist()}
        for view, key in (("member_text", "member_id"), ("job_text", "job_id"))
    }
    version = read_table(workspace.features / "job_text")["text_version"][0].as_py()
    for row in table:
        row["request_text"] = request_text(text["member_text"][row["member_id"]], query="now")
        row["job_text"], row["text_version"] = text["job_text"][row["job_id"]], version
    write_part(workspace.training, pa.Table.from_pylist(table, schema=training_table(1).schema))
    train_teacher(workspace, "policy", config(tiny))
    return workspace


WORDS = 12


class ByWords(Teacher):
    """Says how many of the words that a model would read first two texts share; it learns nothing."""

    name, tasks = "by_words", ("relevance",)

    def fit(self, rows: Rows, targets: np.ndarray, stopped: Path) -> int:
        return 1

    def scores(self, rows: Rows, chosen: np.ndarray) -> np.ndarray:
        pairs = ((rows.requests[rows.request[i]], rows.jobs[rows.job[i]]) for i in chosen)
        return np.array([[self._score(request, job)] for request, job in pairs], np.float32)

    def _score(self, request: str, job: str) -> float:
        first = request.replace("|", "").split()[:WORDS]
        return float(len(set(first) & set(TRADES) & set(job.split())))


class ByChance(ByWords):
    """Says anything, another thing for another seed."""

    name = "by_chance"

    def _score(self, request: str, job: str) -> float:
        return float(zlib.crc32(f"{self.config.seed} {request} {job}".encode()))


def registered(kind: type[Teacher]) -> Iterator[str]:
    TEACHERS.register(kind.name)(kind)
    yield kind.name
    TEACHERS._classes.pop(kind.name, None)


@pytest.fixture
def by_words() -> Iterator[str]:
    yield from registered(ByWords)


@pytest.fixture
def by_chance() -> Iterator[str]:
    yield from registered(ByChance)


def config(tiny: Path, **knobs: int) -> TeacherConfig:
    lengths = {"max_request_tokens": 48, "max_job_tokens": 32, "max_pairs": 240} | knobs
    return TeacherConfig(
        backbone=tiny, joint_layers=2, frozen_layers=0, epochs=2, learning_rate=1e-3, match=False, **lengths
    )


def test_texts_made_again_in_the_form_in_force_are_the_same(board: Workspace) -> None:
    rows = read_rows(board.training)
    origins = read_origins(board, rows)
    again = retell(rows, origins, origins.verbalizer)
    assert (again.requests, again.jobs) == (rows.requests, rows.jobs)
    assert len(origins.members) == len(rows.requests)


def test_a_request_keeps_what_is_not_of_the_member(board: Workspace) -> None:
    rows = read_rows(board.training)
    origins = read_origins(board, rows)
    form = near_forms(TextForm())["member-skills-first"]
    told = retell(rows, origins, Verbalizer(origins.verbalizer.percentiles, form))
    assert told.requests[0].startswith("search: now | skills: ")
    assert told.text_version != rows.text_version


def test_texts_of_another_version_are_refused(board: Workspace, tmp_path: Path) -> None:
    rows = read_rows(board.training)
    old = Workspace(tmp_path)
    for name in ("records", "features", "training"):
        (tmp_path / name).symlink_to(board.root / name)
    form = tmp_path / "form.yaml"
    form.write_text("job: {title: 16}")
    old.percentiles.write_text(json.dumps({"breaks": {}, "form": {"job": {"title": 16}}}))
    with refused(BadInput, rows.text_version, where=old.training):
        read_origins(old, rows)


def test_a_job_without_its_record_is_named(board: Workspace, tmp_path: Path) -> None:
    (tmp_path / "features").symlink_to(board.root / "features")
    (tmp_path / "training").symlink_to(board.root / "training")
    (tmp_path / "percentiles.json").symlink_to(board.percentiles)
    poor = Workspace(tmp_path)
    (poor.records / "members").parent.mkdir(parents=True)
    (poor.records / "members").symlink_to(board.records / "members")
    write_records(poor, "jobs", [Job(id="j-else", title="Baker", updated_at=DAY)])
    with refused(BadInput, "no record behind the text of job"):
        read_origins(poor, read_rows(poor.training))


def test_a_member_without_their_record_is_named(board: Workspace, tmp_path: Path) -> None:
    for name in ("features", "training", "percentiles.json"):
        (tmp_path / name).symlink_to(board.root / name)
    poor = Workspace(tmp_path)
    poor.records.mkdir()
    (poor.records / "jobs").symlink_to(board.records / "jobs")
    write_records(poor, "members", [Member(id="m-else", headline="Baker", updated_at=DAY)])
    with refused(BadInput, "no record behind the text of member"):
        read_origins(poor, read_rows(poor.training))


def test_the_form_that_shows_the_trade_wins(board: Workspace, by_words: str) -> None:
    """The teacher reads 12 words: no skill stands there, unless skills come first."""
    forms = {
        "skills-first": TextForm(member=_first("skills")),
        "worked-first": TextForm(member=_first("worked")),
    }
    trial = try_forms(board, by_words, TeacherConfig(), forms, seeds=1, most=40)
    by_name = {one.name: one for one in trial.tried}
    assert list(by_name) == [IN_FORCE, CONTROL, *forms]
    assert by_name[IN_FORCE].gain["valid"].value == by_name[CONTROL].gain["valid"].value == 0
    assert by_name["skills-first"].ndcg["test"].value == 1
    assert (trial.winner, trial.confirmed) == ("skills-first", True)
    assert read_form(board.text_trial / "skills-first.yaml").digest == forms["skills-first"].digest
    assert json.loads((board.text_trial / "trial.json").read_text())["winner"] == "skills-first"


def test_a_form_that_loses_or_gains_nothing_is_no_winner(board: Workspace, by_words: str) -> None:
    shown_late = TextForm(member=_first("headline"), job=JOB_BUDGET | {"description": 1})
    trial = try_forms(board, by_words, TeacherConfig(), {"same": shown_late}, seeds=1)
    assert (trial.winner, trial.confirmed) == ("", False)


def test_small_text_teachers_are_trained(board: Workspace, tiny: Path) -> None:
    forms = {"worked-first": TextForm(member=_first("worked"))}  # nobody of this board says where they worked
    trial = try_forms(board, "policy", config(tiny, max_pairs=60), forms, seeds=1, most=20)
    assert 0 < trial.tried[0].ndcg["test"].value < 1
    assert trial.tried[2].gain["test"].value == 0


def test_a_gain_that_the_control_has_too_is_chance(board: Workspace, by_chance: str) -> None:
    """Its scores are noise by its seed and text: forms differ, and so does the same form with another seed."""
    forms = {name: TextForm(member=_first(name)) for name in ("skills", "wants", "worked")}
    trial = try_forms(board, by_chance, TeacherConfig(), forms, seeds=1)
    control = next(one for one in trial.tried if one.name == CONTROL)
    assert control.gain["valid"].value != 0
    assert not trial.confirmed


def test_what_the_control_gains_on_test_requests_confirms_nothing() -> None:
    def tried(name: str, valid: float, test: float) -> Tried:
        gains = dict(zip(SPLITS, (valid, test), strict=True))
        figure = {split: Figure(value=gain, low=gain / 2, high=gain * 2) for split, gain in gains.items()}
        return Tried(name=name, digest="", ndcg=figure, gain=figure, words=(1, 1))

    control, form = tried(CONTROL, 0.01, 0.03), tried("form", 0.02, 0.02)
    assert _gains(form, (control, form), "valid")
    assert not _gains(form, (control, form), "test")


def test_words_are_weighed_by_how_far_their_sentences_move_the_logit() -> None:
    said = ["Weld steel.", "Weld pipes.", "Weld boats.", "Free coffee.", "Free tea.", "Free cake."]
    weights = _weights(said, np.array([3.0, 3.0, 3.0, 1.0, 1.0, 1.0]))
    assert weights == {"free": round(-3 / (3 + SHRINK), 4), "weld": round(3 / (3 + SHRINK), 4)}


def test_words_of_descriptions_get_weights(board: Workspace) -> None:
    rows = read_rows(board.training)
    folder = next(path for path in (board.teachers / "policy").iterdir() if path.is_dir())
    telling = telling_words(folder, rows, read_origins(board, rows), pairs=40)
    assert {"planet", "you"} <= set(telling)
    assert set(telling) <= {*TRADES, *["we", "care", "for", "the", "planet", "you", "are", "a"]}
    assert all(np.isfinite(list(telling.values())))
    assert telling == telling_words(folder, rows, read_origins(board, rows), pairs=40)


def test_a_teacher_that_reads_no_text_is_refused(board: Workspace) -> None:
    from contracts.values import FrozenModel

    with refused(BadInput, "reads no texts"):
        try_forms(board, "policy", FrozenModel(), None)


@pytest.mark.parametrize("name", ["decoder", "graph"])
def test_a_teacher_that_reads_text_of_a_table_is_refused(board: Workspace, name: str) -> None:
    """No form would reach it, and all would look alike."""
    with refused(BadInput, f"the {name} teacher", "policy"):
        try_forms(board, name, teacher_config(name)(), {"other": TextForm(job={"title": 16})})


def test_a_teacher_whose_first_task_nothing_teaches_is_refused(
    board: Workspace, by_words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ByWords, "fit", lambda self, *rest: setattr(self, "answered", ("view",)))
    with refused(NothingToLearn, "relevance", "rolecall label"):
        try_forms(board, by_words, TeacherConfig(), {"same": TextForm()}, seeds=1, most=20)


def test_the_command_trains_small_teachers_that_have_learned_from_no_form(
    board: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The click teacher begins as the policy teacher, which has learned from the form in force."""
    asked: list[TeacherConfig] = []

    def tried(workspace: Workspace, name: str, config: TeacherConfig, *rest: object) -> None:
        asked.append(config)
        raise NotReady("as far as this", cure="none")

    monkeypatch.setattr("models.text_trial.trial.try_forms", tried)
    CliRunner().invoke(app, ["text", "trial", "--teacher", "click", "--workspace", str(board.root), "--pairs", "60"])
    (config,) = asked
    assert (config.max_pairs, config.seeds, config.warm_start, config.base) == (60, 1, False, None)


def test_a_member_of_whom_a_form_says_nothing_leaves_no_trace(board: Workspace) -> None:
    rows = read_rows(board.training)
    origins = read_origins(board, rows)
    nobody = {number: (part, Member(id="m", updated_at=DAY)) for number, (part, _) in origins.members.items()}
    told = retell(rows, origins._replace(members=nobody), origins.verbalizer)
    assert set(told.requests) == {"search: now"}


def test_without_a_teacher_nothing_says_what_tells(board: Workspace, tiny: Path, tmp_path: Path) -> None:
    for name in ("records", "features", "training", "percentiles.json"):
        (tmp_path / name).symlink_to(board.root / name)
    with refused(NotReady, "rolecall train policy"):
        try_forms(Workspace(tmp_path), "policy", config(tiny), None)


def test_a_teacher_that_is_no_language_model_says_of_no_sentence_what_it_tells(board: Workspace, by_words: str) -> None:
    """It is tried on the near forms, untrained as it is."""
    trial = try_forms(board, by_words, TeacherConfig(), None, seeds=1, most=10)
    assert [one.name for one in trial.tried] == [IN_FORCE, CONTROL, *near_forms(TextForm())]
    assert trial.winner == "member-skills-first"


def test_near_forms_differ_from_the_one_in_force_and_each_other() -> None:
    forms = near_forms(TextForm())
    assert len({form.digest for form in forms.values()} | {""}) == len(forms) + 1
    assert set(forms["job-without-company"].job) == set(JOB_BUDGET) - {"company"}
    assert next(iter(forms["member-wants-first"].member)) == "wants"


@pytest.mark.parametrize(
    "text",
    [
        "forms: {in-force: {}}",
        "forms: {in-force-again: {}}",
        "forms: {}",
        "forms: {'../x': {}}",
        "forms: {a: {member: {}}}",
        "other: 1",
    ],
)
def test_a_file_of_forms_that_cannot_be_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "forms.yaml"
    path.write_text(text)
    with refused(BadInput, where=path):
        read_forms(path)


def test_the_command_shows_a_record_and_refuses_an_unknown_one(board: Workspace, tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    form.write_text("job: {title: 16}")
    run = CliRunner()
    shown = run.invoke(app, ["text", "show", "j0-1", "--workspace", str(board.root), "--form", str(form)])
    assert shown.output.startswith("job j0-1: title: ")
    assert "company" not in shown.output
    assert isinstance(run.invoke(app, ["text", "show", "nobody", "--workspace", str(board.root)]).exception, BadInput)


def test_a_form_becomes_the_text_version_and_goes_again(board: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "copy")
    write_records(workspace, "jobs", [Job(id="j", title="Baker", company="Boise", updated_at=DAY)])
    write_records(workspace, "members", [Member(id="m", headline="Baker", updated_at=DAY)])
    form = tmp_path / "form.yaml"
    form.write_text("job: {title: 16}")
    texts = []
    for flags in ([], ["--form", str(form)], []):
        verbalize.run(["--workspace", str(workspace.root), *flags])
        texts.append(read_table(workspace.features / "job_text")["text"].to_pylist())
    assert texts == [["title: Baker | company: Boise"], ["title: Baker"], ["title: Baker | company: Boise"]]


def _first(name: str) -> dict[str, int]:
    return {name: MEMBER_BUDGET[name], **{other: size for other, size in MEMBER_BUDGET.items() if other != name}}
