"""What is wrong with a knob is told with its name, where its value came from, and a cure."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInput, NotReady
from rolecall.params import Params, load_params
from tests.make import refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text("student: {epochs: 3}\n")
    return path


def test_the_defaults_are_those_of_the_file_that_the_recipe_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a run outside the repository, where no file is found, is the run that the pages describe."""
    root = Path(__file__).parents[2]
    shipped = load_params(root / "params.yaml").model_dump(exclude={"plugins"})
    assert policy_of(shipped) == (root / "policy" / "policy.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    default = load_params().model_dump(exclude={"plugins"})
    assert policy_of(default) == policy_of(shipped)
    form = shipped["verbalize"]["form"]  # DVC needs a path: it is the form that nobody chose
    assert form == root / "contracts" / "text" / "form.yaml" and default["verbalize"]["form"] is None
    for knobs in (shipped, default):
        knobs["label"].pop("policy")
        knobs["verbalize"].pop("form")
    assert default == shipped


def policy_of(knobs: dict[str, Any]) -> str:
    return Path(knobs["label"]["policy"] or files("policy") / "policy.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("ROLECALL_INDEX__ENGINE", "fais", ("index.engine", "'fais'")),
        ("ROLECALL_STUDENT__EPOCHS", "-1", ("student.epochs", -1)),
        ("ROLECALL_INDEX__FAISS__EFSEARCH", "9", ("index.faiss.efsearch", "ef_search")),
        ("ROLECALL_ENCODER__TRAIN", "{epoch: 2}", ("encoder.train.epoch", "epochs")),
        ("ROLECALL_RETRIEVAL__RECOMMEND__LINKS", "0.9", ("params.yaml", "retrieval.recommend")),
        ("ROLECALL_LABEL__JUDGE", "{kind: rubric, model: 5}", ("label.judge", "model")),
        ("ROLECALL_STUDNT", "{epochs: 1}", ("'studnt'", "student")),
        ("ROLECALL_INDX__ENGINE", "faiss", ("'indx'", "index")),
        ("ROLECALL_NOTHING__LIKE_IT", "1", ("'nothing'", *Params.model_fields)),
        ("ROLECALL_SEED", "[", ("line 1",)),
        ("ROLECALL_SERVE__DEADLNE", "2", ("serve.deadlne", "deadline")),
        ("ROLECALL_SERVE__POLL", "-1", ("serve.poll", -1)),
        ("ROLECALL_SERVE__TELEMETRY__TRACES", "collector:4318", ("serve.telemetry.traces", "collector:4318")),
        ("ROLECALL_SERVE__TELEMETRY__SHARE", "2", ("serve.telemetry.share", 2)),
        ("ROLECALL_SERVE__TELEMETRY", "{trace: http://localhost/}", ("serve.telemetry.trace", "traces")),
        ("ROLECALL_SERVE__DRIFT__SHARE", "much", ("serve.drift.share", "'much'")),
        ("ROLECALL_SRVE__DEADLINE", "2", ("'srve'", "serve")),
    ],
)
def test_a_wrong_variable_of_the_environment_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: tuple[object, ...]
) -> None:
    monkeypatch.setenv(name, value)
    with refused(BadInput, *named, where=name):
        load_params(file)


def test_a_wrong_knob_of_the_file_is_named_with_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLECALL_INDEX__ENGINE", "faiss")
    file.write_text("student: {epoch: 3}\n")
    with refused(BadInput, "student.epoch", "epochs", where="params.yaml"):
        load_params(file)


def test_another_program_may_have_a_variable_that_begins_alike(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLECALL_SERVICE_HOST", "10.0.0.1")
    assert load_params(file).student.epochs == 3


def test_a_variable_wins_over_the_file_and_leaves_the_other_knobs(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("student: {epochs: 3, via: [8], weights: {view: 2}}\nindex: {faiss: {lists: 4}}\n")
    monkeypatch.setenv("ROLECALL_STUDENT__EPOCHS", "5")
    monkeypatch.setenv("ROLECALL_STUDENT__VIA", "[16, 8]")
    monkeypatch.setenv("ROLECALL_INDEX__FAISS__LISTS", "null")
    knobs = load_params(file)
    assert (knobs.student.epochs, knobs.student.via, knobs.student.weights) == (5, (16, 8), {"view": 2})
    assert knobs.index.faiss.lists is None


def test_plugins_are_imported_before_the_knobs_are_checked(file: Path) -> None:
    plugin = file.with_name("own_plugin.py")
    plugin.write_text("import pathlib\npathlib.Path(__file__).with_suffix('.txt').touch()\n")
    file.write_text(f"plugins: [{plugin}]\n")
    assert load_params(file).plugins == (str(plugin),)
    assert plugin.with_suffix(".txt").exists()


def test_a_plugin_that_is_not_there_is_named(file: Path) -> None:
    file.write_text("plugins: [no_such_module]\n")
    with refused(NotReady, "no_such_module"):
        load_params(file)


def test_paths_in_a_file_of_knobs_are_relative_to_it(tmp_path, monkeypatch):
    """Those of variables are of where the command runs, and an absolute one stays."""
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "params.yaml"
    file.write_text("label: {policy: my.yaml}\nlinks: {edits: /etc/edits.yaml}\n")
    monkeypatch.setenv("ROLECALL_RULES__FILE", "rules.yaml")
    knobs = load_params(file)
    assert knobs.label.policy == tmp_path / "there" / "my.yaml"
    assert (knobs.links.edits, knobs.rules.file) == (Path("/etc/edits.yaml"), Path("rules.yaml"))
    monkeypatch.chdir(tmp_path / "there")
    assert load_params().label.policy == Path("my.yaml")
