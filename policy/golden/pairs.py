"""What the golden set asks people to grade: who asks, for what, and which job; one pair a line of `pairs.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from contracts.errors import BadInput, NotReady
from contracts.records import Identifier, Job, Member, Record, Text
from contracts.validation import typed
from contracts.versions import write_text
from policy.judges.base import Pair

PAIRS = "pairs.jsonl"
Kind = Literal["existing", "aspirational"]
"""Whether they ask for what they are, or for what they wish to become."""
Source = Literal["logged", "retrieved", "random"]


class GoldenPair(Record):
    """stratum: the pattern of the query (`policy.golden.sample`); source: how its job came to stand beside the asker.

    member and job are the records at the time of the request. member None: an anonymous search.
    """

    pair_id: Identifier
    stratum: Annotated[Text, Field(min_length=1)]
    kind: Kind
    source: Source
    member: Member | None = None
    query: Text = ""
    job: Job

    @model_validator(mode="after")
    def _has_asker(self) -> Self:
        if self.member is None and not self.query:
            raise ValueError("a pair needs a member or a query")
        return self

    @property
    def pair(self) -> Pair:
        """The pair that a judge grades."""
        return Pair(self.member, self.job, self.query)


def write_pairs(folder: Path, pairs: Sequence[GoldenPair]) -> None:
    write_text(folder / PAIRS, "".join(pair.model_dump_json(exclude_defaults=True) + "\n" for pair in pairs))


def read_pairs(folder: Path) -> tuple[GoldenPair, ...]:
    """The pairs of a golden folder, in their order.

    Raises NotReady where there are none, BadInput with the line for one that does not fit or stands twice.
    """
    path = folder / PAIRS
    if not path.is_file():
        cure = f"run `rolecall golden sample {folder} --workspace W` first"
        raise NotReady(f"no golden pairs in {folder}", cure=cure)
    pairs: dict[str, GoldenPair] = {}
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 text: {error.reason}", where=str(path), cure="save it as UTF-8") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            pair = GoldenPair.model_validate_json(line)
        except ValidationError as error:
            raise typed(error, BadInput, where=where, cure="mend the line, or sample the pairs again") from error
        if pair.pair_id in pairs:
            raise BadInput(f"pair {pair.pair_id!r} stands twice", where=where, cure="keep one of the lines")
        pairs[pair.pair_id] = pair
    if not pairs:
        raise BadInput("no pair in it", where=str(path), cure="sample the pairs again")
    return tuple(pairs.values())
