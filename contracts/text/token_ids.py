"""Text to padded token ids: the one way in training, embedding and serving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from contracts.errors import NotReady, UnreadableFile

TOKENIZER = "tokenizer.json"


def open_tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """The tokenizer of a folder's `tokenizer.json`; padding is left to `pad`.

    Args:
        folder: of an encoder or a bundle.
        max_tokens: longer texts are cut.

    Raises:
        NotReady: there is no file.
        UnreadableFile: it is no file of the `tokenizers` library.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        raise NotReady(f"{path.name} is missing in {folder}", cure="export it again")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise UnreadableFile(str(error), where=str(path), cure="export it again") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, without padding."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def pad(tokens: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """(input_ids, attention_mask), both (n, longest) int64, padded with zeros on the right."""
    longest = max(map(len, tokens), default=0)
    ids = np.zeros((len(tokens), longest), np.int64)
    mask = np.zeros((len(tokens), longest), np.int64)
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask
