"""The retrieval encoder's manifest, `encoder.json`: who made the vectors, and how wide they are."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import NotReady, UnreadableFile

ENCODER = "encoder.json"


class EncoderManifest(BaseModel):
    """version: of weights, precision and width; vectors of different versions must not meet.

    dim: numbers of a vector, the first ones of the backbone's where it was cut.
    """

    model_config = ConfigDict(frozen=True)
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
        problem = error.errors()[0]
        raise UnreadableFile(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}",
            where=str(path),
            cure="delete it and run `rolecall train encoder`",
        ) from error
