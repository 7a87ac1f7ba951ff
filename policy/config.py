"""Which judge grades, and how it is asked: typed, read from `params.yaml` or one flag."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.errors import BadInput

KINDS = ("rubric", "llm", "local")


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)  # the input may hold a key


class RubricConfig(_Config):
    """The policy's own steps, cuts and rules."""

    kind: Literal["rubric"] = "rubric"


def _address(url: str) -> str:
    """An http address that may be told: names and errors are made of it. Raises ValueError, without the address."""
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


class LlmConfig(_Config):
    """A language model behind any server that speaks OpenAI's chat completions.

    api_key_env: the environment variable that holds the key, empty for a server that asks for none; the key itself is
    never stored, and an address that holds one is refused. options: sent with every request, as the server names them.
    """

    kind: Literal["llm"] = "llm"
    model: str = Field(min_length=1)
    base_url: Annotated[str, AfterValidator(_address)] = "https://api.openai.com/v1"
    api_key_env: str = "OPENAI_API_KEY"
    options: Mapping[str, Any] = {"temperature": 0, "max_tokens": 300}
    concurrency: int = Field(8, ge=1)
    """Requests that are on their way at the same time, in each process."""
    timeout_s: float = Field(60.0, gt=0)
    """For one request, whatever of its answer has come by then."""
    tries: int = Field(6, ge=1)
    """Requests for one pair where the server is busy, broken or silent."""
    answer_tries: int = Field(2, ge=1)
    """Answers for one pair that may be no grade before it is left ungraded."""
    first_wait_s: float = Field(1.0, ge=0)
    max_wait_s: float = Field(60.0, ge=0)
    """Waits double from the first to the longest; one that the server asks for is kept up to the longest."""
    give_up_after: int = Field(20, ge=1)
    """Pairs in a row without a grade after which the judge is not asked any more."""
    prompt_price: float = Field(0.0, ge=0)
    completion_price: float = Field(0.0, ge=0)
    """Money for a million tokens; where both are 0 no cost is told."""

    def cost(self, spent: Counter[str]) -> float | None:
        """Money for the tokens in a judge's `spent`; None where no price is given."""
        if not self.prompt_price and not self.completion_price:
            return None
        tokens = (spent["prompt_tokens"], spent["completion_tokens"])
        return (tokens[0] * self.prompt_price + tokens[1] * self.completion_price) / 1e6


class LocalConfig(_Config):
    """A decoder in a Hugging Face folder (config.json, *.safetensors, tokenizer.json). device None: a GPU if there."""

    kind: Literal["local"] = "local"
    folder: Path
    device: str | None = None
    batch_size: int = Field(8, ge=1)
    max_tokens: int = Field(8_192, ge=256)
    """Of a prompt; a pair whose prompt is longer is left ungraded."""


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


JudgeConfig = Annotated[
    Annotated[RubricConfig | LlmConfig | LocalConfig, Field(discriminator="kind")], BeforeValidator(_named)
]


def read_judge(text: str) -> RubricConfig | LlmConfig | LocalConfig:
    """`rubric`, or a mapping in YAML or JSON: `{kind: llm, model: M, base_url: URL}`, `{kind: local, folder: F}`.

    Raises BadInput naming the field that does not fit.
    """
    try:
        return _ADAPTER.validate_python(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "judge"
        # An address given as the kind may hold a key, and pydantic would repeat it.
        told = "kind: not one of them" if first["type"] == "union_tag_invalid" else f"{field}: {first['msg']}"
        raise BadInput(told, where="--judge", cure=f"a kind is one of {', '.join(KINDS)}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput("not YAML", where="--judge", cure="quote it: --judge '{kind: llm, model: M}'") from error


_ADAPTER: TypeAdapter[RubricConfig | LlmConfig | LocalConfig] = TypeAdapter(JudgeConfig)
