"""The retrieval encoder: a text model with its pooling, exported for `retrieval.encoder` and Beam.

The model is the embedded one, one by path, or one that `models.encoder.towers` has trained. How its texts are read is
what its folder says (`models.layers.sentences`), unless a knob says otherwise.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer, normalizers
from torch import Tensor, nn

from contracts.encoder import ENCODER, EncoderManifest, Prompts
from contracts.errors import BadInput
from contracts.text.token_ids import TOKENIZER
from contracts.versions import json_hash, staged_folder
from models.config import Pooling, Precision
from models.encoder.contrast import truncate_dim
from models.layers.backbone import Backbone
from models.layers.folder import backbone_version, complete_folder
from models.layers.onnx import export_graph, quantize
from models.layers.sentences import SentenceReading, sentence_reading
from models.layers.whole import WholeModel, open_text_model, pool

MAX_TOKENS = 128
"""What the embedded backbone was tuned at; half the cost of 256, and an advert says what it is in its first words."""
MOST_BYTES = 2_000_000_000
"""Of an exported graph with its weights, which are one message of protobuf."""


class EncoderOverrides(NamedTuple):
    """What the knobs say instead of an encoder's folder; None: as the folder says.

    Attributes:
        pooling: Of the tokens' states.
        prompts: Words before a text.
        max_tokens: Tokens of a text that are read, at most what the folder reads.
    """

    pooling: Pooling | None = None
    prompts: Prompts | None = None
    max_tokens: int | None = MAX_TOKENS


AS_THE_FOLDER = EncoderOverrides()


class PooledEncoder(nn.Module):
    """Unit vector of a text: its pooled last states, their first `dim` numbers, L2-normalised (Reimers and Gurevych
    2019)."""

    def __init__(self, backbone: Backbone | WholeModel, dim: int, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.backbone, self.dim, self.pooling = backbone, dim, pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask (n, len) int64 -> (n, dim) float32."""
        return truncate_dim(pool(self.backbone(input_ids, attention_mask), attention_mask, self.pooling), self.dim)


def reading_of(folder: Path, overrides: EncoderOverrides = AS_THE_FOLDER) -> SentenceReading:
    """How texts are read: as a folder says, with what the knobs say instead. `max_tokens` is None where neither limits.

    Raises BadInput or UnreadableFile as `sentence_reading`.
    """
    said = sentence_reading(folder)
    limits = [limit for limit in (said.max_tokens, overrides.max_tokens) if limit]
    return said.model_copy(
        update={
            "pooling": overrides.pooling or said.pooling,
            "prompts": said.prompts if overrides.prompts is None else overrides.prompts,
            "max_tokens": min(limits, default=None),
        }
    )


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
