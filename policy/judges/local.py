"""A judge that is a decoder on this machine: it scores the five digits at the place of the grade and generates nothing.

The grade is the mean of the digits under their probabilities, rounded: it has the least expected squared error, which
quadratic kappa weighs. All prompts begin with the policy, so its keys and values are computed once and kept.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from contracts.errors import BadInput
from contracts.versions import content_hash
from policy.judges.base import JudgeConfig, Judgement, JudgeSetting, Pair, Ungraded, expected_grade
from policy.judges.prompt import ANSWER_START, BRACKETS, build_prompt
from policy.types import DIMENSIONS, GRADES, Policy

if TYPE_CHECKING:
    from models.layers.decoder import Decoder

NEEDED = ("config.json", "tokenizer.json")
TEMPLATES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
"""Files that a folder may hold and that change what the model reads."""
SHARDS = "model.safetensors.index.json"
_CURE = "give a complete Hugging Face folder of a decoder with safetensors weights"


class LocalConfig(JudgeConfig):
    """The knobs of a decoder on this machine."""

    kind: Literal["local"] = "local"
    folder: Path = Field(description="A Hugging Face folder: config.json, *.safetensors and tokenizer.json.")
    device: str | None = Field(None, description="As PyTorch names it; None: a GPU if there is one, else the CPU.")
    batch_size: int = Field(8, ge=1, description="Pairs of one pass.")
    most_spread: float | None = Field(
        None,
        gt=0,
        description="Standard deviation of the grade under its probabilities past which a pair is left ungraded as "
        "`unsure`; 1.4 is that of all grades alike.",
    )
    pair_price: float = Field(0.0, ge=0, description="Money for a pair, such as that for its share of a machine.")
    max_tokens: int = Field(8_192, ge=256, description="Tokens of a prompt; a pair with a longer one is ungraded.")

    def cost(self, spent: Counter[str]) -> float | None:
        """The money for the pairs in a judge's `spent`; None where no price is given."""
        return spent["calls"] * self.pair_price if self.pair_price else None


class LocalJudge:
    """Grades by the digits' logits; the model is loaded at the first pair."""

    Config = LocalConfig

    def __init__(self, policy: Policy, config: LocalConfig) -> None:
        """Make the judge.

        Raises:
            BadInput: The folder is incomplete. `grade_many` raises it for a folder that holds no decoder, or whose
                tokenizer writes a digit as several tokens.
        """
        self._config, self._prompt = config, build_prompt(policy)
        # The decoder reads the prompts' shared beginning from samples that differ as early as prompts can.
        examples = [example for name in DIMENSIONS for example in getattr(policy.dimensions, name).examples]
        self._samples = [self._prompt.messages(Pair(each.member, each.job, each.query)) for each in examples]
        spread = "" if config.most_spread is None else f"-{config.most_spread:g}"
        self.name = f"local/{config.folder.name}-{_version(config.folder)}{spread}/{self._prompt.version}"
        self.spent: Counter[str] = Counter()

    @classmethod
    def open(cls, config: LocalConfig, setting: JudgeSetting) -> Self:
        """Make the judge, see `__init__`."""
        return cls(setting.policy, config)

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """Grade pairs; one whose prompt is longer than `max_tokens`, or than the model reads, is left ungraded."""
        for pair in pairs:
            pair.check()
        prompts = [self._decoder.read(self._prompt.messages(pair)) for pair in pairs]
        most, limit = self._config.max_tokens, "of max_tokens"
        if self._decoder.context is not None and self._decoder.context < most:
            most, limit = self._decoder.context, "that the model reads"
        too_long = Ungraded("rejected", f"the prompt is over the {most:,} tokens {limit}")
        outcomes: list[Judgement | Ungraded] = [too_long for _ in pairs]
        fits = [place for place, ids in enumerate(prompts) if len(ids) <= most]
        fits.sort(key=lambda place: len(prompts[place]))  # less padding
        for start in range(0, len(fits), self._config.batch_size):
            places = fits[start : start + self._config.batch_size]
            batch = [prompts[place] for place in places]
            self.spent.update(calls=len(batch), prompt_tokens=sum(map(len, batch)))
            for place, probabilities in zip(places, self._decoder.probabilities(batch), strict=True):
                outcomes[place] = _judgement(probabilities, self._config.most_spread)
        return outcomes

    @cached_property
    def _decoder(self) -> Decoder:
        import torch

        from models.layers.decoder import Decoder

        config = self._config
        device = torch.device(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        decoder = Decoder(config.folder, list(map(str, GRADES)), self._samples, ANSWER_START, device)
        _check_special_tokens(decoder.tokenizer, config.folder)
        return decoder


def _judgement(probabilities: tuple[float, ...], most_spread: float | None) -> Judgement | Ungraded:
    mean = expected_grade(probabilities)
    spread = math.sqrt(sum(share * (grade - mean) ** 2 for grade, share in enumerate(probabilities)))
    if most_spread is not None and spread > most_spread:
        return Ungraded("unsure", f"a spread of {spread:.2f} grades")
    shares = " ".join(f"{share:.2f}" for share in probabilities)
    return Judgement(int(mean + 0.5), f"mean {mean:.2f} of the grades 0 to 4 at {shares}", probabilities=probabilities)


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

    Raises BadInput where a needed file is missing.
    """
    names = [*NEEDED, *_weight_files(folder)]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{', '.join(missing)} missing", where=str(folder), cure=_CURE)
    names += [name for name in TEMPLATES if (folder / name).is_file()]
    return content_hash((part for name in names for part in (name, folder / name)), 8)


def _check_special_tokens(tokenizer: Any, folder: Path) -> None:
    """Raise BadInput for a special token that a text in a prompt could spell: there every bracket is an escape."""
    spelled = [token for token in tokenizer.all_special_tokens if not BRACKETS.search(token)]
    if spelled:
        what = f"its special token {spelled[0]!r} is one that a member could write"
        raise BadInput(what, where=str(folder), cure="give a model whose special tokens stand in brackets")
