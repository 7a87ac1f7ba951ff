"""The click teacher: it starts from the policy teacher and learns what members did."""

from __future__ import annotations

from contracts.tasks import ENGAGEMENT_TASKS
from models.teachers.text import TextTeacher


class ClickTeacher(TextTeacher):
    """Answers what a member will do with a job that is shown."""

    name = "click"
    tasks = ENGAGEMENT_TASKS
    starts_from = "policy"
