"""The held-out requests: what was asked, when, by whom, and what the person then did. The same for every system.

None of them is trained on: `beam_jobs.label` splits alike. Of a log with impressions they are the last requests in
time; of a log without, each member's last view, whose candidates are all jobs but those that the member viewed before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import NotReady
from contracts.tables import latest, read_table
from contracts.workspace import Workspace

GAINS: Mapping[str, int] = {"view": 1, "apply": 2, "hire": 3}
"""What an action of the person is worth; the highest of a job counts."""


@dataclass(frozen=True)
class HeldOut:
    """One request and its outcome.

    gains: job -> `GAINS` of what the person did with it on this occasion; viewed: jobs that are no candidates because
    the person viewed them before (logs without impressions only).
    """

    request_id: str
    member_id: str
    query: str
    time: datetime
    gains: Mapping[str, int]
    viewed: frozenset[str] = frozenset()


def held_out(workspace: Workspace, most: int, seed: int = 0) -> list[HeldOut]:
    """The held-out requests that led to something, by time; an even sample of `most` where there are more.

    Raises NotReady where there is none.
    """
    found = _after_the_split(workspace) if has_impressions(workspace) else _last_views(workspace)
    if not found:
        raise NotReady(
            f"no held-out request in {workspace.root} led to a view or more", cure="ingest a longer log, then label"
        )
    if len(found) > most:
        chosen = np.random.default_rng(seed).choice(len(found), most, replace=False)
        found = [found[i] for i in np.sort(chosen)]
    return found


def has_impressions(workspace: Workspace) -> bool:
    """Whether the log tells what was shown, and so what was passed over."""
    return bool(_events(workspace, ["impression"], ["id"]).num_rows)


def _after_the_split(workspace: Workspace) -> list[HeldOut]:
    """Requests whose list was shown at or after the time of the first test list that `beam_jobs.label` drew.

    What a person did counts for the request whose id it carries, however much later it was.
    """
    times = read_table(workspace.examples, ["event_timestamp"], pc.field("split") == "test")["event_timestamp"]
    if not len(times):
        raise NotReady(f"no held-out list in {workspace.examples}", cure="run `rolecall label` first")
    shown = _events(workspace, ["impression"], ["request_id", "member_id", "query", "time"])
    shown = shown.filter(pc.greater_equal(shown["time"], pc.min(times)))
    requests = {row["request_id"]: row for row in shown.to_pylist()}
    done = _events(workspace, list(GAINS), ["request_id", "job_id", "action"])
    done = done.filter(pc.is_in(done["request_id"], pa.array(list(requests), pa.string())))
    gains: dict[str, dict[str, int]] = {}
    for event in done.to_pylist():
        of_request, gain = gains.setdefault(event["request_id"], {}), GAINS[event["action"]]
        of_request[event["job_id"]] = max(gain, of_request.get(event["job_id"], 0))
    found = (
        HeldOut(name, requests[name]["member_id"], requests[name]["query"], requests[name]["time"], outcome)
        for name, outcome in gains.items()
    )
    return sorted(found, key=lambda request: (request.time, request.request_id))


def _last_views(workspace: Workspace) -> list[HeldOut]:
    """The last view of each member who viewed two jobs or more; a job viewed again counts at its first view alone."""
    views = _events(workspace, ["view"], ["id", "request_id", "member_id", "job_id", "time"])
    first: dict[str, dict[str, dict]] = {}
    for view in views.sort_by([("time", "ascending"), ("id", "ascending")]).to_pylist():
        first.setdefault(view["member_id"], {}).setdefault(view["job_id"], view)
    found = []
    for member, of_member in first.items():
        *before, last = of_member.values()
        if before:
            viewed = frozenset(view["job_id"] for view in before)
            gains = {last["job_id"]: GAINS["view"]}
            found.append(HeldOut(last["request_id"] or last["id"], member, "", last["time"], gains, viewed))
    return sorted(found, key=lambda request: (request.time, request.request_id))


def _events(workspace: Workspace, actions: list[str], columns: list[str]) -> pa.Table:
    """Events of these actions, each once."""
    wanted = [*dict.fromkeys(("id", "time", *columns))]
    return latest(read_table(workspace.records / "events", wanted, pc.field("action").isin(actions)), "id", "time")
