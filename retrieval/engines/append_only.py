"""Append-only arrays: one writer appends rows while others read, without a lock.

A reader keeps its number of rows and reads no further (`first`, `before`). Later rows lie behind these, or in a larger
array; then the reader keeps the array that it has.
"""

from __future__ import annotations

import numpy as np


class AppendOnlyArray:
    """Rows with room for more. The array that it begins with, such as a memory-mapped one, is never written to."""

    __slots__ = ("_rows", "n")

    def __init__(self, rows: np.ndarray) -> None:
        self._rows, self.n = rows, len(rows)

    def append(self, more: np.ndarray) -> None:
        """Append (m, ...) rows of the same shape and dtype."""
        if not len(more):
            return  # a read-only array refuses even an empty assignment
        end = self.n + len(more)
        if end > len(self._rows):
            grown = np.empty((end + end // 4 + 4, *self._rows.shape[1:]), self._rows.dtype)
            grown[: self.n] = self._rows[: self.n]
            self._rows = grown
        self._rows[self.n : end] = more
        self.n = end

    def first(self, n: int) -> np.ndarray:
        """The first n rows, (n, ...), which no later `append` changes."""
        return self._rows[:n]


class PostingList:
    """The ascending numbers of the rows that hold one value, whose own number is `code`."""

    __slots__ = ("_rows", "code")

    def __init__(self, code: int) -> None:
        self._rows, self.code = AppendOnlyArray(np.zeros(0, np.int32)), code

    def append(self, rows: list[int]) -> None:
        self._rows.append(np.array(rows, np.int32))

    def before(self, n: int) -> np.ndarray:
        """(m,) int32: the row numbers below n."""
        rows = self._rows.first(self._rows.n)
        return rows[: np.searchsorted(rows, n)]


class SegmentedArray:
    """Two segments of like rows, n built and m later ones, read as one array without a copy."""

    __slots__ = ("_built", "_later", "dtype", "shape")

    def __init__(self, built: np.ndarray, later: np.ndarray | None = None) -> None:
        self._built = built
        self._later = built[:0] if later is None else later
        self.dtype, self.shape = built.dtype, (len(built) + len(self._later), *built.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | np.ndarray) -> np.ndarray:
        """The row or the rows at a number or at (r,) numbers."""
        n = len(self._built)
        if not len(self._later):
            return self._built[rows]
        if not isinstance(rows, np.ndarray):
            return self._built[rows] if rows < n else self._later[rows - n]
        taken = np.empty((len(rows), *self.shape[1:]), self.dtype)
        later = rows >= n
        taken[~later], taken[later] = self._built[rows[~later]], self._later[rows[later] - n]
        return taken

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """All rows; a copy only where there are later ones."""
        whole = np.concatenate([self._built, self._later]) if len(self._later) else self._built
        return np.asarray(whole, dtype)

    def with_later(self, later: np.ndarray) -> SegmentedArray:
        return SegmentedArray(self._built, later)
