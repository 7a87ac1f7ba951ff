"""Other bundles and indexes of the workspace, loaded beside what is served, so that people can compare answers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from contracts.bundle import MANIFEST
from contracts.errors import BadInput, NotReady, RolecallError
from contracts.workspace import Workspace
from retrieval.index.manifest import built_at, read_index_manifest
from serving.config import ServeConfig
from serving.servable import Servable, load_servable

WAIT_SECONDS = 30.0
"""For a comparison that somebody else is making."""


class Built(NamedTuple):
    """An index and the bundle that it was built with."""

    index_version: str
    bundle_version: str
    time: datetime


class Beside:
    """Loads servables on demand and keeps the last ones; one comparison at a time, so that memory has a bound."""

    def __init__(self, workspace: Workspace, config: ServeConfig) -> None:
        """Hold nothing yet.

        Args:
            workspace: Its indexes and bundles can be loaded.
            config: Of the service; `console.beside` says how many are kept.
        """
        self._workspace, self._config = workspace, config
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, Servable] = OrderedDict()

    def built(self) -> list[Built]:
        """The indexes that can be loaded, the newest first: those whose bundle is there too."""
        found = []
        for folder in sorted(self._workspace.indexes.glob("*/index.json")):
            try:
                manifest = read_index_manifest(folder.parent)
            except RolecallError:
                continue  # of an earlier format: it can be served no more
            if (self._workspace.bundles / manifest.bundle_version / MANIFEST).is_file():
                found.append(Built(manifest.version, manifest.bundle_version, built_at(folder.parent)))
        return sorted(found, key=lambda one: one.time, reverse=True)

    @contextmanager
    def use(self, index: str) -> Iterator[Servable]:
        """The servable of an index and its bundle; it is loaded where it is not, in place of the one used longest ago.

        Raises:
            BadInput: No such index can be loaded, or none may be.
            NotReady: Other comparisons are being made; and what `load_servable` raises.
        """
        most = self._config.console.beside
        known = {one.index_version: one for one in self.built()}
        if index not in known:
            raise BadInput(f"no index {index[:40]!r} with its bundle here", cure="take one that the page lists")
        if not most:
            raise BadInput("nothing may be loaded beside what is served", cure="set serve.console.beside to 1")
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise NotReady("another comparison is being made", cure="try again in a minute")
        try:
            servable = self._loaded.pop(index, None)
            if servable is None:
                while len(self._loaded) >= most:
                    self._loaded.popitem(last=False)[1].members.close()
                servable = self._load(known[index])
            self._loaded[index] = servable
            yield servable
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            while self._loaded:
                self._loaded.popitem()[1].members.close()

    def _load(self, built: Built) -> Servable:
        """It shares nothing with what is served, which may be swapped meanwhile, and reads no feed."""
        folders = {
            "bundle": self._workspace.bundles / built.bundle_version,
            "index": self._workspace.indexes / built.index_version,
        }
        return load_servable(self._workspace, self._config.model_copy(update={**folders, "changes": None}))
