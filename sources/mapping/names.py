"""What data call tables, fields and actions: `names.yaml`, which people edit."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from contracts.documents import read_yaml
from contracts.reading.spellings import spelling_key


@cache
def names() -> dict[str, Any]:
    """The sections of `names.yaml`."""
    file = resources.files("sources.mapping").joinpath("names.yaml")
    loaded: dict[str, Any] = read_yaml(file.read_text("utf-8"), file.name)
    return loaded


@cache
def action_called(word: str) -> str | None:
    """The action of an event that a word is one of the names of: "Clicked" is a view. None for any other text."""
    key = spelling_key(word)
    return next((action for action, words in names()["actions"].items() if key in (action, *words)), None)
