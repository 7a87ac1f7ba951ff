"""Vectors as they are stored: float32, float16, or int8 with a scale a row; read back as float32, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from contracts.errors import BadInput, ShapeMismatch

Dtype = Literal["float32", "float16", "int8"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
_BLOCK_ROWS = 1_024
MAX_ABSOLUTE = 1e15
"""The largest absolute number of a vector. Far larger ones would make the inner products of every search overflow."""


class StoredVectors(NamedTuple):
    """n vectors of width d. Vector i is values[i], for int8 times scales[i], in float32.

    Attributes:
        values: (n, d) float32, float16 or int8, finite; may be memory-mapped.
        scales: (n,) float32 for int8, else None.
    """

    values: np.ndarray
    scales: np.ndarray | None = None

    def at(self, rows: slice | np.ndarray) -> StoredVectors:
        """The vectors at some rows; those at a slice share the memory."""
        return StoredVectors(self.values[rows], None if self.scales is None else self.scales[rows])


def check_stored(stored: StoredVectors) -> None:
    """Raise ShapeMismatch for another rank or dtype, or for scales that do not go with the values."""
    values, scales = stored.values, stored.scales
    if values.ndim != 2 or values.dtype.name not in DTYPES:
        raise ShapeMismatch(f"vectors are {values.dtype} {values.shape}", cure=f"(n, d) of {', '.join(DTYPES)}")
    expected = values.shape[:1] if values.dtype == np.int8 else None
    if (None if scales is None else scales.shape) != expected:
        given = "no scales" if scales is None else f"scales {scales.shape}"
        raise ShapeMismatch(f"{given} for {values.dtype} vectors {values.shape}", cure="one scale a row for int8 alone")


def check_vectors(ids: Sequence[str], vectors: np.ndarray) -> None:
    """Check that vectors are finite and that no number in them is too large to search with.

    Args:
        ids: m names for the error.
        vectors: (m, dim) float.

    Raises:
        BadInput: A vector holds NaN, infinity or a number above `MAX_ABSOLUTE`; the first such id is named.
    """
    sizes = np.maximum(vectors.max(axis=1, initial=0), -vectors.min(axis=1, initial=0)).astype(np.float64)
    fits = sizes <= MAX_ABSOLUTE
    if not fits.all():
        row = int(np.argmin(fits))
        problem = f"a number of {sizes[row]:.0e}" if np.isfinite(sizes[row]) else "NaN or infinity"
        raise BadInput(f"the vector holds {problem}", where=ids[row], cure="normalise it, or encode it again")


def blocks(part: slice, size: int) -> Iterator[slice]:
    """A slice in slices of `size`; the last may be shorter."""
    return (slice(start, min(start + size, part.stop)) for start in range(part.start, part.stop, size))


def max_absolute(stored: StoredVectors) -> float:
    """The largest absolute number in the vectors, 0 where there are none. Raises BadInput where one is not finite."""
    largest = 0.0
    for rows in blocks(slice(0, len(stored.values)), _BLOCK_ROWS):
        if not all(np.isfinite(part).all() for part in stored.at(rows) if part is not None):
            problem = f"a vector in rows {rows.start:,} to {rows.stop - 1:,} holds NaN or infinity"
            raise BadInput(problem, cure="encode those rows again")
        block = decode(stored, rows)
        largest = max(largest, float(block.max(initial=0)), -float(block.min(initial=0)))
    return largest


def encode(vectors: np.ndarray, dtype: Dtype) -> StoredVectors:
    """Store vectors as `dtype`; int8 takes the largest number of a row as 127.

    Args:
        vectors: (m, d) float32.
        dtype: float32, float16 or int8.

    Raises:
        BadInput: Another dtype.
    """
    if dtype == "float32":
        return StoredVectors(np.ascontiguousarray(vectors, np.float32))
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return StoredVectors(vectors.astype(np.float16))
    if dtype == "int8":
        scales = (np.abs(vectors).max(axis=1, initial=0) / np.float32(127)).astype(np.float32)
        steps = vectors / np.where(scales > 0, scales, np.float32(1))[:, None]
        return StoredVectors(np.clip(np.rint(steps), -127, 127).astype(np.int8), scales)
    raise BadInput(f"no vectors of {dtype!r}", cure=f"one of {', '.join(DTYPES)}")


def decode(stored: StoredVectors, rows: slice | np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The float32 values of some stored vectors.

    Args:
        stored: n vectors of width d.
        rows: A slice or (m,) row numbers.
        out: (>= m, d) float32, a buffer for the result where a copy is made.

    Returns:
        (m, d) float32; float32 vectors at a slice share their memory.
    """
    values, scales = stored
    if values.dtype == np.float32:
        if isinstance(rows, slice):
            return values[rows]
        # A buffer that is written again costs half of one that is allocated for each block; "raise" would need another.
        return np.take(values, rows, axis=0, out=None if out is None else out[: len(rows)], mode="clip")
    chosen = values[rows]
    block = np.empty(chosen.shape, np.float32) if out is None else out[: len(chosen)]
    if values.dtype == np.float16:
        _widen(chosen, block)
    else:
        np.copyto(block, chosen)
    if scales is not None:
        np.multiply(block, scales[rows][:, None], out=block)
    return block


def _widen(halves: np.ndarray, out: np.ndarray) -> None:
    """Finite float16 numbers as float32, by moving their bits: a third of the time that NumPy's own cast takes.

    A half's exponent and fraction, moved to where a float has them, are its value times 2**-112, below the normal ones
    too. Signed, so that the sign comes along when the number is widened.
    """
    bits = halves.view(np.int16).astype(np.int32)
    moved = out.view(np.int32)
    np.left_shift(np.bitwise_and(bits, 0x7FFF), 13, out=moved)
    np.bitwise_or(moved, np.bitwise_and(bits, np.int32(-(2**31)), out=bits), out=moved)
    np.multiply(out, np.float32(2.0**112), out=out)
