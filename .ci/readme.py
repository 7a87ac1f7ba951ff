"""Run the commands of a Markdown file as they are written: every ```sh block is one bash script, in the file's order.

A block that uses an environment variable that is not set is passed over, and said to be. `--list` prints the blocks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r'"\$([A-Z_]+)"')


def blocks(text: str) -> list[str]:
    """The ```sh blocks of a Markdown text, in order."""
    return BLOCK.findall(text)


def missing_variables(block: str) -> list[str]:
    """Environment variables that a block needs, written "$NAME", and that are not set."""
    return [name for name in VARIABLE.findall(block) if name not in os.environ]


def main() -> None:
    scripts = blocks(Path(sys.argv[1]).read_text())
    if "--list" in sys.argv:
        print("\n".join(scripts))
        return
    for number, block in enumerate(scripts, start=1):
        print(f"\n== README block {number} of {len(scripts)}\n{block}", flush=True)
        if missing := missing_variables(block):
            print(f"passed over: {', '.join(missing)} is not set", flush=True)
            continue
        started = time.monotonic()
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], check=True, stdin=subprocess.DEVNULL)
        print(f"== block {number} took {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
