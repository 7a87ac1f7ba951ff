"""Forms of texts to try: the named ones of a file, or one step away from the form in force each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import field_validator

from contracts.documents import parse, read_text, wrong
from contracts.text.form import FACTS, TextForm
from contracts.values import FrozenModel

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
IN_FORCE, CONTROL = "in-force", "in-force-again"
"""Names of the form that the workspace has, as it is and trained again."""


class FormsFile(FrozenModel):
    """A file of named forms; of each what it does not say is as in the built-in form."""

    forms: Mapping[str, TextForm]

    @field_validator("forms")
    @classmethod
    def _names(cls, forms: Mapping[str, TextForm]) -> Mapping[str, TextForm]:
        if not forms:
            raise wrong("it names no form", "give one at least")
        if odd := [name for name in forms if not _NAME.fullmatch(name)]:
            raise wrong(f"{odd[0]!r} names no form", "use small letters, digits and '-': it becomes a file's name")
        if taken := [name for name in (IN_FORCE, CONTROL) if name in forms]:
            raise wrong(f"{taken[0]!r} is the form that the workspace has", "give it another name")
        return forms


def read_forms(path: Path) -> Mapping[str, TextForm]:
    """The named forms of a YAML file. Raises NotReady where it is absent, BadInput where a form does not fit."""
    return parse(read_text(path, "give a file with `forms:`"), FormsFile, str(path))[0].forms


def near_forms(form: TextForm) -> dict[str, TextForm]:
    """Forms one step away: a field of member or job put first, or dropped. Those that change nothing are left out."""
    tried = {f"member-{name}-first": _member(form, _first(form.member, name)) for name in ("skills", "wants", "worked")}
    for name in form.member:
        if name not in FACTS:
            tried[f"member-without-{name}"] = _member(form, _without(form.member, name))
    for name in ("skills", "description"):
        tried[f"job-{name}-first"] = _job(form, _first(_without(form.job, "title"), name))
    for name in ("company", "location", "industry"):
        tried[f"job-without-{name}"] = _job(form, _without(_without(form.job, "title"), name))
    return {name: other for name, other in tried.items() if other.digest != form.digest}


def _member(form: TextForm, budgets: Mapping[str, int]) -> TextForm:
    return form.model_copy(update={"member": budgets})


def _job(form: TextForm, behind_title: Mapping[str, int]) -> TextForm:
    return form.model_copy(update={"job": {"title": form.job["title"], **behind_title}})


def _first(budgets: Mapping[str, int], name: str) -> dict[str, int]:
    return {name: budgets[name], **_without(budgets, name)} if name in budgets else dict(budgets)


def _without(budgets: Mapping[str, int], name: str) -> dict[str, int]:
    return {other: budget for other, budget in budgets.items() if other != name}
