"""What the verbaliser of a workspace was fitted with: its break points and the form of its text."""

from __future__ import annotations

import json

from pydantic import ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.text.form import TextForm
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.validation import first_line, typed
from contracts.versions import write_text
from contracts.workspace import Workspace

_FORM = "form"
_CURE = "restore the file"


def open_verbalizer(workspace: Workspace) -> Verbalizer:
    """The verbaliser of a workspace: the one that wrote its text.

    Raises:
        NotReady: Nothing was verbalised in it yet.
        UnreadableFile: The file of its break points is broken.
    """
    path = workspace.percentiles
    if not path.is_file():
        raise NotReady(f"no {path.name} in {workspace.root}", cure="run `rolecall verbalize` first")
    try:
        content = json.loads(path.read_bytes())
        form = content.pop(_FORM, None)
        return Verbalizer(Percentiles.model_validate(content), form and TextForm.model_validate(form))
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure=_CURE) from error
    except (ValueError, AttributeError) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure=_CURE) from error


def keep_verbalizer(workspace: Workspace, verbalizer: Verbalizer) -> None:
    """Write what `open_verbalizer` reads, where it is not there already."""
    content = verbalizer.percentiles.model_dump(mode="json")
    if verbalizer.form.digest:
        content |= {_FORM: verbalizer.form.model_dump(mode="json")}
    text = json.dumps(content, separators=(",", ":"))
    if not workspace.percentiles.is_file() or workspace.percentiles.read_text("utf-8") != text:
        write_text(workspace.percentiles, text)
