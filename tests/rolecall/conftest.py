from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from rolecall.cli import app


@pytest.fixture(scope="session")
def rolecall() -> Callable[..., str]:
    """Run a command within the test; gives what it printed, raises what it raised."""

    def run(*arguments: object) -> str:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception:
            raise done.exception
        return done.stdout

    return run
