"""Several processes behind one port: what one of them knows alone, whichever is asked.

Each listens at a socket of its own in a folder that they share, beside the port, and answers there as at the port. So
an answer is explained and continued by the process that made it, and whoever answers /metrics gives the numbers of all.
Every series gets the label `process`, the process's place from 0: a sum of rates is right though one is replaced and
counts anew, which a sum of counters would not be.
"""

from __future__ import annotations

import math
import socket
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from pydantic import TypeAdapter

from contracts.errors import BadInput
from contracts.validation import first_line
from feature_repo.guard import Breaker, BreakerOpen
from serving.logger import log
from serving.slates import ShownAnswer

SECONDS = 1.0
"""Longest wait for one process; who does not answer is left out, and `rolecall_processes` lacks it."""
HANGS, LEFT_ALONE_SECONDS = 3, 5.0
"""Waits in a row that one process let pass, after which it is left alone for a while: requests would wait in vain."""
AGAIN = "Retry-After"
BUSY = (429, 503)
"""It refused without looking."""
PROCESS = "process"
ANSWERS = "/siblings/answers"
"""Told to other processes of the service alone."""
_IDS, _ANSWERS = TypeAdapter(list[str]), TypeAdapter(dict[str, ShownAnswer])


class Reply(NamedTuple):
    """What a process answered. headers: those that matter to whoever asked."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Siblings:
    """The processes of one service, seen by one of them."""

    def __init__(self, folder: Path, place: int) -> None:
        """Listen to nobody yet.

        Args:
            folder: Shared by the processes, and closed to other users.
            place: Of this process, from 0; one that replaces another takes its place.
        """
        self._folder, self._path = folder, folder / str(place)
        self.rates = folder / "rates"
        """The file in which the processes count how often keys ask."""
        self._breakers: defaultdict[Path, Breaker] = defaultdict(lambda: Breaker(HANGS, LEFT_ALONE_SECONDS))

    def listen(self) -> socket.socket:
        """The socket at which the others ask this process. Raises BadInput where there can be none."""
        listener = socket.socket(socket.AF_UNIX)
        try:
            self._path.unlink(missing_ok=True)  # of one that was killed
            listener.bind(str(self._path))
            listener.listen()
        except OSError as error:
            listener.close()
            cure = "set TMPDIR to a folder with a short path that can be written"
            raise BadInput(f"no socket: {first_line(error)}", where=str(self._path), cure=cure) from error
        return listener

    def first(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Reply | None:
        """The answer of the first other process that knows what is asked for, else of one that is too busy to say; None
        where none does (404).

        Args:
            method: Of the request.
            target: Its path.
            headers: Its headers.
            body: Its body; None: it has none.
            seconds: Longest wait for all of them.
        """
        until, busy = time.monotonic() + seconds, None
        for path in self._others():
            reply = self._asked(path, method, target, headers, body, until)
            if reply is not None and reply.status in BUSY:
                busy = busy or reply
            elif reply is not None and reply.status != 404:
                return reply
        return busy

    def answers(self, request_ids: Sequence[str], seconds: float) -> dict[str, ShownAnswer]:
        """What events take of answers that the other processes have made: id to those that one remembers.

        seconds: longest wait for all of them.
        """
        found: dict[str, ShownAnswer] = {}
        body, until = _IDS.dump_json(list(request_ids)), time.monotonic() + seconds
        for path in self._others():
            reply = self._asked(path, "POST", ANSWERS, {"Content-Type": "application/json"}, body, until)
            if reply is not None and reply.status == 200:
                found |= _ANSWERS.validate_json(reply.body)
        return found

    def metrics(self, own: bytes) -> bytes:
        """The metrics of all processes that answer, in Prometheus' text format. own: those of this one."""
        texts = {self._path.name: own}
        for path in self._others():
            reply = self._asked(path, "GET", "/metrics", {})
            if reply is not None and reply.status == 200:
                texts[path.name] = reply.body
        return labelled(texts)

    def _others(self) -> list[Path]:
        """Where the other processes listen; none where the folder is gone, as after a clean-up of old files."""
        try:
            return [path for path in sorted(self._folder.iterdir()) if path not in (self._path, self.rates)]
        except OSError as error:
            log.warning("siblings_not_found", error=type(error).__name__)
            return []

    def _asked(
        self,
        path: Path,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        until: float = math.inf,
    ) -> Reply | None:
        """What a process answers; None where it ended, hangs, hung of late, or does not say all.

        until: by `time.monotonic`, after which nobody waits for it.
        """
        seconds = min(SECONDS, until - time.monotonic())
        if seconds <= 0:
            return None
        breaker, hangs = self._breakers[path], False
        try:
            breaker.admit()
        except BreakerOpen:
            return None
        connection = _Connection(path, seconds)
        try:
            connection.request(method, target, body, {**headers, "Connection": "close"})
            reply = connection.getresponse()
            again = reply.getheader(AGAIN)
            return Reply(reply.status, reply.read(), {AGAIN: again} if again else {})
        except (OSError, HTTPException) as error:
            hangs = isinstance(error, TimeoutError) and seconds > SECONDS / 10  # one that ended says so at once
            log.warning("sibling_not_asked", process=path.name, error=type(error).__name__)
            return None
        finally:
            breaker.note(not hangs)
            connection.close()


class _Connection(HTTPConnection):
    """HTTP over the socket of a path."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def labelled(texts: Mapping[str, bytes]) -> bytes:
    """Metrics of several processes as one text. texts: by the value of their label `process`."""
    families: dict[str, Metric] = {}
    for process, text in texts.items():
        for family in text_string_to_metric_families(text.decode()):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                whole.add_sample(sample.name, {**sample.labels, PROCESS: process}, sample.value)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry)


def summed(text: bytes) -> list[Metric]:
    """The metrics of a text of `labelled`, counters and histograms added up over the processes; a gauge is that of each
    process."""
    found = []
    for family in text_string_to_metric_families(text.decode()):
        whole, values = Metric(family.name, family.documentation, family.type), defaultdict[tuple, float](float)
        for sample in family.samples:
            kept = {k: v for k, v in sample.labels.items() if k != PROCESS or family.type == "gauge"}
            values[sample.name, tuple(kept.items())] += sample.value
        for (name, labels), value in values.items():
            whole.add_sample(name, dict(labels), value)
        found.append(whole)
    return found


class _Families(Collector):
    def __init__(self, families: dict[str, Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()
