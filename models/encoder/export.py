"""The retrieval encoder: a text model with its pooling, exported for `retrieval.encoder` and Beam.

The model is the embedded one, one by path, or one that `models.encoder.towers` has trained. How its texts are read is
what its folder says (`models.layers.sentences`), unless a knob says otherwise.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer, normalizers
from torch import Tensor, nn

from contracts.encoder import ENCODER, EncoderManifest
from contracts.errors import BadInput
from contracts.text.token_ids import TOKENIZER, open_tokenizer, pad, token_ids
from contracts.versions import json_hash, staged_folder
from models.config import Pooling, Precision
from models.encoder.centre import centre_of
from models.encoder.contrast import truncate_dim
from models.layers.backbone import Backbone, l2_normalize
from models.layers.folder import backbone_version, complete_folder
from models.layers.onnx import export_graph, quantize
from models.layers.sentences import AS_THE_FOLDER, MAX_TOKENS, EncoderOverrides, SentenceReading, reading_of
from models.layers.whole import WholeModel, open_text_model, pool

MOST_BYTES = 2_000_000_000
"""Of an exported graph with its weights, which are one message of protobuf."""


class PooledEncoder(nn.Module):
    """Unit vector of a text: its pooled last states, their first `dim` numbers, L2-normalised (Reimers and Gurevych
    2019), less what all texts have in common where that is much (`models.encoder.centre`)."""

    centre: Tensor | None

    def __init__(self, backbone: Backbone | WholeModel, dim: int, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.backbone, self.dim, self.pooling = backbone, dim, pooling
        self.register_buffer("centre", None)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (n, len) int64 -> (n, dim) float32."""
        pooled = pool(self.backbone(input_ids, attention_mask), attention_mask, self.pooling)
        vectors = truncate_dim(pooled, self.dim)
        return vectors if self.centre is None else l2_normalize(vectors - self.centre)

    def open_cone(self, folder: Path, prompt: str) -> None:
        """Measure what it makes of all texts alike. folder: with its tokenizer; prompt: before a title."""
        tokenizer = open_tokenizer(folder, MAX_TOKENS)

        def encode(titles: list[str]) -> Tensor:
            ids, mask = map(torch.from_numpy, pad(token_ids(tokenizer, [prompt + title for title in titles])))
            with torch.no_grad():
                return self(ids, mask)

        self.centre = centre_of(encode)


def encoder_version(
    backbone: Path | None, precision: Precision, dim: int | None, overrides: EncoderOverrides = AS_THE_FOLDER
) -> str:
    """What `export_encoder` names its result: weights, arithmetic, and width and reading where they are not the plain
    ones."""
    folder = complete_folder(backbone)
    reading = reading_of(folder, overrides)
    own = [] if reading == SentenceReading(max_tokens=MAX_TOKENS) else [json_hash(reading.model_dump(mode="json"), 6)]
    return "-".join([backbone_version(folder), precision, *([f"d{dim}"] if dim else []), *own])


def export_encoder(
    out: Path,
    backbone: Path | None = None,
    precision: Precision = "int8",
    dim: int | None = None,
    overrides: EncoderOverrides = AS_THE_FOLDER,
) -> str:
    """Write `encoder.onnx`, `tokenizer.json` and `encoder.json` to `out` and return the encoder's version.

    Args:
        out: Folder to write.
        backbone: A Hugging Face folder of any family of encoders; None: the embedded MiniLM.
        precision: Of the graph's products.
        dim: The first numbers of a vector that are kept; None: all.
        overrides: What is said instead of the folder.

    Raises:
        BadInput: The folder is incomplete or no encoder, it is too large for a graph, or makes fewer numbers.
        UnreadableFile: One of its files is broken.
    """
    folder = complete_folder(backbone)
    reading = reading_of(folder, overrides)
    whole = open_text_model(folder)
    if dim is not None and not 1 <= dim <= whole.hidden:
        raise BadInput(f"dim is {dim}, the backbone makes vectors of {whole.hidden}", cure="give one from 1 to that")
    size = sum(weight.numel() * 4 for weight in whole.parameters())
    if size > MOST_BYTES:
        raise BadInput(
            f"its weights are {size / 1e9:.1f} GB, a graph holds {MOST_BYTES / 1e9:.0f}",
            where=str(folder),
            cure="give a smaller encoder, such as the base or small one of the same series",
        )
    model = PooledEncoder(whole, dim or whole.hidden, reading.pooling).eval()
    model.open_cone(folder, reading.prompts.request)
    version = encoder_version(backbone, precision, dim, overrides)
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
        _copy_tokenizer(folder, staged, reading.lowercase)
        about = EncoderManifest(
            name=folder.parent.name if backbone is None else folder.name,
            version=version,
            graph=version,
            dim=model.dim,
            max_tokens=min(reading.max_tokens or whole.longest, whole.longest),
            prompts=reading.prompts,
            pooling=reading.pooling,
            precision=precision,
        )
        (staged / ENCODER).write_text(about.model_dump_json(indent=2))
    return version


def _copy_tokenizer(folder: Path, out: Path, lowercase: bool) -> None:
    """The tokenizer of an encoder; with `lowercase` it makes a text lower case before all else."""
    if not lowercase:
        shutil.copy(folder / TOKENIZER, out)
        return
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    steps = [normalizers.Lowercase(), *([tokenizer.normalizer] if tokenizer.normalizer else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.save(str(out / TOKENIZER))
