"""Text to vector on a CPU: the retrieval encoder that `models.encoder.export` exported, run by ONNX Runtime.

Knows a folder and nothing of workspaces. It trades a sort by length for padding: texts of like length share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from contracts.encoder import read_encoder
from contracts.errors import NotReady, UnreadableFile
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.validation import first_line

BATCH_TOKENS = 4_096
"""Padded tokens a batch: enough to fill two cores, small enough that its activations stay in the cache."""


class TextEncoder:
    """`encode(texts)` gives unit vectors. Holds an ONNX session and a tokenizer; safe to share between threads.

    folder: `encoder.onnx` (input_ids, attention_mask int64 (n, len) -> vectors (n, dim) float32), `tokenizer.json`,
    `encoder.json` (`EncoderManifest`).
    threads: cores that one call may use; None: all.
    Raises NotReady where the folder holds no encoder, UnreadableFile where one of its files is broken.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        about = read_encoder(folder)
        self.name, self.version = about.name, about.version
        self.dim, self.max_tokens = about.dim, about.max_tokens
        self._tokenizer = open_tokenizer(folder, self.max_tokens)
        self._session = open_session(folder / "encoder.onnx", threads)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit vectors, row i of texts[i]; an empty text has a vector too. Any n, 0 included."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        tokens = token_ids(self._tokenizer, texts)
        for chosen in batches_by_length([len(ids) for ids in tokens], BATCH_TOKENS):
            ids, mask = pad([tokens[i] for i in chosen])
            vectors[chosen] = self._session.run(["vectors"], {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def open_session(path: Path, threads: int | None) -> ort.InferenceSession:
    """An ONNX Runtime CPU session. Raises NotReady where there is no file, UnreadableFile where it is no graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else it holds the next session's cores
    options.log_severity_level = 3
    try:
        slower = ["SkipLayerNormFusion"]  # than the sum and the norm that it fuses
        return ort.InferenceSession(str(path), options, ["CPUExecutionProvider"], disabled_optimizers=slower)
    except ort.capi.onnxruntime_pybind11_state.NoSuchFile as error:
        raise NotReady(f"{path.name} is missing in {path.parent}", cure="export it again") from error
    except (
        ort.capi.onnxruntime_pybind11_state.InvalidProtobuf,
        ort.capi.onnxruntime_pybind11_state.InvalidGraph,
        ort.capi.onnxruntime_pybind11_state.Fail,
    ) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure="export it again") from error


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[np.ndarray]:
    """Index arrays that cover every item once, longest first, each of at most `budget` padded tokens (or one item)."""
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size
