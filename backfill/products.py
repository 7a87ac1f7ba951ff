"""Which products there are; nothing else names them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from backfill.activity import Activity
from backfill.encoded import Items, Vectors
from backfill.grades import Grades
from backfill.lists import Lists
from backfill.product import Product
from backfill.scores import Scores
from backfill.text import Text
from beam_jobs.config import LabelFlags
from contracts.errors import BadInput
from contracts.text.form import TextForm
from serving.config import ServeConfig


class Asked(NamedTuple):
    """What may be asked of products; each takes what it knows.

    Attributes:
        config: The service's knobs, of lists.
        surfaces: Of lists; empty: all.
        k: Jobs a list; None: as many as the surface shows.
        since: Text as of then and later; None: all.
        refit: Fit the break points of text again.
        form: Of text; None: that which nobody chose.
        encoder: Folder of the encoder of vectors; None: that in use.
        bundle: Folder of the bundle of item tokens; None: the current one.
        label: The knobs of labelling, of grades.
        teacher: Whose scores.
    """

    config: ServeConfig
    surfaces: Sequence[str] = ()
    k: int | None = None
    since: datetime | None = None
    refit: bool = False
    form: TextForm | None = None
    encoder: Path | None = None
    bundle: Path | None = None
    label: LabelFlags = LabelFlags()
    teacher: str = "policy"


PRODUCTS: Mapping[str, Callable[[Asked], Product]] = {
    "lists": lambda asked: Lists(asked.config, asked.surfaces, asked.k),
    "text": lambda asked: Text(asked.refit, asked.since, asked.form),
    "vectors": lambda asked: Vectors(asked.encoder),
    "activity": lambda asked: Activity(),
    "items": lambda asked: Items(asked.bundle),
    "grades": lambda asked: Grades(asked.label),
    "scores": lambda asked: Scores(asked.teacher),
}


def open_product(name: str, asked: Asked) -> Product:
    """The product of a name. Raises BadInput where there is none."""
    if name not in PRODUCTS:
        raise BadInput(f"no product {name!r}", where="--what", cure=f"one of {', '.join(PRODUCTS)}")
    return PRODUCTS[name](asked)
