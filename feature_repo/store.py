"""The workspace's feature store: apply the repository, materialise it, join training sets as of then."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from contracts.errors import BadInput, BundleMismatch, NotAFeatureRepo, NotReady
from contracts.examples import TRAINING
from contracts.features import (
    EVENT_TIME,
    JOB_KEY,
    JOB_TEXT,
    MEMBER_ACTIVITY,
    MEMBER_KEY,
    MEMBER_TEXT,
)
from contracts.tables import parts, read_table, write_part
from contracts.text import request_text
from contracts.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger("rolecall")

PROFILES = ("embedded", "redis")
CONFIG = "feature_store.yaml"
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
REPO = '''"""What Feast reads in this workspace."""

from feature_repo.definitions import declare

globals().update(declare(".."))
'''


def apply(workspace: Workspace, profile: str = "embedded") -> None:
    """Write the workspace's Feast repository for a profile and register its views and services.

    Safe to repeat: a service is added for each bundle that has come since. Raises BadInput for an unknown profile or
    a missing REDIS_URL, NotReady where no feature table was written yet.
    """
    if profile not in PROFILES:
        raise BadInput(f"profile {profile!r}", cure=f"one of {', '.join(PROFILES)}")
    if profile == "redis" and not os.environ.get("REDIS_URL"):
        raise BadInput("REDIS_URL is not set", cure='export REDIS_URL="host:port"')
    missing = [name for name in (MEMBER_TEXT, JOB_TEXT) if not parts(workspace.features / name)]
    if missing:
        raise NotReady(f"no table {missing[0]} in {workspace.features}", cure="run `rolecall verbalize` first")
    here = Path(__file__).parent
    template = here / CONFIG if profile == "embedded" else here / "profiles" / f"{profile}.yaml"
    repo = workspace.feature_repo
    (repo / "data").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, repo / CONFIG)
    (repo / "repo.py").write_text(REPO)
    _quiet()
    from feature_repo.definitions import declare

    store = open_store(workspace)
    with chdir(repo):  # the definitions are relative to the repository, as they are when Feast itself reads them
        store.apply(list(declare("..").values()))


def open_store(workspace: Workspace) -> FeatureStore:
    """The feature store of a workspace. Raises NotAFeatureRepo where the folder is none, or Feast cannot read it."""
    repo = workspace.feature_repo
    if not (repo / CONFIG).is_file():
        raise NotAFeatureRepo(f"no {CONFIG} in {repo}", cure="run `rolecall features apply` first")
    from feast import FeatureStore
    from feast.errors import FeastError

    try:
        return FeatureStore(repo_path=str(repo))
    except (FeastError, ValueError, OSError) as error:
        problem = str(error).strip().splitlines()[0]
        raise NotAFeatureRepo(problem, where=str(repo / CONFIG), cure="run `rolecall features apply` again") from error


def materialize(workspace: Workspace, end: datetime | None = None) -> None:
    """Load the newest values up to `end` (now where None) of every online view into the online store."""
    from feature_repo.definitions import ONLINE

    store = open_store(workspace)
    views = [name for name in ONLINE if parts(workspace.features / name)]
    store.materialize(BEGINNING, end or datetime.now(UTC), feature_views=views)
    log.info("online: %s", ", ".join(views))


def check_service(store: FeatureStore, service: str, bundle: str) -> None:
    """Raise BundleMismatch where the repository does not hold the feature service that a bundle reads."""
    known = {found.name for found in store.list_feature_services()}
    if service not in known:
        raise BundleMismatch(
            f"bundle {bundle} reads the feature service {service!r}, which the repository lacks",
            cure="run `rolecall features materialize`",
        )


def training_set(workspace: Workspace) -> int:
    """Join `examples` with the text that was known at each request's time; write `training`; return its rows.

    Feast's point-in-time join with `filter_by_created_timestamp`: a row sees a value whose event time and whose
    created time are both at or before its own (feast#6617: off by default there). A member without text or activity
    is a request without them; a pair whose job had no text yet cannot be trained on and is counted out loud.
    """
    examples = read_table(workspace.examples).to_pandas()
    store = open_store(workspace)
    members = examples.loc[examples[MEMBER_KEY] != "", [MEMBER_KEY, EVENT_TIME]].drop_duplicates()
    jobs = examples[[JOB_KEY, EVENT_TIME]].drop_duplicates()
    # One join a view over the distinct (key, time) pairs: Feast's file store merges all history before it picks.
    about = _as_of(store, workspace, members, MEMBER_TEXT, ["text"])
    did = _as_of(store, workspace, members, MEMBER_ACTIVITY, ["activity_text"])
    adverts = _as_of(store, workspace, jobs, JOB_TEXT, ["text", "text_version"])
    joined = examples.merge(about.rename(columns={"text": "member_text"}), how="left", on=[MEMBER_KEY, EVENT_TIME])
    joined = joined.merge(did, how="left", on=[MEMBER_KEY, EVENT_TIME])
    joined = joined.merge(adverts.rename(columns={"text": "job_text"}), how="left", on=[JOB_KEY, EVENT_TIME])
    known = joined["job_text"].notna()
    if not known.all():
        log.warning("%d of %d pairs left out: the job had no text at that time", (~known).sum(), len(joined))
    joined = joined[known]
    if joined.empty:
        raise NotReady("no pair has a job text known at its time", cure="run `rolecall verbalize`, then `label` again")
    texts = joined[["member_text", "activity_text", "query"]].fillna("")
    joined = joined.assign(request_text=[request_text(m, a, q) for m, a, q in texts.itertuples(index=False)])
    table = pa.Table.from_pandas(joined[TRAINING.names], schema=TRAINING, preserve_index=False)
    for old in parts(workspace.training):
        old.unlink()
    write_part(workspace.training, table, "all")
    log.info("training set: %d pairs in %d lists", table.num_rows, len(table["list_id"].unique()))
    return table.num_rows


def _as_of(
    store: FeatureStore, workspace: Workspace, keys: pd.DataFrame, view: str, features: list[str]
) -> pd.DataFrame:
    """`features` of a view for each (key, event_timestamp) row, absent where nothing was known by then."""
    unknown = keys.iloc[:0].assign(**dict.fromkeys(features, pd.Series(dtype=object)))
    if keys.empty or not parts(workspace.features / view):
        return unknown
    job = store.get_historical_features(
        entity_df=keys, features=[f"{view}:{name}" for name in features], filter_by_created_timestamp=True
    )
    return job.to_df()


def _quiet() -> None:
    """Feast warns of its own experimental parts on every call; none of it is for the person at the terminal."""
    logging.getLogger("feast").setLevel(logging.ERROR)
