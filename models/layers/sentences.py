"""What the folder of a sentence encoder says of how a text becomes a vector, in the files of sentence-transformers.

`modules.json` names the steps, `1_Pooling/config.json` the pooling, `config_sentence_transformers.json` the words
before a query and before a document, `sentence_bert_config.json` the tokens that are read. A folder without them has
a mean over its tokens and no words before. A step that Rolecall does not take is an error: without it the vectors would
be others than the model's.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from contracts.encoder import Prompts
from contracts.errors import BadInput, UnreadableFile
from contracts.values import FrozenModel
from models.config import Pooling
from models.layers.folder import read_json

log = logging.getLogger("rolecall")

MAX_TOKENS = 128
"""What the embedded backbone was tuned at; half the cost of 256, and an advert says what it is in its first words."""
MODULES, PROMPTS = "modules.json", "config_sentence_transformers.json"
_LENGTHS = tuple(
    f"sentence_{name}_config.json" for name in ("bert", "roberta", "xlm-roberta", "distilbert", "camembert")
)
_REQUEST, _JOB = ("query", "request", "search_query"), ("document", "passage", "job", "corpus", "search_document")
"""Names of prompts, as published encoders have them."""
_MODES: Mapping[str, Pooling] = {
    "mean": "mean",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean",  # a multiple of the mean, and a vector has length 1
    "cls": "cls",
    "cls_token": "cls",
    "max": "max",
    "max_tokens": "max",
    "weightedmean": "weighted_mean",
    "weightedmean_tokens": "weighted_mean",
    "lasttoken": "last",
}


class SentenceReading(FrozenModel):
    """How a text becomes a vector.

    Attributes:
        pooling: What is made of the tokens' states.
        prompts: Words before a request's and before a job's text.
        max_tokens: Tokens that are read; None: the folder does not say.
        lowercase: Whether a text is made lower case before the tokenizer sees it.
    """

    pooling: Pooling = "mean"
    prompts: Prompts = Prompts()
    max_tokens: int | None = None
    lowercase: bool = False


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


def sentence_reading(folder: Path) -> SentenceReading:
    """What a folder says.

    Raises:
        BadInput: It names a step, a pooling or a place of files that is not read.
        UnreadableFile: One of its files is broken.
    """
    lengths: dict[str, Any] = next((read_json(folder / name) for name in _LENGTHS if (folder / name).is_file()), {})
    longest = lengths.get("max_seq_length")
    return SentenceReading(
        pooling=_pooling(folder),
        prompts=_prompts(folder),
        max_tokens=int(longest) if longest else None,
        lowercase=bool(lengths.get("do_lower_case")),
    )


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


def copy_sentence_files(source: Path, out: Path) -> None:
    """Copy what `sentence_reading` reads from one folder to another."""
    for name in (MODULES, PROMPTS, *_LENGTHS):
        if (source / name).is_file():
            shutil.copy(source / name, out)
    for pooling in source.glob("*_Pooling/config.json"):
        (out / pooling.parent.name).mkdir(exist_ok=True)
        shutil.copy(pooling, out / pooling.parent.name)


def _pooling(folder: Path) -> Pooling:
    if not (folder / MODULES).is_file():
        return "mean"
    steps = read_json(folder / MODULES, list)
    pooling: Pooling = "mean"
    for step in steps:
        kind = str(step.get("type", "")).rpartition(".")[2] if isinstance(step, dict) else ""
        path = str(step.get("path", "")) if isinstance(step, dict) else ""
        if kind == "Transformer" and path:
            raise BadInput(
                f"its weights lie in {path}",
                where=str(folder / MODULES),
                cure="save it again with sentence-transformers",
            )
        if kind == "Pooling":
            pooling = _mode(folder / path / "config.json")
        elif kind not in ("Transformer", "Normalize"):
            raise BadInput(
                f"the step {kind or step!r} is not read, and without it its vectors would be others",
                where=str(folder / MODULES),
                cure="give an encoder of Transformer, Pooling and Normalize",
            )
    return pooling


def _mode(path: Path) -> Pooling:
    """The pooling that a file names, in either of the two forms of sentence-transformers."""
    if not path.is_file():
        raise BadInput("there is no such file", where=str(path), cure="give a complete folder: it says how to pool")
    config = read_json(path)
    named = config.get("pooling_mode")
    modes = [named] if isinstance(named, str) else list(named or ())
    modes += [
        name.removeprefix("pooling_mode_") for name, on in config.items() if name != "pooling_mode" and on is True
    ]
    modes = [mode for mode in modes if mode != "include_prompt"]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise BadInput(
            f"pooling {' and '.join(map(str, modes)) or 'of no kind'} is not read",
            where=str(path),
            cure="give an encoder that pools in one of these ways: mean, cls, max, weightedmean, lasttoken",
        )
    if config.get("include_prompt") is False:
        raise BadInput(
            "a pooling that leaves the prompt out is not read",
            where=str(path),
            cure="give an encoder whose prompt is pooled with the text",
        )
    return _MODES[modes[0]]


def _prompts(folder: Path) -> Prompts:
    if not (folder / PROMPTS).is_file():
        return Prompts()
    about = read_json(folder / PROMPTS)
    prompts: Any = about.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise UnreadableFile("prompts are no texts by name", where=str(folder / PROMPTS), cure="fetch the file again")
    default = prompts.get(about.get("default_prompt_name") or "", "")
    request, job = (next((prompts[name] for name in some if name in prompts), default) for some in (_REQUEST, _JOB))
    if any(prompts.values()) and not (request or job):
        log.warning("encoder: its prompts %s are for other uses; encoder.prompts sets some", ", ".join(prompts))
    return Prompts(request=request, job=job)
