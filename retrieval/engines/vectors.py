"""Vectors as they are stored: float32, float16, or int8 with a scale a row; read back as float32, a block at a time."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from contracts.errors import BadInput, ShapeMismatch

Dtype = Literal["float32", "float16", "int8"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


class Stored(NamedTuple):
    """n vectors of width d. Vector i is values[i], for int8 times scales[i], in float32.

    values: (n, d) float32, float16 or int8, finite, which may be memory-mapped; scales: (n,) float32 for int8, else
    None.
    """

    values: np.ndarray
    scales: np.ndarray | None = None

    def at(self, rows: slice | np.ndarray) -> Stored:
        """The vectors at some rows; those at a slice share the memory."""
        return Stored(self.values[rows], None if self.scales is None else self.scales[rows])


def check_stored(stored: Stored) -> None:
    """Raises ShapeMismatch for another rank or dtype, or for scales that do not go with the values."""
    values, scales = stored.values, stored.scales
    if values.ndim != 2 or values.dtype.name not in DTYPES:
        raise ShapeMismatch(f"vectors are {values.dtype} {values.shape}", cure=f"(n, d) of {', '.join(DTYPES)}")
    wanted = values.shape[:1] if values.dtype == np.int8 else None
    if (None if scales is None else scales.shape) != wanted:
        found = "no scales" if scales is None else f"scales {scales.shape}"
        raise ShapeMismatch(f"{found} for {values.dtype} vectors {values.shape}", cure="one scale a row for int8 alone")


def encode(vectors: np.ndarray, dtype: Dtype) -> Stored:
    """(m, d) float32 vectors as `dtype`; int8 takes the largest number of a row as 127. Raises BadInput for a dtype."""
    if dtype == "float32":
        return Stored(np.ascontiguousarray(vectors, np.float32))
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return Stored(vectors.astype(np.float16))
    if dtype == "int8":
        scales = (np.abs(vectors).max(axis=1, initial=0) / np.float32(127)).astype(np.float32)
        steps = vectors / np.where(scales > 0, scales, np.float32(1))[:, None]
        return Stored(np.clip(np.rint(steps), -127, 127).astype(np.int8), scales)
    raise BadInput(f"no vectors of {dtype!r}", cure=f"one of {', '.join(DTYPES)}")


def decode(stored: Stored, rows: slice | np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """(m, d) float32 vectors at `rows`, a slice or (m,) row numbers.

    out: (>= m, d) float32, which takes them where a copy is made.
    """
    values, scales = stored
    if values.dtype == np.float32:
        if isinstance(rows, slice):
            return values[rows]
        # A buffer that is written again costs half of one that is allocated for each block; "raise" would need another.
        return np.take(values, rows, axis=0, out=None if out is None else out[: len(rows)], mode="clip")
    found = values[rows]
    block = np.empty(found.shape, np.float32) if out is None else out[: len(found)]
    if values.dtype == np.float16:
        _widen(found, block)
    else:
        np.copyto(block, found)
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
