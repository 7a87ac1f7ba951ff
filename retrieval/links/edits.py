"""Edits of the learned links: people add, forbid or pin one, with who, when and why; and their effect on the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from contracts.documents import Lines, at, parse, read_text, wrong
from contracts.errors import BadInput
from contracts.values import FrozenModel
from retrieval.links.candidates import Ends
from retrieval.links.graph import Link
from retrieval.links.values import JOB_ATTRIBUTES, MEMBER_ATTRIBUTES, Read, Value, no_family, normal

Action = Literal["add", "forbid", "pin"]
ACTIONS: tuple[Action, ...] = get_args(Action)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed), Field(min_length=1)]
Side = Annotated[Mapping[str, Texts], Field(min_length=1)]
NonEmpty = Annotated[str, Field(min_length=1)]


class LinkText(FrozenModel):
    """A link as people write it: attribute -> a value or several."""

    member: Side
    job: Side

    @model_validator(mode="after")
    def _known(self) -> Self:
        for side, values, attributes in (("member", self.member, MEMBER_ATTRIBUTES), ("job", self.job, JOB_ATTRIBUTES)):
            for name in values:
                if name not in attributes:
                    raise wrong(f"a {side} has no attribute {name!r}", f"one of {', '.join(attributes)}")
        return self


class Edit(FrozenModel):
    """One decision. quality: of an added link, on the scale of those learned; who, when, why: for those who audit."""

    add: LinkText | None = None
    forbid: LinkText | None = None
    pin: LinkText | None = None
    quality: Annotated[float, Field(allow_inf_nan=False)] | None = None
    who: NonEmpty
    when: date
    why: NonEmpty

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise wrong(f"it says {' and '.join(given) or 'nothing to do'}", f"give one of {', '.join(ACTIONS)}")
        if (self.quality is None) == (self.add is not None):
            problem = "an added link needs a quality" if self.add else f"a quality says nothing about {given[0]}"
            raise wrong(problem, "give add a quality such as 1.0, and the others none")
        return self

    @property
    def action(self) -> Action:
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    @property
    def note(self) -> str:
        return f"{_DONE[self.action]} by {self.who} on {self.when}: {self.why}"


_DONE: Mapping[str, str] = {"add": "added", "forbid": "forbidden", "pin": "pinned"}


class _Edits(FrozenModel):
    edits: tuple[Edit, ...]


class Decision(NamedTuple):
    """An edit whose values are those of the records. place: "line 7", for errors."""

    edit: Edit
    ends: Ends
    place: str


def load_edits(
    path: Path | None,
    members: frozenset[Value],
    jobs: frozenset[Value],
    title: Read,
    family: Read = no_family,
) -> list[Decision]:
    """The decisions in a file; none where None.

    members, jobs: every value that some member or some job has. Raises NotReady where there is no file; BadInput, with
    line and cure, where it holds no edits, names a value that nobody has, or contradicts itself.
    """
    if path is None:
        return []
    where = str(path)
    document, lines = parse(read_text(path), _Edits, where)
    decisions = [
        Decision(
            edit,
            _ends(edit, ("edits", i), lines, where, members, jobs, title, family),
            f"line {lines['edits', str(i)]}",
        )
        for i, edit in enumerate(document.edits)
    ]
    _check_agree(decisions, where)
    return decisions


def _ends(
    edit: Edit,
    path: tuple[str | int, ...],
    lines: Lines,
    where: str,
    members: frozenset[Value],
    jobs: frozenset[Value],
    title: Read,
    family: Read,
) -> Ends:
    link: LinkText = getattr(edit, edit.action)
    ends = []
    for side, texts, known in (("member", link.member, members), ("job", link.job, jobs)):
        values = set()
        for attribute, several in texts.items():
            for text in several:
                value = normal(attribute, text, title, family)
                if value not in known:
                    named = [v.value for v in known if v.attribute == attribute]
                    close = get_close_matches(value.value, named, 3, 0.5) or sorted(named)[:3]
                    cure = f"such as {', '.join(map(repr, close))}" if close else f"no {side} says anything of it"
                    here = (*path, edit.action, side, attribute)
                    raise at(lines, here, f"no {side} has {attribute} {text!r}", where, cure)
                values.add(value)
        ends.append(tuple(sorted(values)))
    return ends[0], ends[1]


def _check_agree(decisions: Sequence[Decision], where: str) -> None:
    """Raise BadInput for a link that is forbidden and added or pinned, or decided on twice."""
    first_of: dict[tuple[str, Ends], Decision] = {}
    for decision in decisions:
        before = first_of.setdefault((decision.edit.action, decision.ends), decision)
        if before is not decision:
            problem = f"{decision.place}: {decision.edit.action} of the same link stands on {before.place}"
            raise BadInput(problem, where=where, cure="keep one of them")
    for forbidden in (decision for decision in decisions if decision.edit.action == "forbid"):
        for decision in decisions:
            if decision.edit.action != "forbid" and covers(forbidden.ends, decision.ends):
                problem = f"{decision.place}: {decision.edit.action} of a link that {forbidden.place} forbids"
                raise BadInput(
                    problem, where=where, cure="keep one of them: forbid also takes the links that contain it"
                )


def covers(ends: Ends, other: Ends) -> bool:
    """Whether `other` names all values of `ends`, on both sides, and perhaps more."""
    return set(ends[0]) <= set(other[0]) and set(ends[1]) <= set(other[1])


def apply_edits(
    kept: Sequence[Link], candidates: Mapping[Ends, Link], decisions: Sequence[Decision], where: str
) -> tuple[list[Link], list[str]]:
    """The links after the decisions, and what each decision did, in words.

    kept: learned; candidates: all that were judged, from which a pin may bring one back. forbid takes the link and
    every link that contains it. Raises BadInput for a pin of what was neither judged nor added.
    """
    links = {link.ends: link for link in kept}
    notes = []
    for decision in sorted(decisions, key=lambda decision: ACTIONS.index(decision.edit.action)):
        edit = decision.edit
        if edit.action == "add":
            counted = candidates.get(decision.ends, Link(*decision.ends, 0.0))
            did = "replaces a learned link" if decision.ends in links else "one link more"
            links[decision.ends] = counted._replace(quality=float(edit.quality or 0.0), note=edit.note)
        elif edit.action == "forbid":
            gone = [ends for ends in links if covers(decision.ends, ends)]
            for ends in gone:
                del links[ends]
            did = f"{len(gone):,} {'link' if len(gone) == 1 else 'links'} less"
        else:
            link = links.get(decision.ends, candidates.get(decision.ends))
            if link is None:
                cure = "add it with a quality: too few hires show it"
                raise BadInput(f"{decision.place}: pin of a link that was not learned", where=where, cure=cure)
            did = "kept first" if decision.ends in links else "brought back and kept first"
            note = f"{link.note}; {edit.note}" if link.note else edit.note
            links[decision.ends] = link._replace(pinned=True, note=note)
        notes.append(f"{edit.note} ({did})")
    return list(links.values()), notes
