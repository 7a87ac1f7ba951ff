"""Starts the service: one process that listens at once, and is ready when everything is loaded and warm."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import uvicorn
from threadpoolctl import threadpool_limits

from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.access import Locks
from serving.http.app import create_app
from serving.http.fences import server
from serving.http.guard import require_guarded
from serving.http.listening import listen
from serving.http.siblings import Siblings
from serving.http.state import ServiceState
from serving.logger import log_to_stderr
from serving.servable import Loaded

log = logging.getLogger("rolecall")

SWITCH_SECONDS = 0.001
"""A thread that computes in Python hands over this soon: with the 5 ms of Python the event loop waits for several."""


def serve(
    workspace: Workspace,
    config: ServeConfig | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int | None = None,
    listener: socket.socket | None = None,
    on_ready: Callable[[], None] | None = None,
    siblings: Siblings | None = None,
    loaded: Loaded | None = None,
) -> None:
    """Listen until the process is told to stop; SIGHUP makes it look at CURRENT.

    Args:
        workspace: What is served.
        config: How it is served; None: the defaults.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        workers: Requests ranked at once at first; None: one a core.
        listener: Listens already, in place of host and port; None: those are listened on.
        on_ready: Called when everything is loaded, before which nothing is answered. None: until then it is answered
            that it is not.
        siblings: The processes that answer at the same socket; None: there are no others.
        loaded: As `Engine` takes it.

    Raises:
        BadInput: The address cannot be listened on, or is reached by others and there are no keys; and what `Engine`
            and the files of keys raise.
    """
    config = config or ServeConfig()
    require_guarded(host, config.security)
    Locks.of(config.security)  # what is wrong with a file of keys is said before the models load
    log_to_stderr()
    # BLAS's threads spin for a while after each call, and take the cores that the next stage's model needs.
    threadpool_limits(1, user_api="blas")
    sys.setswitchinterval(SWITCH_SECONDS)
    listener = listener or listen(host, port)
    log.info("serving: http://%s:%d/console", host, listener.getsockname()[1])
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        engine = loader.submit(Engine, workspace, config, loaded)
        server = _server(engine, workers, config, host, siblings)

        def done(promise: Future[Engine]) -> None:
            if promise.exception() is None:
                log.info("serving: ready, %s jobs", f"{promise.result().servable.index.jobs.current:,}")
            else:
                server.should_exit = True  # and never False: it may have been told to stop meanwhile

        engine.add_done_callback(done)
        _look_on_hangup(engine)
        if on_ready is not None:
            engine.result()
            on_ready()
        server.run(sockets=[listener, *([siblings.listen()] if siblings else ())])
        if engine.done() and (problem := engine.exception()):
            raise problem


@contextmanager
def running(
    engine: Engine | Future[Engine],
    workers: int | None = None,
    config: ServeConfig | None = None,
    siblings: Siblings | None = None,
) -> Iterator[str]:
    """The service in a thread on a free port of this machine; gives its URL. The engine is closed at the end.

    config: How it is served; None: as the engine has it. siblings: As `serve` takes them.
    """
    listener = listen("127.0.0.1", 0)
    server = _server(engine, workers, config, siblings=siblings)
    sockets = [listener, *([siblings.listen()] if siblings else ())]
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, name="server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _look_on_hangup(engine: Future[Engine]) -> None:
    """Handle SIGHUP, while everything is loaded too: then it looks afterwards. Only the main thread handles signals."""

    def look_at_current(*_: object) -> None:
        engine.add_done_callback(lambda loaded: loaded.result().look() if loaded.exception() is None else None)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, look_at_current)


def _server(
    engine: Engine | Future[Engine],
    workers: int | None,
    config: ServeConfig | None = None,
    host: str = "127.0.0.1",
    siblings: Siblings | None = None,
) -> uvicorn.Server:
    app = create_app(engine, workers, config, host, siblings)
    service: ServiceState = app.state.service
    return server(app, service.config.fences, service.metrics)
