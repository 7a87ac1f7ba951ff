"""Several processes behind one port: each a whole service that listens at the same socket.

Index, models and libraries are loaded once and shared by all: the processes are forked from the one that has loaded
them, which serves nobody (`serving.preload`). Where that cannot be each loads for itself, and shares what is mapped of
the index. What members did they share through the online store, as services on several machines do. Each remembers its
own answers; what they count, /metrics gives of all (`serving.http.siblings`). One answers when it is ready, so that
nobody is told that the service is not while another process could answer.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import NotReady, RolecallError
from contracts.machine import cores
from contracts.workspace import Workspace
from serving.config import ServeConfig, threads_of
from serving.http.listening import WORKER

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext

    from serving.servable import Loaded

log = logging.getLogger("rolecall")

STOP_SECONDS = 30.0
"""Until a process that was told to stop is killed."""
AGAIN_SECONDS = 5.0
"""From the start of a process that ended to that of the one that replaces it, at least."""


def serve_by(workers: int, workspace: Workspace, config: ServeConfig, *, host: str, port: int) -> None:
    """Listen with so many processes until told to stop; SIGHUP makes each look at CURRENT.

    A process that ends by itself is replaced, and tried again while the others answer; one of the first that was never
    ready ends all: what hinders it hinders them.

    Args:
        workers: Processes; cores and model threads are divided among them, where `config` does not say how many.
        workspace: What is served.
        config: How it is served.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.

    Raises:
        BadInput: The address cannot be listened on.
        NotReady: One of the first processes ended before it was ready; it has said why.

    Raises what `serving.preload.preload` raises, too.
    """
    from serving.http.listening import listen

    own = max(1, cores() // workers)
    config = config.model_copy(update={"threads": config.threads or threads_of(own)})
    listener = listen(host, port)
    loaded = _preloaded(workspace, config)
    folder = tempfile.mkdtemp(prefix="rolecall-")  # nobody else's to read
    service = _Service(workspace, config, host, listener, own, Path(folder), loaded)
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    def look(*_: object) -> None:
        for of in processes:
            of.look()

    before = {of: signal.signal(of, stop) for of in (signal.SIGTERM, signal.SIGINT)}
    processes = [_Worker(service, place) for place in range(workers)]
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, look)
    try:
        while not stopped:
            wait([of.process.sentinel for of in processes if not of.is_told], timeout=0.5)
            for of in processes:
                of.look_late()
            for place, ended in [(i, of) for i, of in enumerate(processes) if not of.process.is_alive()]:
                if stopped:
                    break
                if not ended.ready.is_set() and not ended.replaces:
                    raise NotReady("a process ended before it was ready", cure="see above for why")
                if not ended.is_told:
                    ended.is_told = True
                    log.error("worker_ended pid=%s exit=%s", ended.process.pid, ended.process.exitcode)
                if time.monotonic() - ended.started >= AGAIN_SECONDS:
                    processes[place] = _Worker(service, place, replaces=True)
    finally:
        for of in processes:
            of.tell(signal.SIGTERM)
        for of in processes:
            of.process.join(STOP_SECONDS)
            of.process.kill()
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


class _Service:
    """What a process is told to serve. cores: of each, as many requests are worked on at once; folder: where they
    meet; loaded: what they inherit, None where each loads for itself."""

    def __init__(
        self,
        workspace: Workspace,
        config: ServeConfig,
        host: str,
        listener: socket.socket,
        cores: int,
        folder: Path,
        loaded: Loaded | None,
    ) -> None:
        self.workspace, self.config, self.host = workspace, config, host
        self.listener, self.cores, self.folder, self.loaded = listener, cores, folder, loaded


class _Worker:
    """A process that serves: forked from this one where it has loaded what is served, else a fresh interpreter.

    replaces: whether another was ready in its place; started: by `time.monotonic`; is_told: whether its end is logged.
    """

    def __init__(self, service: _Service, place: int, replaces: bool = False) -> None:
        context: ForkContext | SpawnContext = multiprocessing.get_context("spawn")
        if service.loaded:
            context = multiprocessing.get_context("fork")
        self.replaces, self.started, self.is_told = replaces, time.monotonic(), False
        self.ready, self._has_to_look = context.Event(), False
        self.process = context.Process(target=_work, args=(service, place, self.ready), name=WORKER)
        with _signals_held():  # one that comes before the process has its own handlers would be lost
            self.process.start()

    def look(self) -> None:
        """Let it look at CURRENT: now, or when it is ready, since before that the signal may end it."""
        self._has_to_look = True
        self.look_late()

    def look_late(self) -> None:
        """Let it look if it was told to while it was not ready."""
        if self._has_to_look and self.ready.is_set():
            self._has_to_look = False
            self.tell(signal.SIGHUP)

    def tell(self, number: signal.Signals) -> None:
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)


def _preloaded(workspace: Workspace, config: ServeConfig) -> Loaded | None:
    """What processes that are forked from this one share; None where they load for themselves."""
    import serving.http.run  # noqa: F401  # the libraries of those that serve are shared too
    from serving.preload import preload, survives_fork

    if not survives_fork(config):
        log.info("each process loads for itself: its models run on several threads, or not on CPUs of Linux alone")
        return None
    return preload(workspace, config)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Signals that a process is told to stop and look with wait until it ends."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _end_with_parent() -> None:
    """Stop this process when its parent was killed: nobody would stop or replace it, and it would keep the port."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _work(service: _Service, place: int, ready: Event) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until it serves; that of the parent came along with a fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent tells when to stop
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # so does a terminal's end; the parent tells when to look
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    # The parent may have read texts on several threads, of which a fork has none. One is enough where models have one.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from retrieval.engines.side_by_side import keep_to
    from serving.http.run import serve
    from serving.http.siblings import Siblings

    keep_to(service.cores)
    try:
        serve(
            service.workspace,
            service.config,
            host=service.host,
            workers=service.cores,
            listener=service.listener,
            on_ready=ready.set,
            siblings=Siblings(service.folder, place),
            loaded=service.loaded,
        )
    except RolecallError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
