"""One member, as they are now: what the service reads and what it pushes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from contracts.activity import KNOWN_AFTER, Activity
from contracts.features import ACTIVITY_PUSH, CREATED_TIME, EVENT_TIME, MEMBER_KEY
from contracts.workspace import Workspace
from feature_repo.store import check_service, open_store


@dataclass(frozen=True)
class MemberRow:
    """What the feature store knows of a member. known: it has text or activity of them at all."""

    known: bool
    text: str = ""
    text_version: str = ""
    location: str = ""
    activity: Activity = field(default_factory=Activity)


class OnlineMembers:
    """Reads and pushes one member at a time through a bundle's feature service.

    Holds the open store and a lock: Feast's SQLite store shares one connection. Raises NotAFeatureRepo and
    BundleMismatch at once rather than at the first request.
    """

    def __init__(self, workspace: Workspace, service: str, bundle: str = "") -> None:
        self._store = open_store(workspace)
        check_service(self._store, service, bundle)
        self._service = self._store.get_feature_service(service)
        self._lock = threading.Lock()
        self.read("")  # opens the connection and fills Feast's caches

    def read(self, member_id: str) -> MemberRow:
        """One online read. An id the store lacks gives `known=False`; whatever Feast raises goes to the caller."""
        with self._lock:
            answer = self._store.get_online_features(
                features=self._service, entity_rows=[{MEMBER_KEY: member_id}]
            ).to_dict()
        value = {name: values[0] for name, values in answer.items()}
        return MemberRow(
            known=value["text"] is not None or value["activity"] is not None,
            text=value["text"] or "",
            text_version=value["text_version"] or "",
            location=value["location"] or "",
            activity=Activity.from_json(value["activity"]),
        )

    def push(self, member_id: str, activity: Activity, time: datetime) -> None:
        """Make `activity` what the next read of the member sees.

        The online store alone: the events themselves are in the log, and `ingest` brings them into the history.
        """
        import pandas as pd

        row = {
            MEMBER_KEY: [member_id],
            "activity": [activity.to_json()],
            "activity_text": [activity.text()],
            EVENT_TIME: [time + KNOWN_AFTER],
            CREATED_TIME: [time + KNOWN_AFTER],
        }
        with self._lock:
            self._store.push(ACTIVITY_PUSH, pd.DataFrame(row))
