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
DeviceOption = Annotated[
    str | None,
    typer.Option(help="The PyTorch device that scans the vectors of the exact engine, such as cuda; NumPy if none."),
]
DEFAULT = Path("artifacts/demo")
