"""The form of a text: which fields of a record it has, in which order, of how many tokens each.

A workspace has one form for members and jobs; it is part of the text version. `rolecall text trial` compares forms, and
the knob `verbalize.form` names the file of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from contracts.documents import parse, read_text, wrong
from contracts.values import FrozenModel
from contracts.versions import json_hash

MEMBER_BUDGET: Mapping[str, int] = {
    "headline": 16,
    "seniority": 2,
    "location": 8,
    "wants": 24,
    "workplace": 4,
    "pay": 4,
    "skills": 40,
    "worked": 60,
    "education": 16,
    "summary": 48,
}
JOB_BUDGET: Mapping[str, int] = {
    "title": 16,
    "company": 8,
    "location": 8,
    "workplace": 2,
    "employment": 3,
    "seniority": 2,
    "industry": 6,
    "pay": 6,
    "skills": 40,
    "description": 480,
}
FACTS = ("headline", "seniority", "wants", "workplace", "pay", "skills", "worked")
"""Fields of a member that rules and the match read out of the text: no form drops or cuts one."""


class TextForm(FrozenModel):
    """Fields with their budgets in tokens, in the order in which the text has them; a field that is absent is dropped.

    Attributes:
        member: Holds all of `FACTS`, with their own budgets. A summary comes last: what a member writes there could
            else be read as one of those fields.
        job: Begins with the title, of its own budget, from which vectors of titles are made.
        telling: Word (`contracts.text.words`) -> how far a sentence that has it moves a teacher
            (`models.text_trial.telling`). A job's description is then its sentences with the most telling words first;
            where empty, those that tell of the work come first and boilerplate is left out.
    """

    member: Mapping[str, int] = Field(default_factory=lambda: dict(MEMBER_BUDGET))
    job: Mapping[str, int] = Field(default_factory=lambda: dict(JOB_BUDGET))
    telling: Mapping[str, float] = Field(default_factory=dict)

    @field_validator("member", "job")
    @classmethod
    def _known(cls, budgets: Mapping[str, int], info: object) -> Mapping[str, int]:
        known = MEMBER_BUDGET if getattr(info, "field_name", "") == "member" else JOB_BUDGET
        if unknown := [name for name in budgets if name not in known]:
            raise wrong(f"no field {unknown[0]!r}", f"one of {', '.join(known)}")
        if empty := [name for name, budget in budgets.items() if budget < 1]:
            raise wrong(f"{empty[0]!r} has a budget of {budgets[empty[0]]} tokens", "give one at least, or drop it")
        return budgets

    @field_validator("telling")
    @classmethod
    def _finite(cls, telling: Mapping[str, float]) -> Mapping[str, float]:
        if not all(abs(weight) < float("inf") for weight in telling.values()):
            raise wrong("a weight is no finite number", "give each word a finite weight")
        return telling

    @model_validator(mode="after")
    def _read_by_others(self) -> Self:
        for name in FACTS:
            if self.member.get(name) != MEMBER_BUDGET[name]:
                what = f"a member's {name!r} is not of {MEMBER_BUDGET[name]} tokens"
                raise wrong(what, "keep it: rules and the match of a pair read it out of the text")
        if "summary" in self.member and list(self.member)[-1] != "summary":
            raise wrong("a member's 'summary' is not the last field", "put it last: it could say the other fields")
        if list(self.job)[:1] != ["title"] or self.job["title"] != JOB_BUDGET["title"]:
            what = f"a job's text does not begin with 'title' of {JOB_BUDGET['title']} tokens"
            raise wrong(what, "put it first: the vectors of titles are made from it")
        return self

    @property
    def digest(self) -> str:
        """8 hex digits of the form, the order of its fields too; empty for the form that nobody chose."""
        content = [list(self.member.items()), list(self.job.items()), sorted(self.telling.items())]
        plain = [list(MEMBER_BUDGET.items()), list(JOB_BUDGET.items()), []]
        return "" if content == plain else json_hash(content, 8)


def read_form(path: Path) -> TextForm:
    """The form in a YAML file.

    Raises:
        BadInput: The file is absent or says something that no form can; the message names line and cure.
    """
    return parse(read_text(path, "give the path of a form, as `rolecall text trial` writes it"), TextForm, str(path))[0]
