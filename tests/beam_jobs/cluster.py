"""A cluster in small: Beam's job server and a pool of workers, each in a process of its own on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_POOL = """
import sys, time
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
pool = BeamFnExternalWorkerPoolServicer.start(port=int(sys.argv[1]))
time.sleep(3600)
"""
"""Workers are threads of the pool's process, so that the modules of all jobs are loaded once."""


@contextmanager
def cluster(begin: Sequence[str] = ()) -> Iterator[list[str]]:
    """Beam's flags for jobs that run there. begin: what the command of the pool begins with, such as `unshare`."""
    job_port, pool_port = _free_port(), _free_port()
    commands = (
        [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port", str(job_port)],
        [*begin, sys.executable, "-c", _POOL, str(pool_port)],
    )
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    try:
        for port in (job_port, pool_port):
            _wait_for(port)
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{job_port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool_port}",
        ]
    finally:
        for process in running:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")
