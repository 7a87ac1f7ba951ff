"""A judge that asks a language model behind any server that speaks OpenAI's chat completions.

A request asks for an answer in a JSON schema and for the probabilities of its tokens. A server that refuses one of the
two is asked without it; the answer is checked against the schema here in any case. A failure of one pair is a
`policy.judges.base.Cause`; a failure of every pair raises JudgeFailed.

A model that is asked again may answer otherwise. With `answers` above 1 a pair is asked until most of its answers say
one grade, and a pair on which the model stays divided gets none.

The client's own retries are off: retries here also cover answers that are no grade, count each cause, stop after
`tries` for the whole pair, and keep a server's `Retry-After` below `max_wait_s`.
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
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from contracts.errors import JudgeFailed, NotReady
from contracts.versions import json_hash
from policy.judges.answers import Answers
from policy.judges.base import BLAMELESS, Cause, JudgeConfig, Judgement, JudgeSetting, Pair, Ungraded, agreed
from policy.judges.prompt import ANSWER_SCHEMA, build_prompt, read_answer
from policy.types import GRADES, Policy

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

FORMAT = 1
"""Version of the stored answers: raise it when the same answer of a server becomes another grade."""
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "grade", "strict": True, "schema": ANSWER_SCHEMA}}
_LOGPROBS: Mapping[str, Any] = {"logprobs": True, "top_logprobs": 5}
EXTRAS: tuple[Mapping[str, Any], ...] = (
    {"response_format": _SCHEMA, **_LOGPROBS},
    {"response_format": _SCHEMA},
    _LOGPROBS,
    {},
)
"""Optional parts of a request, in the order in which they are tried."""
FORBIDDEN = Ungraded("refused", "HTTP 403")
_RUN_AGAIN = "run again: answers are kept"
_OF_ANSWERS = {"empty", "prose", "malformed", "wrong schema", "off the scale", "cut off"}
"""Causes that lie in an answer and not in the server."""
_GRADE = re.compile(r'"grade"\s*:\s*([0-4])')


def _address(url: str) -> str:
    """An http address without secrets, since names and errors repeat it. Raises ValueError without the address."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("not an address such as http://localhost:8000/v1")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError("an address holds no user, key or query; name the key's variable in api_key_env")
    return url.rstrip("/")


class LlmConfig(JudgeConfig):
    """The knobs of a language model behind a server that speaks OpenAI's chat completions."""

    kind: Literal["llm"] = "llm"
    model: str = Field(min_length=1, description="The model's name at the server.")
    base_url: Annotated[str, AfterValidator(_address)] = Field(
        "https://api.openai.com/v1", description="The server's address; one that holds a key is refused."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        description="The environment variable that holds the key, empty for a server without keys. No key is stored.",
    )
    options: Mapping[str, Any] = Field(
        {"temperature": 0, "max_tokens": 300}, description="Sent with every request, as the server names them."
    )
    concurrency: int = Field(8, ge=1, description="Requests at the same time, in each process.")
    timeout_s: float = Field(60.0, gt=0, description="Seconds for one request from its start to its last byte.")
    tries: int = Field(6, ge=1, description="Requests for one pair while the server is busy, broken or silent.")
    answers: int = Field(
        1,
        ge=1,
        description="Answers to a pair at most. More than one: asked until more than half of at least two give the "
        "same grade; where none does, the pair is left ungraded as `unsure`.",
    )
    again: Mapping[str, Any] = Field(
        {"temperature": 0.7}, description="Of the second answer and later ones, in the place of those `options`."
    )
    answer_tries: int = Field(2, ge=1, description="Answers that are no grade before a pair is left ungraded.")
    first_wait_s: float = Field(1.0, ge=0, description="Seconds before the first retry; each wait doubles the last.")
    max_wait_s: float = Field(60.0, ge=0, description="The longest wait in seconds, whatever the server asks for.")
    give_up_after: int = Field(20, ge=1, description="Pairs in a row without a grade after which the judge fails.")
    prompt_price: float = Field(0.0, ge=0, description="Money for a million tokens of prompts.")
    completion_price: float = Field(0.0, ge=0, description="Money for a million tokens of answers.")
    call_price: float = Field(0.0, ge=0, description="Money for a request, beside that for its tokens.")

    def cost(self, spent: Counter[str]) -> float | None:
        """The money for the tokens and calls in a judge's `spent`; None where no price is given."""
        if not (self.prompt_price or self.completion_price or self.call_price):
            return None
        of_tokens = spent["prompt_tokens"] * self.prompt_price + spent["completion_tokens"] * self.completion_price
        return of_tokens / 1e6 + spent["calls"] * self.call_price


class _Message(BaseModel):
    """The part of a completion's message that is read, as in the classes below; servers differ in the rest."""

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
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Failure(NamedTuple):
    """A request without a grade, whether another one may succeed, and the seconds that the server asks to wait."""

    outcome: Ungraded
    again: bool = True
    wait_s: float = 0.0


class LlmJudge:
    """Grades by a model's answers; an answer of this model to the same prompt is stored and costs nothing again."""

    Config = LlmConfig

    def __init__(self, policy: Policy, config: LlmConfig, answers: Path | None = None) -> None:
        """Make the judge.

        Args:
            policy: What to grade by.
            config: The model, its server and its limits.
            answers: The file of stored answers; None asks anew each time.

        Raises:
            NotReady: The key's environment variable is not set.
        """
        self._config, self._prompt = config, build_prompt(policy)
        self.name = f"llm/{config.model}-{_settings(config)}/{self._prompt.version}"
        self.spent: Counter[str] = Counter()
        self._place = f"{config.model} at {urlsplit(config.base_url).hostname}"
        variable = config.api_key_env
        self._key_cure = f"check the key in ${variable}" if variable else "name the variable of a key in api_key_env"
        self._key = os.environ.get(variable, "") if variable else "none"
        if not self._key:
            cure = "export the key under that name, or set api_key_env to '' for a server that asks for none"
            raise NotReady(f"environment variable {variable} is not set", where=self._place, cure=cure)
        self._answers = Answers(answers) if answers else None
        self._extras = 0  # the place in EXTRAS of the first that the server does not refuse
        self._graded_any = False
        self._failed_in_a_row = 0

    @classmethod
    def open(cls, config: LlmConfig, setting: JudgeSetting) -> Self:
        """Make the judge with the file of stored answers."""
        return cls(setting.policy, config, setting.answers)

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """Grade pairs, `concurrency` of them at a time.

        Raises:
            JudgeFailed: The server refuses the key or the model, has forbidden every pair so far, or left
                `give_up_after` pairs in a row without a grade.
        """
        for pair in pairs:
            pair.check()
        return asyncio.run(self._grade_many(pairs))

    async def _grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        from openai import AsyncOpenAI

        outcomes: dict[int, Judgement | Ungraded] = {}
        todo = iter(enumerate(pairs))
        config = self._config
        async with AsyncOpenAI(
            api_key=self._key, base_url=config.base_url, max_retries=0, timeout=config.timeout_s
        ) as client:
            workers = [
                asyncio.create_task(self._work(client, todo, outcomes))
                for _ in range(min(config.concurrency, len(pairs)))
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        if not self._graded_any and FORBIDDEN in outcomes.values():
            raise JudgeFailed("HTTP 403, and no pair has a grade", where=self._place, cure=self._key_cure)
        return [outcomes[place] for place in range(len(pairs))]

    async def _work(
        self, client: AsyncOpenAI, todo: Iterator[tuple[int, Pair]], outcomes: dict[int, Judgement | Ungraded]
    ) -> None:
        for place, pair in todo:
            outcomes[place] = outcome = await self._grade(client, pair)
            if isinstance(outcome, Judgement) or outcome.cause in BLAMELESS:
                self._graded_any, self._failed_in_a_row = True, 0
                continue
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= self._config.give_up_after:
                what = f"{self._failed_in_a_row} pairs in a row without a grade, the last: {outcome}"
                cure = self._key_cure if outcome == FORBIDDEN else f"see that it answers, then {_RUN_AGAIN}"
                raise JudgeFailed(what, where=self._place, cure=cure)

    async def _grade(self, client: AsyncOpenAI, pair: Pair) -> Judgement | Ungraded:
        """The first answer where `answers` is 1, else what the fewest answers agree on."""
        messages = self._prompt.messages(pair)
        found: list[Judgement] = []
        for number in range(self._config.answers):
            outcome = await self._answer(client, messages, number)
            if isinstance(outcome, Ungraded) or self._config.answers == 1:
                return outcome
            if number:
                self.spent["repeats"] += 1
            found.append(outcome)
            if stable := agreed(found):
                return stable
        return Ungraded("unsure", f"grades {', '.join(str(one.grade) for one in found)}")

    async def _answer(self, client: AsyncOpenAI, messages: list[dict[str, str]], number: int) -> Judgement | Ungraded:
        """Answer `number` to a prompt, counted from 0: the stored one where there is one."""
        options = self._config.options if not number else {**self._config.options, **self._config.again}
        key = _key(self._config, options, messages, number)
        stored = self._answers.get(key) if self._answers else None
        if stored:
            self.spent["cached"] += 1
            return stored
        attempt = answers = 0
        while True:
            outcome = await self._ask(client, messages, options)
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

    def _wait_s(self, attempt: int, server_wait_s: float) -> float:
        """Exponential back-off with jitter, at least what the server asks for, at most the longest wait."""
        grown = self._config.first_wait_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)
        return min(max(grown, server_wait_s), self._config.max_wait_s)

    async def _ask(
        self, client: AsyncOpenAI, messages: list[dict[str, str]], options: Mapping[str, Any]
    ) -> Judgement | _Failure:
        """One answer, with the first of EXTRAS that the server does not refuse; a refused one is not tried again."""
        for place in range(self._extras, len(EXTRAS)):
            outcome = await self._request(client, messages, {**options, **EXTRAS[place]})
            if isinstance(outcome, Judgement):
                self._extras = max(self._extras, place)
            if isinstance(outcome, Judgement) or outcome.outcome.cause != "rejected":
                return outcome
        return outcome

    async def _request(
        self, client: AsyncOpenAI, messages: list[dict[str, str]], extra_body: Mapping[str, Any]
    ) -> Judgement | _Failure:
        import openai

        self.spent["calls"] += 1
        try:
            async with asyncio.timeout(self._config.timeout_s):  # the client's own starts anew with every byte
                raw = await client.chat.completions.with_raw_response.create(
                    model=self._config.model,
                    messages=messages,  # type: ignore[arg-type]
                    extra_body=extra_body,
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
        """The failure of a status code. The server's own words may repeat the prompt, so they are left out."""
        code = error.status_code
        status = f"HTTP {code}"
        stops = {
            401: self._key_cure,
            402: f"see to the account's balance, then {_RUN_AGAIN}",
            404: "check model and base_url",
        }
        if code in stops:
            raise JudgeFailed(status, where=self._place, cure=stops[code]) from None
        if code == 403:  # the content filters of some servers answer so
            return _Failure(FORBIDDEN, again=False)
        if code in (408, 409, 429) or code >= 500:
            cause: Cause = "rate limited" if code == 429 else "server error"
            return _Failure(Ungraded(cause, status), wait_s=_retry_after_s(error.response.headers))
        return _Failure(Ungraded("rejected", status), again=False)


def _key(config: LlmConfig, options: Mapping[str, Any], messages: list[dict[str, str]], number: int) -> str:
    of_number = [number] if number else []
    return json_hash([FORMAT, config.model, config.base_url, dict(options), messages, *of_number], 64)


def _settings(config: LlmConfig) -> str:
    """Eight hex digits of what changes a grade beside model and prompt: the server's address, the options, and how
    often a pair is asked."""
    repeats = [config.answers, dict(config.again)] if config.answers > 1 else []
    return json_hash([config.base_url, dict(config.options), *repeats], 8)


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
    """The probabilities of the digits 0 to 4 at the grade's token, scaled to a sum of 1; None where none is given."""
    text = "".join(token.token for token in tokens)
    match = _GRADE.search(text, text.rfind("</think>") + 1)
    if not match:
        return None
    end = 0
    for token in tokens:
        end += len(token.token)
        if end > match.start(1):
            break
    shares = dict.fromkeys(map(str, GRADES), 0.0)
    for alternative in token.top_logprobs or []:
        if alternative.token.strip() in shares and math.isfinite(alternative.logprob):
            shares[alternative.token.strip()] += math.exp(min(0.0, alternative.logprob))
    total = sum(shares.values())
    return tuple(share / total for share in shares.values()) if total > 0 else None


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that `Retry-After` asks for, as a number or as a date; 0 where it is neither."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
