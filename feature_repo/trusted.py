"""What of a Feast repository may be opened: a workspace that somebody sent is data, and must not run as code.

Feast runs the source, or unpickles the functions, of on-demand and stream views as it reads its registry
(feast/transformation/udf_rehydrate.py of 0.67), and imports the classes that its configuration names. Rolecall declares
no such view and names few classes, so whatever else stands there is refused before Feast sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.documents import read_yaml
from contracts.errors import BadInput, NotAFeatureRepo
from contracts.validation import first_line
from feature_repo.light import import_feast

CONFIG, REGISTRY = "feature_store.yaml", Path("data") / "registry.db"
PROJECT = "rolecall"
KNOWN = frozenset(
    {
        "entities",
        "feature_views",
        "data_sources",
        "feature_services",
        "infra",
        "project_metadata",
        "registry_schema_version",
        "version_id",
        "last_updated",
        "projects",
        "feature_view_version_history",
    }
)
"""Parts of a registry that hold no function."""
FUNCTIONS = ("UserDefinedFunction", "FeatureTransformation")
"""In the names of messages that hold one."""
SOURCES = ("feast.infra.offline_stores.file_source.", "feast.data_source.PushSource")
PARTS = ("project", "provider", "registry", "offline_store", "online_store")
"""Of `feature_store.yaml`: what Feast imports or opens."""
CURE = "run `rolecall features apply` on a copy without the folder feature_repo, which makes it anew"


def require_trusted(repo: Path) -> None:
    """Refuse a repository that holds what Rolecall does not write there.

    Args:
        repo: A folder with `CONFIG`; its registry may not be there yet.

    Raises:
        NotAFeatureRepo: It is of another project, names other classes, or holds functions or code.
    """
    _require_config(repo / CONFIG)
    registry = repo / REGISTRY
    if registry.is_file():
        for problem in _problems(parsed_registry(registry)):
            raise NotAFeatureRepo(problem, where=str(registry), cure=CURE)


def _require_config(path: Path) -> None:
    """Hold `feature_store.yaml` against the files that it is copied from."""
    written = {name: {_kinds(template)[name] for template in templates()} for name in PARTS}
    for name, kind in _kinds(path).items():
        if kind not in written[name]:
            what = f"{name} {kind[:80]!r} is none that Rolecall writes: {', '.join(sorted(written[name]))}"
            raise NotAFeatureRepo(what, where=str(path), cure=CURE)


def templates() -> list[Path]:
    """The configurations that a workspace's is a copy of."""
    here = Path(__file__).parent
    return [here / CONFIG, *sorted((here / "profiles").glob("*.yaml"))]


def _kinds(path: Path) -> dict[str, str]:
    """Part of a configuration -> its value, or its `type`."""
    try:
        said = read_yaml(path.read_text(), str(path))
    except (BadInput, UnicodeError) as error:
        raise NotAFeatureRepo(first_line(error), where=str(path), cure=CURE) from error
    parts = {name: said.get(name) if isinstance(said, dict) else None for name in PARTS}
    return {name: str(part.get("type") if isinstance(part, dict) else part) for name, part in parts.items()}


def parsed_registry(registry: Path) -> Any:
    """Feast's registry as its protobuf message. Raises NotAFeatureRepo where it is none."""
    import_feast()
    from feast.protos.feast.core.Registry_pb2 import Registry
    from google.protobuf.message import DecodeError

    try:
        return Registry.FromString(registry.read_bytes())
    except DecodeError as error:
        raise NotAFeatureRepo("it is no registry of Feast", where=str(registry), cure=CURE) from error


def _problems(registry: Any) -> Iterator[str]:
    for field, value in registry.ListFields():
        if field.name not in KNOWN:
            yield f"it holds {field.name}, which may run as code"
        for message in _messages(value):
            yield from _problems_of(message)


def _problems_of(message: Any) -> Iterator[str]:
    if any(name in message.DESCRIPTOR.name for name in FUNCTIONS):
        yield "it holds a function, which would run as code"
    kind = getattr(message, "data_source_class_type", "")
    if kind and not kind.startswith(SOURCES):
        yield f"it names the class {kind[:80]!r}"
    project = getattr(message, "project", "")
    if isinstance(project, str) and project not in ("", PROJECT):
        yield f"it is of the project {project[:80]!r} too"
    for _, value in message.ListFields():
        for inner in _messages(value):
            yield from _problems_of(inner)


def _messages(value: Any) -> Iterator[Any]:
    """The messages in a field's value: itself, those of a list, those under the keys of a map."""
    if hasattr(value, "ListFields"):
        yield value
    elif hasattr(value, "items"):
        yield from (part for part in value.values() if hasattr(part, "ListFields"))
    elif not isinstance(value, str | bytes | int | float | bool):
        yield from (part for part in value if hasattr(part, "ListFields"))
