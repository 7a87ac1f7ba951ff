"""Which judges there are, and the knobs of one read from `params.yaml` or from one flag."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, SerializeAsAny, TypeAdapter, ValidationError
from pydantic_core import PydanticKnownError

from contracts.documents import read_yaml
from contracts.errors import BadInput
from contracts.plugins import Registry
from contracts.validation import first_problem, typed
from policy.judges.base import Judge, JudgeConfig, JudgeKind, JudgeSetting

JUDGES: Registry[JudgeKind] = Registry(
    "rolecall.judges",
    {
        "rubric": "policy.judges.rubric:RubricJudge",
        "llm": "policy.judges.llm:LlmJudge",
        "local": "policy.judges.local:LocalJudge",
    },
)


def _validate(value: Any) -> JudgeConfig:
    """A judge's knobs from its kind alone or from a mapping with a kind."""
    if isinstance(value, JudgeConfig):
        return value
    kind = value.get("kind") if isinstance(value, dict) else value
    kinds = JUDGES.names()
    if kind not in kinds:  # an address given as the kind may hold a key, so it is not repeated
        listed = ", ".join(map(repr, kinds))
        raise PydanticKnownError("union_tag_invalid", {"discriminator": "'kind'", "tag": "", "expected_tags": listed})
    return JUDGES.get(kind).Config.model_validate(value if isinstance(value, dict) else {"kind": kind})


AnyJudgeConfig = Annotated[SerializeAsAny[JudgeConfig], PlainValidator(_validate)]
"""The type of a field that holds any judge's knobs, such as `rubric` or `{kind: llm, model: M}`."""


def open_judge(config: JudgeConfig, setting: JudgeSetting) -> Judge:
    """The judge of a configuration. Raises what the judge raises where it cannot grade at all."""
    return JUDGES.get(config.kind).open(config, setting)


def read_judge(text: str) -> JudgeConfig:
    """The knobs of a judge from text.

    Args:
        text: A kind such as `rubric`, or a mapping in YAML or JSON such as `{kind: llm, model: M, base_url: URL}`.

    Raises:
        BadInput: The kind is unknown or a knob does not fit; the error repeats no value, which may be a key.
    """
    try:
        return TypeAdapter(AnyJudgeConfig).validate_python(read_yaml(text, "--judge"))
    except ValidationError as error:
        cure = f"a kind is one of {', '.join(JUDGES.names())}"
        if first_problem(error)["type"] == "union_tag_invalid":  # the kind may hold a key
            raise BadInput("kind: not one of them", where="--judge", cure=cure) from error
        raise typed(error, BadInput, where="--judge", cure=cure, root="judge") from error
