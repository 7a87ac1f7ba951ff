"""A judge that is a decoder on this machine: it reads the prompt and scores the five digits where the grade stands.

One pass a pair and no generated text. The grade is the mean of the digits under their probabilities, rounded: that has
the least expected squared error, which is what quadratic kappa weighs. The policy, with which all prompts begin, is
read once, and its keys and values are kept.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import BadInput
from contracts.versions import content_hash
from policy.config import LocalConfig
from policy.document.document import DIMENSIONS, GRADES, Policy
from policy.judges.prompt import ANSWER_START, BRACKETS, build_prompt
from policy.judges.rubric import Judgement, Pair, Ungraded, check_asked, expected_grade

if TYPE_CHECKING:
    import torch

NEEDED = ("config.json", "tokenizer.json")
TEMPLATES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
"""Files of which a folder may hold some, and that change what the model reads."""
SHARDS = "model.safetensors.index.json"
_CURE = "give a complete Hugging Face folder of a decoder with safetensors weights"

Chat = list[dict[str, str]]


class LocalJudge:
    """Grades by the digits' logits; the model is loaded when it is first asked.

    Raises BadInput for a folder that is incomplete, is no decoder, or whose tokenizer writes a digit as several tokens.
    """

    def __init__(self, policy: Policy, config: LocalConfig) -> None:
        self._config, self._prompt = config, build_prompt(policy)
        # What all prompts share is found from prompts that differ as early as prompts can.
        shown = [one for name in DIMENSIONS for one in getattr(policy.dimensions, name).examples]
        self._samples = [self._prompt.messages(Pair(one.member, one.job, one.query)) for one in shown]
        self.name = f"local/{config.folder.name}-{_version(config.folder)}/{self._prompt.version}"
        self.spent: Counter[str] = Counter()

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """A pair whose prompt is longer than `max_tokens`, or than the model reads, is left ungraded."""
        for pair in pairs:
            check_asked(pair)
        prompts = [self._decoder.read(self._prompt.messages(pair)) for pair in pairs]
        most, whose = self._config.max_tokens, "of max_tokens"
        if self._decoder.context is not None and self._decoder.context < most:
            most, whose = self._decoder.context, "that the model reads"
        too_long = Ungraded("rejected", f"the prompt is over the {most:,} tokens {whose}")
        found: list[Judgement | Ungraded] = [too_long for _ in pairs]
        fits = [place for place, ids in enumerate(prompts) if len(ids) <= most]
        fits.sort(key=lambda place: len(prompts[place]))  # less padding
        for start in range(0, len(fits), self._config.batch_size):
            places = fits[start : start + self._config.batch_size]
            batch = [prompts[place] for place in places]
            self.spent.update(calls=len(batch), prompt_tokens=sum(map(len, batch)))
            for place, probabilities in zip(places, self._decoder.digits(batch), strict=True):
                found[place] = _judgement(probabilities)
        return found

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder(self._config, self._samples)


class Decoder:
    """A causal language model with its tokenizer, and the keys and values of what all prompts begin with.

    samples: chats from which that beginning is found. context: tokens that the model reads, None where it sets no
    limit.
    """

    def __init__(self, config: LocalConfig, samples: Sequence[Chat]) -> None:
        import torch
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        self._device = torch.device(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._tokenizer = _load_tokenizer(config.folder)
        self._model = _load_model(config.folder, self._device)
        self._digit_ids, self._after = self._find_digits(samples[0])
        sizes: Any = self._model.config
        self.context: int | None = getattr(sizes.get_text_config(), "max_position_embeddings", None)
        self.beginning = _common([self.read(sample) for sample in samples])
        if self.context is not None and len(self.beginning) >= self.context:
            what = f"the model reads {self.context:,} tokens, and the policy alone takes {len(self.beginning):,}"
            raise BadInput(what, where=str(config.folder), cure="give a model that reads more")
        with torch.inference_mode():
            ids = torch.tensor([self.beginning], device=self._device)
            self._kept = self._model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values

    def read(self, chat: Chat) -> list[int]:
        """Token ids of a chat up to the place where the grade's digit stands."""
        return self._encode(f"{_written(self._tokenizer, chat)}0")[: -1 - self._after]

    def digits(self, batch: Sequence[list[int]]) -> list[tuple[float, ...]]:
        """The probabilities of the five digits after each of some prompts, among each other."""
        import torch

        start = len(self.beginning) if all(ids[: len(self.beginning)] == self.beginning for ids in batch) else 0
        kept = copy.deepcopy(self._kept) if start else None
        if kept is not None:
            kept.batch_repeat_interleave(len(batch))
        rest = max(len(ids) for ids in batch) - start
        ids = torch.zeros(len(batch), rest, dtype=torch.long)
        mask = torch.zeros(len(batch), start + rest, dtype=torch.long)
        mask[:, :start] = 1
        for row, prompt in enumerate(batch):  # padded on the left, so that every prompt ends in the last column
            ids[row, start + rest - len(prompt) :] = torch.tensor(prompt[start:])
            mask[row, start + start + rest - len(prompt) :] = 1
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, start:]
        with torch.inference_mode():
            logits = self._model(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                position_ids=places.to(self._device),
                past_key_values=kept,
                logits_to_keep=1,
            ).logits[:, -1, self._digit_ids]
        return [tuple(row) for row in logits.float().softmax(-1).tolist()]

    def _encode(self, text: str) -> list[int]:
        # A chat template writes its own start of text.
        return self._tokenizer.encode(text, add_special_tokens=not self._tokenizer.chat_template)

    def _find_digits(self, chat: Chat) -> tuple[list[int], int]:
        """The id of each digit at the grade's place, and how many tokens the tokenizer adds after it."""
        text = _written(self._tokenizer, chat)
        written = [self._encode(f"{text}{grade}") for grade in GRADES]
        place = len(_common(written))
        tails = {tuple(ids[place + 1 :]) for ids in written}
        if len(tails) > 1 or len({ids[place] for ids in written if len(ids) > place}) < len(GRADES):
            raise BadInput("its tokenizer writes a digit as several tokens", cure="give a model with a token a digit")
        return [ids[place] for ids in written], len(tails.pop())


def _judgement(probabilities: tuple[float, ...]) -> Judgement:
    mean = expected_grade(probabilities)
    told = " ".join(f"{share:.2f}" for share in probabilities)
    return Judgement(int(mean + 0.5), f"mean {mean:.2f} of the grades 0 to 4 at {told}", probabilities=probabilities)


def _written(tokenizer: Any, chat: Chat) -> str:
    """A chat as the model's own template writes it, or plainly where it has none, up to the grade."""
    import jinja2

    if not tokenizer.chat_template:
        return "\n\n".join(message["content"] for message in chat) + f"\n\n{ANSWER_START}"
    try:
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    except jinja2.TemplateError:  # some know no system message
        system, first, *rest = chat
        joined = {"role": "user", "content": f"{system['content']}\n\n{first['content']}"}
        text = tokenizer.apply_chat_template([joined, *rest], tokenize=False, add_generation_prompt=True)
    return text + ANSWER_START


def _common(sequences: Sequence[list[int]]) -> list[int]:
    """What all sequences begin with."""
    return [ids[0] for ids in takewhile(lambda ids: len(set(ids)) == 1, zip(*sequences, strict=False))]


def _weight_files(folder: Path) -> list[str]:
    """Names of the weight files that the folder should hold."""
    if not (folder / SHARDS).is_file():
        return ["model.safetensors"]
    try:
        return sorted(set(json.loads((folder / SHARDS).read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise BadInput(f"{SHARDS} names no files", where=str(folder), cure=_CURE) from error


def _version(folder: Path) -> str:
    """Eight hex digits of the configuration, the tokenizer with its templates, and the weights.

    Raises BadInput where one is missing without which nothing is read.
    """
    names = [*NEEDED, *_weight_files(folder)]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{', '.join(missing)} missing", where=str(folder), cure=_CURE)
    names += [name for name in TEMPLATES if (folder / name).is_file()]
    return content_hash((part for name in names for part in (name, folder / name)), 8)


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        raise BadInput(f"no tokenizer: {_first_line(error)}", where=str(folder), cure=_CURE) from error
    # In the data of a prompt every bracket is an escape, so no text can spell a token that has one.
    spelled = [token for token in tokenizer.all_special_tokens if not BRACKETS.search(token)]
    if spelled:
        what = f"its special token {spelled[0]!r} is one that a member could write"
        raise BadInput(what, where=str(folder), cure="give a model whose special tokens stand in brackets")
    return tokenizer


def _load_model(folder: Path, device: torch.device) -> torch.nn.Module:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32 if device.type == "cpu" else "auto",
            output_loading_info=True,
        )
    except (ValueError, OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise BadInput(f"no decoder: {_first_line(error)}", where=str(folder), cure=_CURE) from error
    model, found = loaded
    if found["missing_keys"]:  # transformers would go on with random weights
        names = ", ".join(sorted(found["missing_keys"])[:3])
        raise BadInput(f"no weights for {names}", where=str(folder), cure=_CURE)
    return model.to(device).eval()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
