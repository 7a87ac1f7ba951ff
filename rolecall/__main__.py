"""Where the command begins: Ctrl-C is one line from here on, while the modules are still being loaded."""

from __future__ import annotations

from rolecall.interrupt import leave_at_once


def main() -> None:
    """Run `rolecall.cli.main`."""
    leave_at_once()
    from rolecall import cli

    cli.main()


if __name__ == "__main__":
    main()
