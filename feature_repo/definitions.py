"""Entities, sources, views and services, declared from the names in `contracts.features`.

A repository file calls `declare` and puts what it returns at module level, where Feast looks.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Bytes, Float32, Int64, String, UnixTimestamp

from contracts.bundle import MANIFEST
from contracts.features import (
    ACTIVITY_PUSH,
    CREATED_TIME,
    EVENT_TIME,
    JOB_KEY,
    JOB_TEXT,
    KEYS,
    MEMBER_ACTIVITY,
    MEMBER_ENCODING,
    MEMBER_KEY,
    MEMBER_TEXT,
    TRAINING_SERVICE,
    VIEWS,
    serving_service,
)

NO_EXPIRY = timedelta(0)
"""How Feast says that a value stands until a newer one comes."""
ONLINE = (MEMBER_TEXT, MEMBER_ACTIVITY, MEMBER_ENCODING)
"""Views that a request reads: one member. Job features stay offline; a request never reads hundreds of jobs."""

_TYPES: dict[str, Any] = {
    "string": String,
    "bytes": Bytes,
    "int64": Int64,
    "timestamp": UnixTimestamp,
    "float32[]": Array(Float32),
}


def declare(repo: Path, workspace: str) -> dict[str, Any]:
    """All objects of a repository.

    Args:
        repo: the repository's folder.
        workspace: path of the workspace, absolute or relative to `repo`. A relative one is registered as it is, so
            that both folders can be moved together.

    Returns:
        Variable name -> entity, source, view or service.
    """
    entities = {
        MEMBER_KEY: Entity(name="member", join_keys=[MEMBER_KEY], value_type=ValueType.STRING),
        JOB_KEY: Entity(name="job", join_keys=[JOB_KEY], value_type=ValueType.STRING),
    }
    sources = {name: _source(name, workspace) for name in VIEWS}
    push = PushSource(name=ACTIVITY_PUSH, batch_source=sources[MEMBER_ACTIVITY])
    views = {
        name: FeatureView(
            name=name,
            entities=[entities[KEYS[name]]],
            ttl=NO_EXPIRY,
            schema=[Field(name=feature, dtype=_TYPES[kind]) for feature, kind in features.items()],
            source=push if name == MEMBER_ACTIVITY else sources[name],
            online=name in ONLINE,
        )
        for name, features in VIEWS.items()
    }
    training = FeatureService(
        name=TRAINING_SERVICE,
        features=[
            views[MEMBER_TEXT][["text"]],
            views[MEMBER_ACTIVITY][["activity_text"]],
            views[JOB_TEXT][["text", "text_version"]],
        ],
    )
    # Not `precompute_online`: Feast 0.67 computes ahead on Redis alone, again for every member at each push, and raises
    # for a member it does not know.
    services = {
        version: FeatureService(name=serving_service(version), features=[views[name] for name in ONLINE])
        for version in _bundle_versions(repo / workspace)
    }
    objects: dict[str, Any] = {"training": training, "push": push}
    objects |= {f"entity_{key}": entity for key, entity in entities.items()}
    objects |= {f"source_{name}": source for name, source in sources.items()}
    objects |= {f"view_{name}": view for name, view in views.items()}
    return objects | {f"service_{version}": service for version, service in services.items()}


def _source(view: str, workspace: str) -> FileSource:
    return FileSource(
        name=f"{view}_table",
        path=f"{workspace}/features/{view}",
        timestamp_field=EVENT_TIME,
        created_timestamp_column=CREATED_TIME,
    )


def _bundle_versions(workspace: Path) -> list[str]:
    """Versions of the complete bundles in a workspace."""
    return sorted(path.parent.name for path in (workspace / "bundles").glob(f"*/{MANIFEST}"))
