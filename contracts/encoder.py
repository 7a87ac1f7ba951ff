"""The retrieval encoder's manifest, `encoder.json`: who made the vectors, and how wide they are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.text.parts import PartWeights
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.workspace import ENCODER as FOLDER
from contracts.workspace import Workspace

ENCODER = "encoder.json"


Side = Literal["request", "job"]
"""Whose text it is: an encoder may read what is asked for in another way than what is offered."""


class Prompts(FrozenModel):
    """Words before a text, as an encoder was trained with them."""

    request: str = Field("", description="Before the text of a member or query, such as `query: `, and before a title.")
    job: str = Field("", description="Before the text of a job, such as `passage: `.")

    def of(self, side: Side) -> str:
        """The words before a text of one side."""
        return self.request if side == "request" else self.job


class EncoderManifest(FrozenModel):
    """What `encoder.json` holds."""

    name: str = Field(description="The backbone's name.")
    version: str = Field(
        description="Of weights, precision, width, parts and head; vectors of two versions must not be compared."
    )
    dim: int = Field(description="Numbers of a vector.")
    max_tokens: int = Field(description="Tokens of a part that are read; the rest is cut.")
    prompts: Prompts = Field(Prompts(), description="Words before a text, each part of it alike.")
    pooling: str = Field("mean", description="What the graph makes of the tokens' states.")
    precision: str = Field("", description="Arithmetic of the exported graph, such as int8.")
    parts: PartWeights = Field(PartWeights(), description="What the vector of a text is summed from.")
    graph: str = Field("", description="Version of `encoder.onnx` alone.")
    head: str = Field("", description="File of the (dim, dim) matrix that maps the sum; empty: none does.")


def read_encoder(folder: Path) -> EncoderManifest:
    """The manifest of an encoder's folder.

    Raises:
        NotReady: There is no encoder.
        UnreadableFile: The manifest is broken.
    """
    path = folder / ENCODER
    try:
        return EncoderManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no retrieval encoder in {folder}", cure="run `rolecall train encoder`") from error
    except ValidationError as error:
        cure = "delete it and run `rolecall train encoder`"
        raise typed(error, UnreadableFile, where=str(path), cure=cure) from error


def encoder_of(workspace: Workspace, version: str) -> Path:
    """The folder of an encoder by its version, as an index names that which made its vectors.

    Where no encoder of the workspace has it, that of the vectors in use, which `check_index` then refuses. Raises as
    `read_encoder`.
    """
    if read_encoder(workspace.encoder).version == version:
        return workspace.encoder
    others = workspace.versions_with("vectors", FOLDER)
    return next((folder for folder in others if read_encoder(folder).version == version), workspace.encoder)
