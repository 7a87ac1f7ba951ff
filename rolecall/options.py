"""Options that several commands share, and the knobs that every command reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rolecall.params import Params

DEFAULT = Path("artifacts/demo")
WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder that holds everything Rolecall makes.", envvar="ROLECALL_WORKSPACE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of lines for people.")]
MappingOption = Annotated[
    Path | None,
    typer.Option("--mapping", help="Which column is which field; `mapping.yaml` in the folder of the data if none."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(help="The PyTorch device that scans the vectors of the exact engine, such as cuda; NumPy if none."),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(help="`embedded` (SQLite) or `redis` (REDIS_URL); the repository's own if none, else embedded."),
]
RulesOption = Annotated[
    Path | None,
    typer.Option("--rules", help="A file of rules; that of the params, else the workspace's own, else the built-in."),
]


def params_of(context: typer.Context) -> Params:
    """The knobs in force, which the root command has read."""
    return context.find_root().obj
