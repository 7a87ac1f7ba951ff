"""Which judges there are, and the type of a field that holds the knobs of any of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, SerializeAsAny
from pydantic_core import PydanticCustomError

from contracts.plugins import Registry
from policy.judges.base import Judge, JudgeConfig, JudgeKind, JudgeSetting

JUDGES: Registry[JudgeKind] = Registry(
    "rolecall.judges",
    {
        "rubric": "policy.judges.rubric:RubricJudge",
        "llm": "policy.judges.llm:LlmJudge",
        "local": "policy.judges.local:LocalJudge",
    },
)


def read_judge(value: Any) -> JudgeConfig:
    """The knobs of a judge.

    Args:
        value: A kind such as "rubric", a mapping such as {"kind": "llm", "model": "M"}, or knobs, which are returned.

    Raises:
        PydanticCustomError: There is no such kind; ValidationError for a knob that does not fit. As the type of a field
            (`AnyJudgeConfig`) they become the errors of that field.
    """
    if isinstance(value, JudgeConfig):
        return value
    kind = value.get("kind") if isinstance(value, dict) else value
    kinds = JUDGES.names()
    if kind not in kinds:  # an address given as the kind may hold a key, so it is not repeated
        listed = ", ".join(map(repr, kinds))
        raise PydanticCustomError(
            "union_tag_invalid", "its kind is not one of {expected_tags}", {"expected_tags": listed}
        )
    return JUDGES.get(kind).Config.model_validate(value if isinstance(value, dict) else {"kind": kind})


AnyJudgeConfig = Annotated[SerializeAsAny[JudgeConfig], PlainValidator(read_judge)]
"""The type of a field that holds any judge's knobs, such as `rubric` or `{kind: llm, model: M}`."""


def open_judge(config: JudgeConfig, setting: JudgeSetting) -> Judge:
    """The judge of a configuration. Raises what the judge raises where it cannot grade at all."""
    return JUDGES.get(config.kind).open(config, setting)
