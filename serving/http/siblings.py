"""Counters of several processes behind one port: whoever answers /metrics gives those of all.

Each listens at a socket of its own in a folder that they share, and says its metrics to who connects. Every series gets
the label `process`, the process's place from 0: a sum of rates is right though one is replaced and counts anew, which a
sum of counters would not be.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from serving.logger import log

SECONDS = 1.0
"""Longest wait for one process; who does not answer is left out, and `rolecall_processes` lacks it."""


class Siblings:
    """The processes of one service, seen by one of them."""

    def __init__(self, folder: Path, place: int) -> None:
        """Listen to nobody yet.

        Args:
            folder: Shared by the processes, and closed to other users.
            place: Of this process, from 0; one that replaces another takes its place.
        """
        self._folder, self._path = folder, folder / str(place)

    def tell(self, text: Callable[[], bytes]) -> None:
        """Say this process's metrics to whoever asks, from a thread, until the process ends."""
        self._path.unlink(missing_ok=True)  # of one that was killed
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        listener.listen()
        threading.Thread(target=_tell, args=(listener, text), name="siblings", daemon=True).start()

    def text(self, own: bytes) -> bytes:
        """The metrics of all processes that answer, in Prometheus' text format. own: those of this one."""
        texts = {self._path.name: own}
        for path in sorted(self._folder.iterdir()):
            if path != self._path:
                try:
                    texts[path.name] = _asked(path)
                except OSError as error:  # it ended, or hangs
                    log.warning("sibling_not_asked", process=path.name, error=error.strerror or type(error).__name__)
        return labelled(texts)


def labelled(texts: dict[str, bytes]) -> bytes:
    """Metrics of several processes as one text. texts: by the value of their label `process`."""
    families: dict[str, Metric] = {}
    for process, text in texts.items():
        for family in text_string_to_metric_families(text.decode()):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                whole.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: dict[str, Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()


def _tell(listener: socket.socket, text: Callable[[], bytes]) -> None:
    while True:
        with contextlib.suppress(OSError), listener.accept()[0] as asking:  # one that hangs up is nobody's concern
            asking.settimeout(SECONDS)
            asking.sendall(text())


def _asked(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(SECONDS)
        asking.connect(str(path))
        parts = list[bytes]()
        while part := asking.recv(1 << 16):
            parts.append(part)
    text = b"".join(parts)
    if not text.endswith(b"\n"):
        raise ConnectionAbortedError(0, "it ended in the middle of a line")
    return text
