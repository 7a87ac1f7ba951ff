"""A workspace that somebody sent is data: what could run as code is refused before Feast reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import NotAFeatureRepo
from contracts.workspace import Workspace
from feature_repo.store import open_store
from feature_repo.trusted import CONFIG, REGISTRY, require_trusted, templates
from tests.make import refused


def rewritten(workspace: Workspace, change: Callable[[Any], None]) -> Path:
    """The workspace's registry with a change."""
    from feast.protos.feast.core.Registry_pb2 import Registry

    path = workspace.feature_repo / REGISTRY
    registry = Registry.FromString(path.read_bytes())
    change(registry)
    path.write_bytes(registry.SerializeToString())
    return path


def on_demand(registry: Any) -> None:
    view = registry.on_demand_feature_views.add()
    view.spec.name = "sent"
    view.spec.project = "rolecall"
    view.spec.feature_transformation.user_defined_function.body_text = "open(MARKER, 'w')"


def stream(registry: Any) -> None:
    registry.stream_feature_views.add().spec.user_defined_function.body = b"pickled"


def class_of_a_source(registry: Any) -> None:
    registry.data_sources[0].data_source_class_type = "os.system"


def class_of_an_inner_source(registry: Any) -> None:
    registry.feature_views[0].spec.batch_source.data_source_class_type = "mine.Source"


def other_project(registry: Any) -> None:
    registry.feature_views[0].spec.project = "theirs"


def profiler(registry: Any) -> None:
    registry.validation_references.add().name = "mine"


def test_what_rolecall_writes_is_opened(applied: Workspace) -> None:
    require_trusted(applied.feature_repo)
    assert open_store(applied).project == "rolecall"


@pytest.mark.parametrize(
    "change", [on_demand, stream, class_of_a_source, class_of_an_inner_source, other_project, profiler]
)
def test_what_could_run_is_refused_before_feast_reads_it(
    applied: Workspace, change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import feast

    path = rewritten(applied, change)
    monkeypatch.setattr(feast, "FeatureStore", lambda **_: pytest.fail("Feast was asked"))
    with refused(NotAFeatureRepo, "feature_repo", where=path):
        open_store(applied)


@pytest.mark.parametrize("part", ["provider: local", "registry: data/registry.db", "type: sqlite", "project: rolecall"])
def test_a_configuration_that_names_another_class_is_refused(applied: Workspace, part: str) -> None:
    path = applied.feature_repo / CONFIG
    path.write_text(path.read_text().replace(part, f"{part.split(': ')[0]}: mine.Own"))
    with refused(NotAFeatureRepo, "mine.Own", where=path):
        open_store(applied)


def test_every_profile_is_its_own_template(tmp_path: Path) -> None:
    for number, template in enumerate(templates()):
        repo = tmp_path / str(number)
        repo.mkdir()
        (repo / CONFIG).write_text(template.read_text())
        require_trusted(repo)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_a_registry_of_any_bytes_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    repo = tmp_path_factory.mktemp("repo")
    (repo / CONFIG).write_text(templates()[0].read_text())
    (repo / REGISTRY).parent.mkdir()
    (repo / REGISTRY).write_bytes(content)
    with contextlib.suppress(NotAFeatureRepo):
        require_trusted(repo)
