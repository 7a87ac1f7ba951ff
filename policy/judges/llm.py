"""A judge that asks a language model behind any server that speaks OpenAI's chat completions.

Asked for is an answer in a JSON schema and the probabilities of its tokens. A server that refuses one of the two is
asked without it, and its answer is held to the schema here all the same. What goes wrong with a pair has a name
(`policy.judges.rubric.Cause`); what goes wrong with every pair raises JudgeFailed.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from contracts.errors import JudgeFailed, NotReady
from contracts.versions import json_hash
from policy.config import LlmConfig
from policy.document.document import GRADES, Policy
from policy.judges.answers import Answers
from policy.judges.prompt import ANSWER_SCHEMA, build_prompt, read_answer
from policy.judges.rubric import Cause, Judgement, Pair, Ungraded, check_asked

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

FORMAT = 1
"""Raise it with any change after which the same answer of a server would be read as another grade."""
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "grade", "strict": True, "schema": ANSWER_SCHEMA}}
_TOKENS: Mapping[str, Any] = {"logprobs": True, "top_logprobs": 5}
WISHES: tuple[Mapping[str, Any], ...] = (
    {"response_format": _SCHEMA, **_TOKENS},
    {"response_format": _SCHEMA},
    _TOKENS,
    {},
)
"""What a server is asked for beside an answer, from the most to the least."""

_GRADE = re.compile(r'"grade"\s*:\s*([0-4])')


class _Bare(BaseModel):
    """What is read of a completion; servers differ in the rest."""

    content: str | None = None
    refusal: str | None = None


class _Alternative(BaseModel):
    token: str
    logprob: float


class _Token(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Choice(BaseModel):
    message: _Bare
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Failure(NamedTuple):
    """A request without a grade. again: whether it may succeed later; wait_s: what the server asks for."""

    outcome: Ungraded
    again: bool = True
    wait_s: float = 0.0


class LlmJudge:
    """Grades by a model's answers; a pair that was answered before, by this model to this prompt, costs nothing.

    answers: the file of former answers; None asks anew each time. Raises NotReady where the key's variable is not set.
    """

    def __init__(self, policy: Policy, config: LlmConfig, answers: Path | None = None) -> None:
        self._config, self._prompt = config, build_prompt(policy)
        self.name = f"llm/{config.model}-{_settings(config)}/{self._prompt.version}"
        self.spent: Counter[str] = Counter()
        self._place = f"{config.model} at {urlsplit(config.base_url).hostname}"
        named = config.api_key_env
        self._key_cure = f"check the key in ${named}" if named else "name the variable of a key in api_key_env"
        self._key = os.environ.get(config.api_key_env, "") if config.api_key_env else "none"
        if not self._key:
            cure = "export the key under that name, or set api_key_env to '' for a server that asks for none"
            raise NotReady(f"environment variable {config.api_key_env} is not set", where=self._place, cure=cure)
        self._answers = Answers(answers) if answers else None
        self._wish = 0
        self._graded_any = False
        self._failed_in_a_row = 0

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """Raises JudgeFailed where the server takes neither key nor model, forbids all that it was ever asked, or fails
        `give_up_after` pairs in a row."""
        for pair in pairs:
            check_asked(pair)
        return asyncio.run(self._grade_many(pairs))

    async def _grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        from openai import AsyncOpenAI

        found: dict[int, Judgement | Ungraded] = {}
        todo = iter(enumerate(pairs))
        config = self._config
        async with AsyncOpenAI(
            api_key=self._key, base_url=config.base_url, max_retries=0, timeout=config.timeout_s
        ) as client:
            workers = [
                asyncio.create_task(self._work(client, todo, found)) for _ in range(min(config.concurrency, len(pairs)))
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        if not self._graded_any and FORBIDDEN in found.values():
            raise JudgeFailed("HTTP 403, and no pair has a grade", where=self._place, cure=self._key_cure)
        return [found[place] for place in range(len(pairs))]

    async def _work(
        self, client: AsyncOpenAI, todo: Iterator[tuple[int, Pair]], found: dict[int, Judgement | Ungraded]
    ) -> None:
        for place, pair in todo:
            found[place] = outcome = await self._grade(client, pair)
            if isinstance(outcome, Judgement):
                self._graded_any, self._failed_in_a_row = True, 0
                continue
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= self._config.give_up_after:
                what = f"{self._failed_in_a_row} pairs in a row without a grade, the last: {describe(outcome)}"
                cure = self._key_cure if outcome == FORBIDDEN else f"see that it answers, then {_AGAIN}"
                raise JudgeFailed(what, where=self._place, cure=cure)

    async def _grade(self, client: AsyncOpenAI, pair: Pair) -> Judgement | Ungraded:
        messages = self._prompt.messages(pair)
        key = _key(self._config, messages)
        known = self._answers.get(key) if self._answers else None
        if known:
            self.spent["cached"] += 1
            return known
        attempt = answers = 0
        while True:
            outcome = await self._ask(client, messages)
            if isinstance(outcome, Judgement):
                if self._answers:
                    self._answers.put(key, outcome)
                return outcome
            attempt += 1
            answers += outcome.outcome.cause in _OF_ANSWERS
            if not outcome.again or answers >= self._config.answer_tries or attempt >= self._config.tries:
                return outcome.outcome
            self.spent["retries"] += 1
            await asyncio.sleep(self._wait_s(attempt, outcome.wait_s))

    def _wait_s(self, attempt: int, asked_s: float) -> float:
        """Exponential back-off with jitter, and no less than the server asks for, both up to the longest wait."""
        grown = self._config.first_wait_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)
        return min(max(grown, asked_s), self._config.max_wait_s)

    async def _ask(self, client: AsyncOpenAI, messages: list[dict[str, str]]) -> Judgement | _Failure:
        """One answer, with as much beside it as the server gives. What it refuses once it is not asked for again."""
        for wish in range(self._wish, len(WISHES)):
            outcome = await self._request(client, messages, WISHES[wish])
            if isinstance(outcome, Judgement):
                self._wish = max(self._wish, wish)
            if isinstance(outcome, Judgement) or outcome.outcome.cause != "rejected":
                return outcome
        return outcome

    async def _request(
        self, client: AsyncOpenAI, messages: list[dict[str, str]], wishes: Mapping[str, Any]
    ) -> Judgement | _Failure:
        import openai

        self.spent["calls"] += 1
        try:
            async with asyncio.timeout(self._config.timeout_s):  # the client's own starts anew with every byte
                raw = await client.chat.completions.with_raw_response.create(
                    model=self._config.model,
                    messages=messages,  # type: ignore[arg-type]
                    extra_body={**self._config.options, **wishes},
                )
            completion = _Completion.model_validate_json(raw.content)
        except (TimeoutError, openai.APITimeoutError):
            return _Failure(Ungraded("timeout", f"no answer in {self._config.timeout_s:g} s"))
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.APIConnectionError:
            return _Failure(Ungraded("unreachable"))
        except ValidationError:
            return _Failure(Ungraded("malformed", "the body is no completion"))
        usage = completion.usage or _Usage()
        self.spent.update(prompt_tokens=usage.prompt_tokens or 0, completion_tokens=usage.completion_tokens or 0)
        return _read(completion.choices[0])

    def _refused(self, error: APIStatusError) -> _Failure:
        """What the server's words were is not told: they may repeat the prompt."""
        code = error.status_code
        told = f"HTTP {code}"
        stops = {
            401: self._key_cure,
            402: f"see to the account's balance, then {_AGAIN}",
            404: "check model and base_url",
        }
        if code in stops:
            raise JudgeFailed(told, where=self._place, cure=stops[code]) from None
        if code == 403:  # some servers' filters of content speak so
            return _Failure(FORBIDDEN, again=False)
        if code in (408, 409, 429) or code >= 500:
            cause: Cause = "rate limited" if code == 429 else "server error"
            return _Failure(Ungraded(cause, told), wait_s=_retry_after_s(error.response.headers))
        return _Failure(Ungraded("rejected", told), again=False)


FORBIDDEN = Ungraded("refused", "HTTP 403")
_AGAIN = "run again: answers are kept"
_OF_ANSWERS = {"empty", "prose", "malformed", "wrong schema", "off the scale", "cut off"}


def describe(outcome: Ungraded) -> str:
    return f"{outcome.cause} ({outcome.detail})" if outcome.detail else outcome.cause


def _key(config: LlmConfig, messages: list[dict[str, str]]) -> str:
    return json_hash([FORMAT, config.model, config.base_url, dict(config.options), messages], 64)


def _settings(config: LlmConfig) -> str:
    """Eight hex digits of what changes an answer beside model and prompt: the server's address and the options."""
    return json_hash([config.base_url, dict(config.options)], 8)


def _read(choice: _Choice) -> Judgement | _Failure:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return _Failure(Ungraded("refused"), again=False)
    answer = read_answer(choice.message.content or "")
    if isinstance(answer, Ungraded):
        cut = choice.finish_reason == "length"
        return _Failure(Ungraded("cut off", "raise max_tokens in options") if cut else answer)
    grade, rationale = answer
    tokens = choice.logprobs.content if choice.logprobs else None
    return Judgement(grade, rationale, probabilities=_probabilities(tokens or []))


def _probabilities(tokens: Sequence[_Token]) -> tuple[float, ...] | None:
    """Of the grades 0 to 4 at the token that is the grade's digit, made to add up to 1; None where it is not told."""
    text = "".join(token.token for token in tokens)
    found = _GRADE.search(text, text.rfind("</think>") + 1)
    if not found:
        return None
    at = 0
    for token in tokens:
        if at + len(token.token) > found.start(1):
            break
        at += len(token.token)
    shares = dict.fromkeys(map(str, GRADES), 0.0)
    for one in token.top_logprobs or []:
        if one.token.strip() in shares and math.isfinite(one.logprob):
            shares[one.token.strip()] += math.exp(min(0.0, one.logprob))
    total = sum(shares.values())
    return tuple(share / total for share in shares.values()) if total > 0 else None


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that `Retry-After` asks for, as a number or as a date; 0 where it says neither."""
    asked = headers.get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
