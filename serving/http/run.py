"""Starts the service: one process that listens at once, and is ready when everything is loaded and warm."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from threadpoolctl import threadpool_limits

from contracts.errors import BadInput
from contracts.workspace import Workspace
from serving.engine import DEADLINE_SECONDS, Engine
from serving.http.routes import create_app
from serving.lines import to_stderr

log = logging.getLogger("rolecall")

POLL_SECONDS = 5.0


def serve(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    bundle: Path | None = None,
    index: Path | None = None,
    rules: Path | None = None,
    deadline: float = DEADLINE_SECONDS,
    threads: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    changes: str | None = None,
    poll: float = POLL_SECONDS,
) -> None:
    """Listen until told to stop. port 0 picks a free one. device, changes, poll: as `Engine`; SIGHUP: look at CURRENT.

    Raises what `Engine` raises, and BadInput where the address cannot be listened on.
    """
    to_stderr()
    # BLAS's threads turn in circles for a while after each call, and take the cores that the next stage's model needs.
    threadpool_limits(1, user_api="blas")
    listener = _listen(host, port)
    log.info("serving: http://%s:%d/docs", host, listener.getsockname()[1])
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        engine = loader.submit(
            Engine,
            workspace,
            bundle,
            index,
            rules=rules,
            deadline=deadline,
            threads=threads,
            device=device,
            changes=changes,
            poll=poll,
        )
        server = _server(engine, workers)

        def loaded(promise: Future[Engine]) -> None:
            if promise.exception() is None:
                log.info("serving: ready, %s jobs", f"{promise.result().loaded.index.jobs.held:,}")
            else:
                server.should_exit = True  # and never False: it may have been told to stop meanwhile

        engine.add_done_callback(loaded)
        _look_on_hangup(engine)
        server.run(sockets=[listener])
        if engine.done() and (problem := engine.exception()):
            raise problem


@contextmanager
def running(engine: Engine | Future[Engine], workers: int | None = None) -> Iterator[str]:
    """The service in a thread on a free port of this machine; gives its URL. The engine is closed at the end."""
    listener = _listen("127.0.0.1", 0)
    server = _server(engine, workers)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _look_on_hangup(engine: Future[Engine]) -> None:
    """Where this is the main thread, as signals demand."""

    def look(*_: object) -> None:
        if engine.done() and engine.exception() is None:
            engine.result().look()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, look)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=2_048)
    except (OSError, OverflowError) as error:
        problem = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot listen on {host}:{port}: {problem}", cure="--port 0 picks a free one") from error


def _server(engine: Engine | Future[Engine], workers: int | None) -> uvicorn.Server:
    app = create_app(engine, workers)
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=10, server_header=False)
    )
