"""A causal language model that answers by one token: its weights, its chat template, and the logits of a few answers.

A judge on this machine scores the digits of a grade, a decoder teacher learns the margin between yes and no. Both load
the model here and write their prompts by its own chat template.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from contracts.errors import BadInput
from models.layers.folder import CURE, open_pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Chat = list[dict[str, str]]
"""Messages with `role` and `content`."""


def open_chat_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder with its chat template.

    Raises:
        BadInput: The folder holds none that can be read.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"no tokenizer: {reason}", where=str(folder), cure=CURE) from error


def chat_text(tokenizer: Any, chat: Chat, answer: str, plain_answer: str | None = None) -> str:
    """A chat up to the place where the answer goes on, without a thinking part.

    Args:
        tokenizer: From `open_chat_tokenizer`. Without a chat template the contents stand a blank line apart.
        chat: A user message, or a system message and user messages.
        answer: What the answer begins with.
        plain_answer: The same where there is no template; `answer` where None.
    """
    import jinja2

    if not tokenizer.chat_template:
        contents = "\n\n".join(message["content"] for message in chat)
        return contents + (answer if plain_answer is None else plain_answer)
    template: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
    try:
        return str(tokenizer.apply_chat_template(chat, enable_thinking=False, **template)) + answer
    except jinja2.TemplateError:  # some templates know no system message
        system, first, *rest = chat
        joined = {"role": "user", "content": f"{system['content']}\n\n{first['content']}"}
        return str(tokenizer.apply_chat_template([joined, *rest], **template)) + answer


def answer_margin(model: PreTrainedModel, ids: Tensor, mask: Tensor, answers: tuple[int, int]) -> Tensor:
    """How much likelier the first answer is than the second: the difference of two logits, with its gradient.

    Of the vocabulary these two rows alone are computed.

    Args:
        model: A causal language model.
        ids: (n, len) int64, padded on the right.
        mask: (n, len) int64, 1 for a token, 0 for padding.
        answers: The tokens of the two answers.

    Returns:
        (n,) float32 logit(first) - logit(second) at the place after each prompt.

    Source: monoT5, Nogueira, Jiang, Pradeep and Lin 2020 (arXiv 2003.06713).
    """
    inner: Any = model
    hidden = inner.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return margin(model, hidden[torch.arange(len(ids), device=ids.device), mask.sum(1) - 1], answers)


def margin(model: PreTrainedModel, states: Tensor, answers: tuple[int, int]) -> Tensor:
    """The difference (n,) float32 of the logits of two answers, of last states (n, H) of any precision."""
    states = states.float()
    output: Any = model.get_output_embeddings()
    first, second = (output.weight[token].float() for token in answers)
    difference: Tensor = (states * (first - second)).sum(-1)  # a matrix product would be rounded under autocast
    if output.bias is not None:
        difference = difference + output.bias[answers[0]] - output.bias[answers[1]]
    return difference


class Decoder:
    """A causal language model that scores a few answers after prompts that share their beginning.

    The shared beginning is read once, and its keys and values are kept.

    Attributes:
        context: Tokens that the model reads, None where it sets no limit.
        beginning: Token ids with which all prompts begin.
    """

    def __init__(
        self, folder: Path, answers: Sequence[str], samples: Sequence[Chat], answer: str, device: torch.device
    ) -> None:
        """Load the model.

        Args:
            folder: A Hugging Face folder of a causal language model.
            answers: What may follow the prompt; each has to be one token there.
            samples: Chats that differ as early as prompts can: what they share is the beginning of all.
            answer: What the model's message begins with, up to the place of the answers.
            device: Where the model runs.

        Raises:
            BadInput: The folder holds no decoder, the tokenizer writes an answer as several tokens, or the shared
                beginning alone is longer than the model reads.
        """
        from transformers import AutoModelForCausalLM

        self._answer, self._device = answer, device
        self.tokenizer = open_chat_tokenizer(folder)
        dtype = torch.float32 if device.type == "cpu" else "auto"
        model: Any = open_pretrained(AutoModelForCausalLM, folder, dtype)
        self._model = model.to(device).eval()
        self._answer_ids, self._after = self._find_answers(samples[0], answers)
        self.context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.beginning = common_prefix([self.read(sample) for sample in samples])
        if self.context is not None and len(self.beginning) >= self.context:
            raise BadInput(
                f"the model reads {self.context:,} tokens, and what all prompts share takes {len(self.beginning):,}",
                where=str(folder),
                cure="give a model that reads more",
            )
        with torch.inference_mode():
            ids = torch.tensor([self.beginning], device=device)
            self._cache = self._model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values

    def read(self, chat: Chat) -> list[int]:
        """Token ids of a chat up to the place of the answer."""
        return self._encode(f"{self._text(chat)}0")[: -1 - self._after]

    def probabilities(self, prompts: Sequence[list[int]]) -> list[tuple[float, ...]]:
        """The probability of each answer after each prompt, among the answers.

        Args:
            prompts: Token ids from `read`, at least one prompt.

        Returns:
            A tuple a prompt, in the order of the answers; each sums to 1.
        """
        start = len(self.beginning) if all(ids[: len(self.beginning)] == self.beginning for ids in prompts) else 0
        cache = copy.deepcopy(self._cache) if start else None
        if cache is not None:
            cache.batch_repeat_interleave(len(prompts))
        rest = max(len(ids) for ids in prompts) - start
        ids = torch.zeros(len(prompts), rest, dtype=torch.long)
        mask = torch.zeros(len(prompts), start + rest, dtype=torch.long)
        mask[:, :start] = 1
        for row, prompt in enumerate(prompts):  # padded on the left, so that every prompt ends in the last column
            ids[row, start + rest - len(prompt) :] = torch.tensor(prompt[start:])
            mask[row, start + start + rest - len(prompt) :] = 1
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, start:]
        with torch.inference_mode():
            logits = self._model(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                position_ids=places.to(self._device),
                past_key_values=cache,
                logits_to_keep=1,
            ).logits[:, -1, self._answer_ids]
        return [tuple(row) for row in logits.float().softmax(-1).tolist()]

    def _text(self, chat: Chat) -> str:
        return chat_text(self.tokenizer, chat, self._answer, f"\n\n{self._answer}")

    def _encode(self, text: str) -> list[int]:
        # A chat template writes its own start of text.
        return self.tokenizer.encode(text, add_special_tokens=not self.tokenizer.chat_template)

    def _find_answers(self, chat: Chat, answers: Sequence[str]) -> tuple[list[int], int]:
        """The id of each answer at its place, and how many tokens the tokenizer adds after it."""
        text = self._text(chat)
        encoded = [self._encode(f"{text}{answer}") for answer in answers]
        place = len(common_prefix(encoded))
        tails = {tuple(ids[place + 1 :]) for ids in encoded}
        if len(tails) > 1 or len({ids[place] for ids in encoded if len(ids) > place}) < len(answers):
            raise BadInput(
                f"its tokenizer writes one of {', '.join(answers)} as several tokens",
                cure="give a model with a token for each",
            )
        return [ids[place] for ids in encoded], len(tails.pop())


def common_prefix(sequences: Sequence[list[int]]) -> list[int]:
    """What all sequences begin with."""
    return [ids[0] for ids in takewhile(lambda ids: len(set(ids)) == 1, zip(*sequences, strict=False))]
