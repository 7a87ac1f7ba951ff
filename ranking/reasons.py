"""The sentences that a result may be explained with, each a fact of the request and the job, and when it holds.

A contribution of the blend is a number about an input, and an input that is absent contributes too: a negative weight
times a share of zero below the mean moves a job up. So no sentence is made from a contribution alone. A fact is told as
a reason where it holds and moved the job up, as a drawback where it speaks against the job and moved it down, and else
not at all.

What a match says of a member is read from their text, which has a budget. A bin that could be false of the record
behind a text that was cut ("none of the skills") has no sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from contracts.bundle import Blend
from contracts.match import COMPARISONS
from ranking.blend import contributions

CLOSE = 0.4
"""Cosine from which two texts are called close."""
_WEEK = float(np.log1p(7.0))
_FOR, _AGAINST, _EITHER = 1, -1, 0


class Fact(NamedTuple):
    """What an input of the blend may say.

    Attributes:
        sentence: A clause with the job as its subject.
        holds: Whether it is true, of the input's value and the blend's mean of that input.
        sign: Of the weight with which the fact moves a job up.
    """

    sentence: str
    holds: Callable[[float, float], bool]
    sign: int = 1


def _present(value: float, mean: float) -> bool:
    return value > 0


def _close(value: float, mean: float) -> bool:
    return value >= CLOSE


def _above(value: float, mean: float) -> bool:
    return value > mean


_VIEWED = "somebody viewed it in the last seven days"

FACTS: Mapping[str, Fact] = {
    "dense": Fact("its text is close to the request", _close),
    "recent": Fact("it is like a job that interested you lately", _close),
    "recent_nearby": Fact("it is like a job that interested you lately, and near you or such a job", _close),
    "terms": Fact("it holds words of the request or their synonyms", _present),
    "same_city": Fact("it is in the place where you are, or in that of a job that interested you lately", _present),
    "same_region": Fact("it is in the region where you are, or in that of a job that interested you lately", _present),
    "same_company": Fact("it is of a company of whose jobs one interested you lately", _present),
    "title_overlap": Fact("its title has words of the request or of a title that interested you lately", _present),
    "views_7d": Fact(_VIEWED, _present),
    "days_since_view": Fact(_VIEWED, lambda value, mean: value <= _WEEK, -1),
    "unseen": Fact("nobody has viewed it yet", _present),
    "relevance": Fact("it fits the product policy better than the average candidate", _above),
    "view": Fact("it is likelier to be opened than the average candidate", _above),
    "apply": Fact("it is likelier to be applied to than the average candidate", _above),
    "dismiss": Fact("it is less likely to be dismissed than the average candidate", lambda v, mean: v < mean, -1),
    "hire": Fact("it is likelier to lead to a hire than the average candidate", _above),
    "shortlist": Fact("its employer is likelier to shortlist you than that of the average candidate", _above),
    "interview": Fact("its employer is likelier to interview you than that of the average candidate", _above),
    "offer": Fact("its employer is likelier to offer it to you than that of the average candidate", _above),
    "reject": Fact("its employer is less likely to turn you down than the average one", lambda v, mean: v < mean, -1),
}
"""Input of the blend -> what it may say. An input of another name says nothing."""


def reasons(blend: Blend, inputs: np.ndarray) -> list[tuple[str, float]]:
    """The facts of one job that moved it up, each with its contribution, the largest first.

    Args:
        blend: Of the bundle.
        inputs: (F,) in the order of `blend.names`.
    """
    moved = contributions(blend, np.asarray(inputs)[None])[0]
    told: dict[str, float] = {}
    for i in np.argsort(-moved, kind="stable"):
        fact = FACTS.get(blend.names[i])
        if fact is None or moved[i] <= 0 or np.sign(blend.weights[i]) != fact.sign:
            continue
        if fact.holds(float(inputs[i]), blend.means[i]):
            told.setdefault(fact.sentence, float(moved[i]))
    return list(told.items())


class Found(NamedTuple):
    """What a bin of a comparison says, and whether that speaks for the job, against it or either way."""

    sentence: str
    speaks: int = _FOR


_NOTHING = Found("", _EITHER)
_YOUR_TITLE, _WISHED_TITLE = "one of yours", "what you look for"


def _titles(whose: str) -> tuple[Found, ...]:
    close = f"its title is close to {whose}"
    return (*[_NOTHING] * 6, Found(close), Found(close), Found(f"its title is all but {whose}"))


_LEVEL = "the level that you search for or have"
_PAY = Found("the pay that it states is below what you ask for", _AGAINST)

FINDINGS: Mapping[str, tuple[Found, ...]] = {
    "skills": (
        *[_NOTHING] * 3,
        Found("you have at least two in five of the skills that it asks for"),
        Found("you have more than half of the skills that it asks for"),
        Found("you have at least three in four of the skills that it asks for"),
        Found("you have all but all of the skills that it asks for"),
    ),
    "skills_shared": (
        _NOTHING,
        Found("it asks for a skill that you have"),
        *(Found(f"it asks for {number} skills that you have") for number in ("two", "three", "four")),
        Found("it asks for five skills or more that you have"),
    ),
    "query_skill": (
        Found("it does not ask for the skill that you search for", _AGAINST),
        Found("it asks for the skill that you search for"),
    ),
    "level": (
        Found(f"it is three levels or more below {_LEVEL}", _AGAINST),
        Found(f"it is two levels below {_LEVEL}", _AGAINST),
        Found(f"it is one level below {_LEVEL}", _EITHER),
        Found(f"it is at {_LEVEL}"),
        Found(f"it is one level above {_LEVEL}", _EITHER),
        Found(f"it is two levels above {_LEVEL}", _AGAINST),
        Found(f"it is three levels or more above {_LEVEL}", _AGAINST),
    ),
    "place": (
        _NOTHING,
        Found("it is in a region where you are or wish to work"),
        Found("it is in a place where you are or wish to work"),
        Found("it is remote work"),
    ),
    "query_place": (
        _NOTHING,
        Found("it is in the region that you search in"),
        Found("it is in the place that you search in"),
        Found("it is remote work"),
    ),
    "workplace": (_NOTHING, Found("it is worked in a way that you wish for")),
    "pay": (_PAY, _PAY, _PAY, _NOTHING, _NOTHING, _NOTHING),
    "own_work": (
        _NOTHING,
        Found("it is work in a field of yours"),
        Found("it is work related to yours"),
        Found("it is work of your kind"),
    ),
    "wished_work": (
        _NOTHING,
        Found("it is work in a field that you look for"),
        Found("it is work related to what you look for"),
        Found("it is work of a kind that you look for"),
    ),
    "own_title": _titles(_YOUR_TITLE),
    "wished_title": _titles(_WISHED_TITLE),
    "industry": (
        _NOTHING,
        Found("its industry has a word of one that you worked in"),
        Found("it is in an industry that you worked in"),
    ),
    "age": (
        Found("it was posted in the last day"),
        Found("it was posted in the last four days"),
        Found("it was posted in the last eight days"),
        *[_NOTHING] * 3,
        Found("it was posted more than sixty days ago", _AGAINST),
    ),
}
"""Comparison -> what each of its bins after "not known" says; nothing where that could be false of the records."""


def finding(comparison: int, bin: int) -> Found:
    """What a bin of `contracts.match.COMPARISONS[comparison]` says; nothing for bin 0 and where it is not surely so."""
    known = FINDINGS.get(COMPARISONS[comparison].name, ())
    return known[bin - 1] if 0 < bin <= len(known) else _NOTHING


def told(found: Sequence[tuple[Found, float]], floor: float) -> tuple[list[str], list[str]]:
    """The reasons and the drawbacks among findings, the largest effect first, each once.

    Args:
        found: Findings with what each does to the job's place: above zero moves it up.
        floor: The size under which an effect is not told.
    """
    ordered = sorted(found, key=lambda one: -abs(one[1]))
    large = [(one, effect) for one, effect in ordered if one.sentence and effect and abs(effect) >= floor]
    ups = (one.sentence for one, effect in large if effect > 0 and one.speaks != _AGAINST)
    downs = (one.sentence for one, effect in large if effect < 0 and one.speaks != _FOR)
    return list(dict.fromkeys(ups)), list(dict.fromkeys(downs))


DIMENSION_OF: Mapping[str, str] = {
    "skills": "skills",
    "skills_shared": "skills",
    "query_skill": "skills",
    "level": "seniority",
    "place": "place",
    "query_place": "place",
    "workplace": "place",
    "pay": "pay",
    "own_work": "function",
    "own_title": "function",
    "wished_work": "intent",
    "wished_title": "intent",
    "industry": "industry",
}
"""Comparison -> the dimension of the product policy that it speaks to."""
MOST_MEMBER_REASONS = 4
_OF_TITLE = ("has a title close to the job's", "has a title close to the job's", "has all but the job's title")
MEMBER_FINDINGS: Mapping[str, tuple[str, ...]] = {
    "own_work": (
        "",
        "works in the field of the job",
        "does work related to the job's",
        "does work of the job's kind",
    ),
    "own_title": (*[""] * 6, *_OF_TITLE),
    "skills": (
        *[""] * 3,
        "has at least two in five of the skills that the job asks for",
        "has more than half of the skills that the job asks for",
        "has at least three in four of the skills that the job asks for",
        "has all but all of the skills that the job asks for",
    ),
    "skills_shared": (
        "",
        "has a skill that the job asks for",
        *(f"has {number} skills that the job asks for" for number in ("two", "three", "four")),
        "has five or more of the skills that the job asks for",
    ),
    "level": ("", "", "is one level above the job", "is at the level of the job", "is one level below the job", "", ""),
    "industry": (
        "",
        "worked in an industry that shares a word with the job's",
        "worked in the industry of the job",
    ),
    "place": (
        "",
        "is in the region of the job or wishes to work there",
        "is in the place of the job or wishes to work there",
        "",
    ),
}
"""Comparison -> what each of its bins after "not known" says of a member to a recruiter, in the order of telling.

Nothing here tells what a member wishes for beyond the place: no title, no pay, no way of working."""


def member_reasons(match: np.ndarray) -> tuple[str, ...]:
    """What speaks for a member, of the bins of one pair.

    Args:
        match: (C,) uint8, the bin of each comparison of `contracts.match.COMPARISONS`.
    """
    bins = {comparison.name: int(bin) for comparison, bin in zip(COMPARISONS, match.tolist(), strict=True)}
    found = (said[bins[name] - 1] for name, said in MEMBER_FINDINGS.items() if bins[name])
    return tuple(sentence for sentence in found if sentence)[:MOST_MEMBER_REASONS]
