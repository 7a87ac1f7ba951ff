"""`rolecall policy` and `rolecall golden`, from a log to a set that a workspace can be labelled by."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.errors import BadInput, NotReady, OtherPolicy
from contracts.workspace import Workspace
from policy import load_policy
from policy.golden.golden import load_golden
from policy.golden.sheets import SHEET_COLUMNS
from rolecall.cli import app
from simulator import simulate
from tests.make import refused

START = datetime(2025, 1, 6, tzinfo=UTC)
TEXT = resources.files("policy").joinpath("policy.yaml").read_text("utf-8")


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception:
        raise done.exception
    return done


def rolecall(*arguments: object) -> str:
    return invoke(*arguments).stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate(folder, members=80, jobs=200, events=4_000, seed=5, start=START)
    return folder


@pytest.fixture
def workspace(data: Path, tmp_path: Path) -> Workspace:
    (tmp_path / "records").symlink_to(data)
    return Workspace(tmp_path)


def fill_in(sheet: Path, grade: int, but: dict[int, int]) -> None:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "grade": but.get(i, grade)} for i, row in enumerate(rows))


def test_from_a_log_to_a_golden_set_in_a_workspace(workspace: Workspace, tmp_path: Path) -> None:
    data = tmp_path / "own"
    folder = data / "golden"
    assert "40  pairs in" in rolecall("golden", "sample", folder, "-w", workspace.root, "--pairs", 40)
    with refused(BadInput, folder):
        rolecall("golden", "sample", folder, "-w", workspace.root)
    for grader, but in (("ann", {}), ("bob", {3: 4})):
        rolecall("golden", "sheet", folder, "--grader", grader)
        fill_in(folder / f"sheet-{grader}.csv", 1, but)
    with refused(BadInput, folder / "sheet-ann.csv"):
        rolecall("golden", "sheet", folder, "--grader", "ann")
    assert "(ann and bob)" in rolecall("golden", "agreement", folder)
    report = json.loads(rolecall("golden", "agreement", folder, "--json"))
    assert (report["pairs"], report["graders"], report["simulated"]) == (40, ["ann", "bob"], False)
    assert "39 pairs have a grade, 1 wait for one" in rolecall("golden", "adjudicate", folder)
    fill_in(folder / "adjudicated.csv", 1, {3: 2})
    assert "40 pairs have a grade, 0 wait" in rolecall("golden", "adjudicate", folder)
    rolecall("golden", "import", "--data", data, "-w", workspace.root)
    golden = load_golden(workspace.golden, load_policy().version)
    assert golden.adjudicated.tolist() == [1, 1, 1, 2] + [1] * 36


def test_after_an_edit_of_the_policy_a_set_is_taken_once_somebody_confirms_it(
    data: Path, workspace: Workspace, tmp_path: Path
) -> None:
    edited = tmp_path / "edited.yaml"
    edited.write_text(TEXT + "# edited\n")
    own = tmp_path / "own"
    (own / "golden").mkdir(parents=True)
    for path in (data / "golden").iterdir():
        if path.name != "accepted.csv":
            (own / "golden" / path.name).write_bytes(path.read_bytes())
    command = ("golden", "import", "--data", own, "-w", workspace.root, "--policy", edited)
    with refused(OtherPolicy, load_policy().version):
        rolecall(*command)
    rolecall(*command, "--accept-policy", "ann")
    load_golden(workspace.golden, load_policy(edited).version)


def test_a_set_that_does_not_hold_is_accepted_by_nobody(data: Path, workspace: Workspace, tmp_path: Path) -> None:
    own, edited = tmp_path / "own", tmp_path / "edited.yaml"
    edited.write_text(TEXT + "# edited\n")
    shutil.copytree(data / "golden", own / "golden")
    accepted = own / "golden" / "accepted.csv"
    before = accepted.read_bytes()
    (own / "golden" / "adjudicated.csv").unlink()
    with refused(NotReady, own / "golden", "golden adjudicate"):
        rolecall("golden", "import", "--data", own, "-w", workspace.root, "--policy", edited, "--accept-policy", "ann")
    assert accepted.read_bytes() == before


def test_the_policy_of_the_params_is_that_of_every_command(
    data: Path, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its path is relative to the working directory; one that is given goes before it."""
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(TEXT + "# own\n")
    Path("params.yaml").write_text("label: {policy: own.yaml}")
    own = load_policy(Path("own.yaml")).version
    assert f"policy {own} holds" in rolecall("policy", "check")
    folder = tmp_path / "data" / "golden"
    rolecall("golden", "sample", folder, "-w", workspace.root, "--pairs", 40)
    rolecall("golden", "sheet", folder, "--grader", "ann")
    assert own in (folder / "sheet-ann.csv").read_text()
    Path("built_in.yaml").write_text(TEXT)
    rolecall("golden", "sheet", folder, "--grader", "bob", "--policy", "built_in.yaml")
    assert load_policy().version in (folder / "sheet-bob.csv").read_text()
    with refused(OtherPolicy, own):
        bare = tmp_path / "bare" / "golden"
        shutil.copytree(data / "golden", bare, ignore=shutil.ignore_patterns("accepted.csv"))
        rolecall("golden", "import", "--data", bare.parent, "-w", workspace.root)


def test_what_is_imported_is_told_in_one_line(data: Path, workspace: Workspace, tmp_path: Path) -> None:
    said = invoke("golden", "import", "--data", data, "-w", workspace.root).stderr
    assert said.startswith("golden: simulated graders: quadratic kappa 0.")
    assert "title+place 0." in said
    assert said.count("\n") == 1
    (tmp_path / "bare").mkdir()
    said = invoke("golden", "import", "--data", tmp_path / "bare", "-w", workspace.root).stderr
    assert said.startswith("golden: no golden set in")
    assert said.count("\n") == 1
    with refused(BadInput, tmp_path / "nowhere"):
        rolecall("golden", "import", "--data", tmp_path / "nowhere", "-w", workspace.root)


def test_a_policy_is_checked(tmp_path: Path) -> None:
    assert "7 dimensions" in rolecall("policy", "check")
    own = tmp_path / "own.yaml"
    own.write_text(TEXT.replace("weight: 40", "weight: 41"))
    with refused(BadInput, "line ", "dimensions", 101, where=own):
        rolecall("policy", "check", own)


def test_a_change_of_the_policy_is_told_by_its_flips(data: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(TEXT)
    new.write_text(TEXT.replace("cuts: [1.2, 1.9, 2.5, 3.2]", "cuts: [1.2, 1.9, 2.5, 3.9]"))
    command = ("policy", "diff", old, new, "--golden", data / "golden")
    found = json.loads(rolecall(*command, "--json"))
    assert (found["old"], found["changed"]) == (load_policy().version, ["cuts"])
    assert found["flips"]
    assert {(flip["old"], flip["new"], *flip["moved_by"]) for flip in found["flips"]} == {(4, 3, "cuts")}
    *lines, last = rolecall(*command).splitlines()
    assert len(lines) == len(found["flips"])
    assert last.startswith(f"{len(lines)} of {found['pairs']} golden pairs would flip")


def test_the_guide_names_every_column_of_a_sheet() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "golden-set.md").read_text()
    assert [name for name in SHEET_COLUMNS if f"`{name}`" not in guide] == []
