"""The workspace's feature store: apply the repository, materialise it, join training sets as of then."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import BadInput, BundleMismatch, MissingColumn, NotAFeatureRepo, NotReady
from contracts.examples import EXAMPLES, TRAINING
from contracts.features import EVENT_TIME, JOB_KEY, JOB_TEXT, MEMBER_ACTIVITY, MEMBER_KEY, MEMBER_TEXT, TRAINING_SERVICE
from contracts.tables import in_use, parts, write_part
from contracts.text.verbalizer import request_text
from contracts.text.work import VOCABULARY
from contracts.validation import first_line
from contracts.versions import staged_file, write_text
from contracts.workspace import Workspace
from feature_repo.light import import_feast
from feature_repo.pace import Pace, at_rate
from feature_repo.trusted import CONFIG, REGISTRY, parsed_registry, require_trusted

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore

log = logging.getLogger("rolecall")

PROFILES = ("embedded", "redis")
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
SLICE_PAIRS = 50_000
"""Pairs joined at a time: about 100 MB of text."""

_UNTIL = "data/loaded_until"
_REPO = '''"""What Feast reads in this workspace."""

from pathlib import Path

from feature_repo.definitions import declare

globals().update(declare(Path(__file__).resolve().parent, ".."))
'''


def apply(workspace: Workspace, profile: str | None = None) -> None:
    """Write the workspace's Feast repository for a profile and register its views and services.

    Safe to repeat: each time a service is added for every bundle that is new.

    Args:
        workspace: with job text.
        profile: one of `PROFILES`; None: the repository's own, embedded where there is none yet.

    Raises:
        BadInput: the profile is unknown, or REDIS_URL is missing.
        NotReady: no job has text yet.
    """
    profile = profile_of(workspace) if profile is None else profile
    if profile not in PROFILES:
        raise BadInput(f"profile {profile!r}", cure=f"one of {', '.join(PROFILES)}")
    if not parts(workspace.features / JOB_TEXT):
        raise NotReady(f"no table {JOB_TEXT} in {workspace.features}", cure="run `rolecall verbalize` first")
    here = Path(__file__).parent
    template = here / CONFIG if profile == "embedded" else here / "profiles" / f"{profile}.yaml"
    _check_environment(template)
    repo = workspace.feature_repo
    (repo / "data").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, repo / CONFIG)
    (repo / "repo.py").write_text(_REPO)
    store = open_store(workspace)
    from feature_repo.definitions import declare

    store.apply(list(declare(repo, "..").values()))
    if profile == "embedded":
        _prepare_sqlite(repo / store.config.online_store.path)


def open_store(workspace: Workspace) -> FeatureStore:
    """The feature store of a workspace.

    Raises:
        NotAFeatureRepo: the folder is no repository, Feast cannot read it, or it holds what may run as code.
        BadInput: the profile needs REDIS_URL, which is missing.
    """
    repo = workspace.feature_repo
    if not (repo / CONFIG).is_file():
        raise NotAFeatureRepo(
            f"no {CONFIG} in {repo}", cure=f"run `rolecall features apply --workspace {workspace.root}` first"
        )
    _check_environment(repo / CONFIG)
    require_trusted(repo)
    # Feast warns of its own experimental parts at every call; none of it is for the person at the terminal.
    logging.getLogger("feast").setLevel(logging.ERROR)
    import_feast()
    import yaml
    from feast import FeatureStore
    from feast.errors import FeastError

    try:
        return FeatureStore(repo_path=str(repo))
    except (FeastError, yaml.YAMLError, ValueError, TypeError, OSError) as error:
        problem = first_line(error)
        raise NotAFeatureRepo(problem, where=str(repo / CONFIG), cure="run `rolecall features apply` again") from error


def check_service(store: FeatureStore, service: str, bundle: str = "") -> None:
    """Check that the repository holds the feature service that a bundle reads.

    Raises:
        BundleMismatch: it does not.
    """
    if service not in {known.name for known in store.list_feature_services()}:
        raise BundleMismatch(
            f"bundle {bundle or '?'} reads the feature service {service!r}, which the feature repository lacks",
            where=str(store.repo_path),
            cure="run `rolecall features materialize`, which registers the services of all bundles",
        )


def materialize(workspace: Workspace, end: datetime | None = None, rate: float | None = None) -> None:
    """Load the newest values of every online view into the online store.

    Memory holds the keys and times of the whole history, and the newest row of each key. All values of a member's row
    are replaced at once, so that who reads meanwhile has one version of it.

    Args:
        workspace: with a feature repository.
        end: rows of a later event time are left out; None: now.
        rate: rows of a view a second at most, for those who ask meanwhile; None: as fast as the store takes them.

    Raises:
        BadInput: the rate is none.
    """
    pace = None if rate is None else Pace(rate)
    store = open_store(workspace)
    from feature_repo.definitions import ONLINE

    if pace is not None:
        online = store._get_provider().online_store
        online.online_write_batch = at_rate(online.online_write_batch, pace)  # type: ignore[method-assign]
    started = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):  # Feast prints in colours
        until = end or datetime.now(UTC)
        store.materialize(BEGINNING, until, feature_views=list(ONLINE))
    write_text(workspace.feature_repo / _UNTIL, until.isoformat())
    log.info("online: %s in %.1f s", ", ".join(ONLINE), time.monotonic() - started)


def materialized_until(workspace: Workspace) -> datetime | None:
    """Until when the members' text is in the online store, as Feast's registry says; None: it never was loaded.

    A note beside the registry says it without Feast, unless Feast's own command wrote the registry since.

    Raises:
        NotAFeatureRepo: The registry is there and cannot be read.
    """
    registry, note = workspace.feature_repo / REGISTRY, workspace.feature_repo / _UNTIL
    if not registry.is_file():
        return None
    if note.is_file() and note.stat().st_mtime_ns >= registry.stat().st_mtime_ns:
        return datetime.fromisoformat(note.read_text("utf-8"))
    views = [view for view in parsed_registry(registry).feature_views if view.spec.name == MEMBER_TEXT]
    ends = [interval.end_time.ToDatetime(UTC) for view in views for interval in view.meta.materialization_intervals]
    return max(ends, default=None)


class MemberTexts(NamedTuple):
    """What a request's text is made of: a member's own text and that of their activity."""

    text: str
    activity: str


def member_texts_as_of(workspace: Workspace, ids: Sequence[str], times: Sequence[datetime]) -> list[MemberTexts | None]:
    """The texts of members as they were known at a time each (Feast's point-in-time join); None: not known by then.

    Raises:
        NotAFeatureRepo: The workspace has no repository.
    """
    if not ids:
        return []
    import pandas as pd

    moments = pd.DataFrame({MEMBER_KEY: list(ids), EVENT_TIME: pd.to_datetime(list(times), utc=True)})
    features = open_store(workspace).get_historical_features(
        moments,
        features=[f"{MEMBER_TEXT}:text", f"{MEMBER_ACTIVITY}:activity_text"],
        full_feature_names=True,
        filter_by_created_timestamp=True,
    )
    table = features.to_arrow()
    texts = zip(
        table[f"{MEMBER_TEXT}__text"].to_pylist(), table[f"{MEMBER_ACTIVITY}__activity_text"].to_pylist(), strict=True
    )
    return [
        None if text is None and activity is None else MemberTexts(text or "", activity or "")
        for text, activity in texts
    ]


def training_set(workspace: Workspace) -> int:
    """Join `examples` with the text that was known at each request's time and write the table `training`.

    Feast's point-in-time join with `filter_by_created_timestamp` (feast#6617: off by default there): a row sees a
    value whose event time and created time are both at or before its own. A member without text or activity is a
    request without them. A pair whose job had no text yet cannot be trained on: it is left out and counted.

    Returns:
        The number of rows of `training`.

    Raises:
        NotReady: there are no examples, or none is left.
        MissingColumn: the examples are of an older format.
    """
    examples = in_use(workspace.examples)
    if not parts(examples):
        raise NotReady(f"no examples in {workspace.examples}", cure="run `rolecall label` first")
    store = open_store(workspace)
    service = store.get_feature_service(TRAINING_SERVICE)
    started = time.monotonic()
    written: list[Path] = []
    pairs = joined = 0
    for path in parts(examples):
        with pq.ParquetFile(path) as file:
            missing = set(EXAMPLES.names) - set(file.schema_arrow.names)
            if missing:
                raise MissingColumn(
                    f"no {', '.join(sorted(missing))}", where=str(path), cure="run `rolecall label` again"
                )
            for batch in file.iter_batches(SLICE_PAIRS, columns=EXAMPLES.names):
                table = _join(store, service, pa.Table.from_batches([batch]))
                pairs, joined = pairs + batch.num_rows, joined + table.num_rows
                if table.num_rows:
                    written.append(write_part(workspace.training, table, f"{len(written):05d}"))
    if not joined:
        raise NotReady("no pair has a job text known at its time", cure="run `rolecall verbalize`, then `label` again")
    for old in set(parts(workspace.training)) - set(written):
        old.unlink()
    if (examples / VOCABULARY).is_file():
        with staged_file(workspace.training / VOCABULARY) as staged:
            shutil.copyfile(examples / VOCABULARY, staged)
    if joined < pairs:
        log.warning("%d of %d pairs left out: the job had no text at that time", pairs - joined, pairs)
    log.info("training set: %d pairs in %.1f s", joined, time.monotonic() - started)
    return joined


def _join(store: FeatureStore, service: FeatureService, examples: pa.Table) -> pa.Table:
    """TRAINING rows of the examples whose job had text at their time, in their order."""
    moments = examples.select([MEMBER_KEY, JOB_KEY, EVENT_TIME]).to_pandas()
    features = store.get_historical_features(
        moments, features=service, full_feature_names=True, filter_by_created_timestamp=True
    ).to_arrow()
    known = pc.is_valid(features[f"{JOB_TEXT}__text"])
    texts = zip(
        pc.coalesce(examples["asker_text"], features[f"{MEMBER_TEXT}__text"].cast(pa.string())).to_pylist(),
        features[f"{MEMBER_ACTIVITY}__activity_text"].to_pylist(),
        examples["query"].to_pylist(),
        strict=True,
    )
    request_texts = [request_text(member or "", activity or "", query) for member, activity, query in texts]
    columns = {
        "request_text": pa.array(request_texts, pa.string()),
        "job_text": features[f"{JOB_TEXT}__text"],
        "text_version": features[f"{JOB_TEXT}__text_version"],
    }
    for name, column in columns.items():
        examples = examples.append_column(name, column)
    return examples.filter(known).select(TRAINING.names).cast(TRAINING)


def profile_of(workspace: Workspace) -> str:
    """The profile of the workspace's repository; "embedded" where there is none yet."""
    config = workspace.feature_repo / CONFIG
    return "redis" if config.is_file() and _needs_redis(config) else "embedded"


def _needs_redis(config: Path) -> bool:
    return "${REDIS_URL}" in config.read_text()


def _check_environment(config: Path) -> None:
    """Raise BadInput where a profile needs REDIS_URL and it is absent, or not as Feast reads it."""
    if not _needs_redis(config):
        return
    address = os.environ.get("REDIS_URL", "")
    if not address or "://" in address:
        raise BadInput(f"REDIS_URL is {address!r}", where=str(config), cure='export REDIS_URL="host:port"')


def _prepare_sqlite(path: Path) -> None:
    """Let requests read while something writes (write-ahead log), and keep the newer of two rows (trigger).

    An update is ignored where the stored row has a later event time, or the same one and a later created time. Feast
    0.67 has no such rule, so loading the history would undo what was pushed since it was written.
    """
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        tables = connection.execute(
            "SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND c.name = 'event_ts'"  # Feast's, and neither SQLite's own nor those beside them
        )
        for (table,) in tables.fetchall():
            connection.execute(
                f'CREATE TRIGGER IF NOT EXISTS "{table}_keeps_newer" BEFORE UPDATE ON "{table}" '
                "WHEN (NEW.event_ts, NEW.created_ts) < (OLD.event_ts, OLD.created_ts) "
                "BEGIN SELECT RAISE(IGNORE); END"
            )
