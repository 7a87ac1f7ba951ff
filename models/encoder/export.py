"""The retrieval encoder: a backbone with mean pooling, exported for `retrieval.encoder` and Beam.

The backbone is the embedded one, or one that `models.encoder.towers` has trained.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from contracts.encoder import ENCODER, EncoderManifest
from contracts.errors import BadInput
from contracts.versions import staged_folder
from models.config import Precision
from models.encoder.contrast import truncate_dim
from models.layers.backbone import Backbone, backbone_folder, backbone_version, mean_pool
from models.layers.onnx import export_graph, quantize

MAX_TOKENS = 128
"""What the backbone was tuned at; half the cost of 256, and an advert says what it is in its first words."""


class PooledEncoder(nn.Module):
    """Unit vector of a text: mean of the last hidden states, its first `dim` numbers, L2-normalised (Reimers and
    Gurevych 2019)."""

    def __init__(self, backbone: Backbone, dim: int) -> None:
        super().__init__()
        self.backbone, self.dim = backbone, dim

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (n, len) int64 -> (n, dim) float32."""
        return truncate_dim(mean_pool(self.backbone(input_ids, attention_mask), attention_mask), self.dim)


def encoder_version(backbone: Path | None, precision: Precision, dim: int | None) -> str:
    """What `export_encoder` names its result: weights, arithmetic, and the width where it is not the whole."""
    return "-".join([backbone_version(backbone_folder(backbone)), precision, *([f"d{dim}"] if dim else [])])


def export_encoder(
    out: Path, backbone: Path | None = None, precision: Precision = "int8", dim: int | None = None
) -> str:
    """Write `encoder.onnx`, `tokenizer.json` and `encoder.json` to `out` and return the encoder's version.

    dim: the first numbers of a vector that are kept, None: all. Raises BadInput for a folder that is no BERT-family
    backbone, or for more numbers than it makes.
    """
    folder = backbone_folder(backbone)
    whole = Backbone(folder)
    if dim is not None and not 1 <= dim <= whole.hidden:
        raise BadInput(f"dim is {dim}, the backbone makes vectors of {whole.hidden}", cure="give one from 1 to that")
    model = PooledEncoder(whole, dim or whole.hidden).eval()
    version = encoder_version(backbone, precision, dim)
    with staged_folder(out) as staged:
        ids = torch.randint(5, 100, (2, 16))
        export_graph(
            model,
            (ids, torch.ones_like(ids)),
            staged / "encoder.onnx",
            inputs={"input_ids": ("n", "len"), "attention_mask": ("n", "len")},
            output="vectors",
        )
        if precision == "int8":
            quantize(staged / "encoder.onnx")
        shutil.copy(folder / "tokenizer.json", staged)
        about = EncoderManifest(
            name=folder.parent.name if backbone is None else folder.name,
            version=version,
            graph=version,
            dim=model.dim,
            max_tokens=MAX_TOKENS,
            precision=precision,
        )
        (staged / ENCODER).write_text(about.model_dump_json(indent=2))
    return version
