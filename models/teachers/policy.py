"""The policy teacher: it learns the judge's grades."""

from __future__ import annotations

from models.teachers.text import TextTeacher


class PolicyTeacher(TextTeacher):
    """Answers `relevance`: a good match by the product policy."""

    name = "policy"
    tasks = ("relevance",)
