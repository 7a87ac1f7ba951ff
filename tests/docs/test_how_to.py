"""The classes that the pages on plugs show do what the pages say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from contracts.plugins import load_plugin
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.training.rows import read_rows
from sources.open import SOURCES, open_source

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The Python of a page as a file of its own."""
    [code] = re.findall(r"```python\n(.*?)```", (HOW_TO / request.param).read_text(), re.DOTALL)
    path = tmp_path / f"{Path(request.param).stem.replace('-', '_')}.py"
    path.write_text(code)
    yield str(path)


@pytest.mark.parametrize("plugin", ["add-a-source.md"], indirect=True)
def test_the_source_of_the_page_reads_its_folder(plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SOURCES, "_classes", dict(SOURCES._classes))  # other tests do not meet it
    load_plugin(plugin)
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "adverts.csv").write_text("REF,HEADING,TOWN,DATE\n7,Nurse,Austin,2026-01-01\n")
    source = open_source(tmp_path / "board")
    [row] = [row for shard in source.shards("jobs") for row in source.read(shard)]
    assert (source.name, row.value) == (
        "board",
        {"id": "7", "title": "Nurse", "location": "Austin", "updated_at": "2026-01-01"},
    )


@pytest.mark.parametrize("plugin", ["add-a-teacher.md"], indirect=True)
def test_the_teacher_of_the_page_learns_the_share_of_views(
    plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: Callable[..., Workspace]
) -> None:
    monkeypatch.setattr(TEACHERS, "_classes", dict(TEACHERS._classes))
    load_plugin(plugin)
    workspace = labelled(20)
    rows = read_rows(workspace.training)
    kind = TEACHERS.get("rates")
    teacher = kind(workspace, kind.Config())
    learned = teacher.fit(rows, teacher.targets(rows), tmp_path / "stopped")
    views = rows.target("view")[rows.splits == "train"]
    scores = teacher.scores(rows, np.arange(4))
    assert learned == len(views) and scores.shape == (4, 1)
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), views.mean(), rtol=1e-5)
