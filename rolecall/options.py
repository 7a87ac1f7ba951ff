"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder that holds everything Rolecall makes.", envvar="ROLECALL_WORKSPACE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of lines for people.")]
DEFAULT = Path("artifacts/demo")
