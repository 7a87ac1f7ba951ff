"""What the verbaliser of a workspace was fitted with: its break points and the form of its text."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.text.form import TextForm
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.validation import first_line, typed
from contracts.versions import write_text
from contracts.workspace import PERCENTILES, Workspace

_FORM = "form"
_CURE = "restore the file"


def open_verbalizer(workspace: Workspace, text_version: str | None = None) -> Verbalizer:
    """The verbaliser of a workspace: the one that wrote its text.

    Args:
        workspace: Where text was made.
        text_version: That which is wanted; None, or one that no text there has: that of the text in use.

    Raises:
        NotReady: Nothing was verbalised in it yet.
        UnreadableFile: The file of its break points is broken.
    """
    path = workspace.percentiles
    if not path.is_file():
        raise NotReady(f"no {path.name} in {workspace.root}", cure="run `rolecall verbalize` first")
    found = read_verbalizer(path)
    if text_version is None or found.version == text_version:
        return found
    others = map(read_verbalizer, workspace.versions_with("text", PERCENTILES))
    return next((one for one in others if one.version == text_version), found)


def keep_verbalizer(path: Path, verbalizer: Verbalizer) -> None:
    """Write the file of break points and form that `open_verbalizer` reads, where it is not there already."""
    content = verbalizer.percentiles.model_dump(mode="json")
    if verbalizer.form.digest:
        content |= {_FORM: verbalizer.form.model_dump(mode="json")}
    text = json.dumps(content, separators=(",", ":"))
    if not path.is_file() or path.read_text("utf-8") != text:
        write_text(path, text)


def read_verbalizer(path: Path) -> Verbalizer:
    """The verbaliser that `keep_verbalizer` wrote to a file. Raises UnreadableFile where it is broken."""
    try:
        content = json.loads(path.read_bytes())
        form = content.pop(_FORM, None)
        return Verbalizer(Percentiles.model_validate(content), form and TextForm.model_validate(form))
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure=_CURE) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure=_CURE) from error
