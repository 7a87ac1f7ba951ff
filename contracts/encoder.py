"""The retrieval encoder's manifest, `encoder.json`: who made the vectors, and how wide they are."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.validation import typed
from contracts.values import FrozenModel

ENCODER = "encoder.json"


class EncoderManifest(FrozenModel):
    """version: of weights, precision and width; vectors of different versions must not meet.

    dim: numbers of a vector, the first ones of the backbone's where it was cut.
    """

    name: str
    version: str
    dim: int
    max_tokens: int
    precision: str = ""


def read_encoder(folder: Path) -> EncoderManifest:
    """The manifest of an encoder's folder. Raises NotReady where there is none, UnreadableFile for a broken one."""
    path = folder / ENCODER
    try:
        return EncoderManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no retrieval encoder in {folder}", cure="run `rolecall train encoder`") from error
    except ValidationError as error:
        cure = "delete it and run `rolecall train encoder`"
        raise typed(error, UnreadableFile, where=str(path), cure=cure) from error
