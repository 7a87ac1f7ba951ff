"""What is to be upserted, checked and encoded: all of it fits, or none of it is taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadInput, ShapeMismatch, UnknownAttribute
from retrieval.engines.vectors import Dtype, Stored, decode, encode
from retrieval.filters.attributes import Values, folded

LARGEST = 1e15
"""The largest absolute number of a vector. Far larger ones would make the inner products of every search overflow."""


class Schema(BaseModel):
    """What a collection holds. dim: width of the vectors; bits: signs a vector, 0: none; texts may have many values."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dim: int = Field(ge=1)
    dtype: Dtype = "float32"
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    bits: int = Field(default=0, ge=0, multiple_of=64)


class Batch(NamedTuple):
    """m distinct ids, their vectors as the collection stores them, and their attributes."""

    ids: list[str]
    stored: Stored
    attributes: list[Values]


def prepare(
    schema: Schema, ids: Sequence[str], vectors: Any, attributes: Sequence[Mapping[str, Any]] | None = None
) -> Batch:
    """A batch for `Collection.apply`. Of an id that comes more than once, the last counts.

    vectors: (m, dim) numbers; attributes: for each id name -> text, texts, number, time or None; None: none.
    Raises BadInput naming the id for a vector that is zero, not finite or larger than `LARGEST`, also as the schema's
    dtype, and for a value of a wrong kind, ShapeMismatch for a wrong width, UnknownAttribute.
    """
    ids = checked_ids(ids)
    try:
        held = [{} for _ in ids] if attributes is None else list(attributes)
        counts = len(ids), len(vectors), len(held)
    except TypeError as error:
        raise BadInput(f"vectors or attributes that are no list: {error}", cure="one for each id") from error
    if len(set(counts)) > 1:
        what = "{:,} ids, {:,} vectors, {:,} attributes".format(*counts)
        raise BadInput(what, cure="one of each for each id, also of a single one: [[...]]")
    last = list({job_id: place for place, job_id in enumerate(ids)}.values())
    stored = encode(_matrix(schema, ids, vectors), schema.dtype)
    _check_encoded(ids, stored)
    values = [_values(schema, job_id, found) for job_id, found in zip(ids, held, strict=True)]
    return Batch([ids[place] for place in last], stored.at(np.array(last, np.int64)), [values[place] for place in last])


def check_vectors(ids: Sequence[str], vectors: np.ndarray) -> None:
    """Raises BadInput naming the first of (m, dim) vectors that is not finite or holds a number above `LARGEST`."""
    sizes = np.maximum(vectors.max(axis=1, initial=0), -vectors.min(axis=1, initial=0))
    fit = sizes <= LARGEST
    if not fit.all():
        place = int(np.argmin(fit))
        what = f"a number of {sizes[place]:.0e}" if np.isfinite(sizes[place]) else "NaN or infinity"
        raise BadInput(f"the vector holds {what}", where=ids[place], cure="normalise it, or encode it again")


def checked_ids(ids: Iterable[str]) -> list[str]:
    """Raises BadInput for a lone text in place of a list, and for an id that is not a text or is empty."""
    if not isinstance(ids, Iterable):
        raise BadInput(f"ids are {ids!r}", cure="a list of texts that are not empty")
    found = [ids] if isinstance(ids, str) else list(ids)
    wrong = next((job_id for job_id in found if not isinstance(job_id, str) or not job_id), None)
    if isinstance(ids, str) or len(found) != len([i for i in found if isinstance(i, str) and i]):
        raise BadInput(f"id {ids if isinstance(ids, str) else wrong!r}", cure="a list of texts that are not empty")
    return found


def _matrix(schema: Schema, ids: list[str], vectors: Any) -> np.ndarray:
    """(m, dim) float32. Raises naming the first id that does not fit."""
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.shape[1] != schema.dim:
        for job_id, vector in zip(ids, vectors, strict=True):
            shape = _shape(vector)
            if shape != (schema.dim,):
                what = f"a vector of shape {shape}, the width is {schema.dim}"
                raise ShapeMismatch(what, where=job_id, cure="encode it again, with what the others were encoded")
    try:
        with np.errstate(over="ignore"):
            found = np.asarray(vectors, np.float32).reshape(len(ids), schema.dim)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"vectors that are no numbers: {error}") from error
    check_vectors(ids, found)
    return found


def _shape(vector: Any) -> tuple[int, ...] | None:
    """None: it has none, since its parts differ in theirs."""
    try:
        return np.shape(vector)
    except ValueError:
        return None


def _check_encoded(ids: list[str], stored: Stored) -> None:
    kind = stored.values.dtype
    finite = np.isfinite(stored.values).all(axis=1)
    if not finite.all():
        raise BadInput(f"the vector overflows {kind}", where=ids[int(np.argmin(finite))], cure="normalise it")
    full = decode(stored, slice(None)).any(axis=1)
    if not full.all():
        raise BadInput(f"the vector is zero as {kind}", where=ids[int(np.argmin(full))], cure="leave such jobs out")


def _values(schema: Schema, job_id: str, held: Mapping[str, Any]) -> Values:
    if not isinstance(held, Mapping):
        raise BadInput(f"attributes are {held!r}", where=job_id, cure="a dict of names and values, empty for none")
    found: dict[str, tuple[str, ...] | float] = {}
    for name, value in held.items():
        if name in schema.texts:
            found[name] = _texts(job_id, name, value)
        elif name in schema.numbers:
            if value is not None:
                found[name] = _number(job_id, name, value)
        else:
            names = ", ".join(sorted([*schema.texts, *schema.numbers])) or "none"
            raise UnknownAttribute(f"no attribute {name!r}", where=job_id, cure=f"the collection has {names}")
    return found


def _texts(job_id: str, name: str, value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(texts, Sequence | set | frozenset) or not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{name} is {value!r}", where=job_id, cure="a text or texts")
    return tuple(sorted({folded(text) for text in texts} - {""}))


def _number(job_id: str, name: str, value: Any) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    cure = "a finite number, a time, or None"
    try:
        number = float(value) if isinstance(value, int | float | np.integer | np.floating) else math.nan
    except OverflowError as error:
        raise BadInput(f"{name} is above 1e308", where=job_id, cure=cure) from error
    if isinstance(value, bool) or not math.isfinite(number):
        raise BadInput(f"{name} is {value!r}", where=job_id, cure=cure)
    return number
