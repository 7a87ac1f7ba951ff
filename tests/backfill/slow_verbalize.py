"""`verbalize` in a process of its own that stops in the midst: `python -m tests.backfill.slow_verbalize`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from beam_jobs import verbalize


def main(root: str) -> None:
    """Touches `<root>/in-the-midst` once it has chosen where to write, and goes on when that is removed."""
    make, mark = verbalize._run, Path(root) / "in-the-midst"

    def slowly(*arguments):
        mark.touch()
        while mark.exists():
            time.sleep(0.05)
        return make(*arguments)

    verbalize._run = slowly  # type: ignore[assignment]
    verbalize.run(["--workspace", root])


if __name__ == "__main__":
    main(*sys.argv[1:])
