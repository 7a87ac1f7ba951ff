"""Which teachers there are: the one place that names them."""

from __future__ import annotations

from typing import Any

from contracts.plugins import Registry

TEACHERS: Registry[Any] = Registry(
    "rolecall.teachers",
    {
        "policy": "models.teachers.policy:PolicyTeacher",
        "click": "models.teachers.click:ClickTeacher",
        "decoder": "models.teachers.decoder:DecoderTeacher",
        "graph": "models.teachers.graph.teacher:GraphTeacher",
    },
)
"""Classes of `models.teachers.base.Teacher` in the order in which they are trained: one may start from earlier ones."""

DEFAULT_TEACHERS = ("policy", "click")
"""Those that are on where the knob `teachers` names none; the others wait to be named."""


def teacher_config(name: str) -> Any:
    """The pydantic class of a teacher's knobs, section `<name>_teacher` of the parameters."""
    return TEACHERS.get(name).Config
