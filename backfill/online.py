"""Lists into the online store: written beside those in use at a stated rate, then switched to at once."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from backfill.lists import each_list, in_use
from backfill.versions import finished_parts
from contracts.erased import ErasedMembers
from contracts.features import MEMBER_KEY
from contracts.lock import locked
from contracts.workspace import Workspace
from feature_repo.online import patient_rows
from feature_repo.pace import BATCH, PER_SECOND, Pace

log = logging.getLogger("rolecall")


def load_online(workspace: Workspace, rate: float = PER_SECOND) -> tuple[str, int]:
    """Write the version in use to the online store and let the store use it.

    A load that was killed is done again from its beginning, to the same end: until it is through, the store uses what
    it used before, and a request that reads it gets one version and its name.

    Args:
        workspace: With lists in use and a feature repository.
        rate: Members a second at most.

    Returns:
        The version, and how many members were written.

    Raises:
        NotReady: No version of lists is in use, or it lacks a part.
        BadInput: The rate is none.
        OtherWriter: Another load is at work.
        NotAFeatureRepo: The workspace has no online store.
        StoreDown: It does not answer, or takes nothing; it uses what it used before.
    """
    pace = Pace(rate)
    version, erased, written = in_use(workspace), ErasedMembers(workspace), 0
    with locked(version.parent / ".loading", "lists into the online store"), patient_rows(workspace) as rows:
        for batch in _batches(version):
            entries = {member: orjson.dumps(lists) for member, lists in batch.items() if member not in erased}
            rows.put_lists(version.name, entries)
            written += len(entries)
            pace.wrote(len(entries))
        rows.use_lists(version.name)
    log.info("lists: %s members of %s are in the online store", f"{written:,}", version.name)
    return version.name, written


def online_lists(workspace: Workspace, member_id: str) -> tuple[str, list[dict[str, Any]]]:
    """The version that the online store uses ("" for none), and a member's lists in it."""
    with patient_rows(workspace) as rows:
        version, entry = rows.lists(member_id)
    return version, orjson.loads(entry) if entry else []


def _batches(version: Path) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Member -> lists, `BATCH` members at a time; a member's lists stand in one part."""
    for part in finished_parts(version):
        of_members: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in each_list(version, part):
            of_members[one[MEMBER_KEY]].append(one)
        names = list(of_members)
        for start in range(0, len(names), BATCH):
            yield {name: of_members[name] for name in names[start : start + BATCH]}
