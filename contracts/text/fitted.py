"""The verbaliser with the break points that a workspace was fitted with: the one that wrote its text."""

from __future__ import annotations

from pydantic import ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.validation import typed
from contracts.workspace import Workspace


def open_verbalizer(workspace: Workspace) -> Verbalizer:
    """The verbaliser of a workspace.

    Raises:
        NotReady: Nothing was verbalised in it yet.
        UnreadableFile: Its break points are broken.
    """
    if not workspace.percentiles.is_file():
        raise NotReady(f"no {workspace.percentiles.name} in {workspace.root}", cure="run `rolecall verbalize` first")
    try:
        return Verbalizer(Percentiles.model_validate_json(workspace.percentiles.read_bytes()))
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(workspace.percentiles), cure="restore the file") from error
