"""The retrieval encoder: a backbone with mean pooling, exported once for `retrieval.encoder` and Beam."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from contracts.encoder import ENCODER, EncoderManifest
from models.backbone import Backbone, backbone_folder, backbone_version, mean_pool
from models.config import Precision
from models.graphs import export_graph, quantize

MAX_TOKENS = 128
"""What the backbone was tuned at; half the cost of 256, and an advert says what it is in its first words."""


class PooledEncoder(nn.Module):
    """Unit vector of a text: mean of the last hidden states, L2-normalised (Reimers and Gurevych 2019)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (n, len) int64 -> (n, H) float32."""
        pooled = mean_pool(self.backbone(input_ids, attention_mask), attention_mask)
        return nn.functional.normalize(pooled, dim=-1)


def export_encoder(out: Path, backbone: Path | None = None, precision: Precision = "int8") -> str:
    """Write `encoder.onnx`, `tokenizer.json` and `encoder.json` to `out` and return the encoder's version.

    Raises BadInput for a folder that is no BERT-family backbone.
    """
    folder = backbone_folder(backbone)
    model = PooledEncoder(Backbone(folder)).eval()
    version = f"{backbone_version(folder)}-{precision}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        staged = Path(scratch) / "encoder"
        staged.mkdir()
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
            dim=model.backbone.hidden,
            max_tokens=MAX_TOKENS,
            precision=precision,
        )
        (staged / ENCODER).write_text(about.model_dump_json(indent=2))
        shutil.rmtree(out, ignore_errors=True)
        staged.rename(out)
    return version
