"""The parts of a verbalised text: what a vector is summed from, so that a long text is read whole.

An encoder reads the first tokens of a text. Cut into its title, positions, skills and sentences, all of it is read, and
no part drowns in another. Pure functions of the text: a job, a feed's upsert and a request are cut alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field, model_validator

from contracts.text.sentences import sentences
from contracts.values import FrozenModel

KINDS = ("whole", "titles", "work", "activity", "skills", "sentences")


class PartWeights(FrozenModel):
    """Weight of each kind of part in the vector of a text, which is the normalised sum of the kinds' mean directions.

    A text that has no part of a kind leaves it out; one without any is read as one text.
    """

    whole: float = Field(1.0, ge=0, allow_inf_nan=False, description="The text as one, cut where the encoder cuts it.")
    titles: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="A job's title, a query, a member's headline and wished titles."
    )
    work: float = Field(0.0, ge=0, allow_inf_nan=False, description="Each position that a member held.")
    activity: float = Field(0.0, ge=0, allow_inf_nan=False, description="Each job that a member acted on of late.")
    skills: float = Field(0.0, ge=0, allow_inf_nan=False, description="The skills, as one list.")
    sentences: float = Field(0.0, ge=0, allow_inf_nan=False, description="Each sentence of a description or summary.")
    most_sentences: int = Field(32, ge=1, description="Sentences of a text that are read, the first ones.")

    @model_validator(mode="after")
    def _any(self) -> PartWeights:
        if not any(self.of(kind) for kind in KINDS):
            raise ValueError("every weight is 0: give at least one kind of part a weight")
        return self

    def of(self, kind: str) -> float:
        """The weight of one of `KINDS`."""
        return float(getattr(self, kind))

    @property
    def whole_alone(self) -> bool:
        """Whether a text is read as one, so that nothing has to be cut."""
        return not any(self.of(kind) for kind in KINDS[1:])


class Part(NamedTuple):
    """kind: one of `KINDS`; text: not empty unless it is the whole of an empty text."""

    kind: str
    text: str


_FIELDS = {
    "search": "titles",
    "title": "titles",
    "headline": "titles",
    "wants": "titles",
    "worked": "work",
    "hired": "activity",
    "offered": "activity",
    "interviewed": "activity",
    "shortlisted": "activity",
    "rejected": "activity",
    "applied": "activity",
    "saved": "activity",
    "viewed": "activity",
    "skills": "skills",
    "description": "sentences",
    "summary": "sentences",
}
"""Field of the verbaliser -> the kind of its parts. What other fields say stands in the whole text alone."""
_ACTIVITY = re.compile(r"(?:hired|applied|saved|viewed): ")
_WISHED_PLACES = re.compile(r"(?:^|, )in (?=\S)")
_LEAST_LETTERS = 3


def parts_of(text: str, most_sentences: int) -> list[Part]:
    """The parts of a text of the verbaliser, or of a request, and the whole first; repeated parts of a kind once.

    Args:
        text: "title: ... | skills: ... | description: ..."; one without a field's name has no part but the whole.
        most_sentences: Of description and summary together at most.
    """
    found = dict.fromkeys([Part("whole", text)])
    read = 0
    for field in text.split(" | "):
        name, separator, value = field.partition(": ")
        kind = _FIELDS.get(name, "") if separator else ""
        for piece in _pieces(name, value) if kind else ():
            read += kind == "sentences"
            if kind != "sentences" or read <= most_sentences:
                found.setdefault(Part(kind, piece))
    return list(found)


def _pieces(field: str, value: str) -> Iterator[str]:
    if field == "wants":
        places = _WISHED_PLACES.search(value)
        pieces = (value[: places.start()] if places else value).split(", ")
    elif _FIELDS[field] in ("work", "activity"):
        pieces = value.split("; ")
    elif _FIELDS[field] == "sentences":
        pieces = sentences(value)
    else:
        pieces = [value]
    return (piece.strip() for piece in pieces if sum(map(str.isalnum, piece)) >= _LEAST_LETTERS)
