"""Arrays that rows are added to while others read them: one writer adds behind what readers know, and changes nothing.

A reader keeps its number of rows and takes so many (`first`, `before`). What comes later lies behind them, or in a
larger array: then the reader keeps the one that it has.
"""

from __future__ import annotations

import numpy as np


class Buffer:
    """Rows with room for more. It begins with an array that it never writes to, such as a memory-mapped one."""

    __slots__ = ("_rows", "n")

    def __init__(self, rows: np.ndarray) -> None:
        self._rows, self.n = rows, len(rows)

    def add(self, more: np.ndarray) -> None:
        """more: (m, ...) rows like the others."""
        if not len(more):
            return  # even no row cannot be written to an array that is read-only
        end = self.n + len(more)
        if end > len(self._rows):
            grown = np.empty((end + end // 4 + 4, *self._rows.shape[1:]), self._rows.dtype)
            grown[: self.n] = self._rows[: self.n]
            self._rows = grown
        self._rows[self.n : end] = more
        self.n = end

    def first(self, n: int) -> np.ndarray:
        """(n, ...), which no later row changes."""
        return self._rows[:n]


class Posting:
    """The ascending numbers of the rows that hold a value. code: the number of the value itself."""

    __slots__ = ("_rows", "code")

    def __init__(self, code: int) -> None:
        self._rows, self.code = Buffer(np.zeros(0, np.int32)), code

    def add(self, rows: list[int]) -> None:
        self._rows.add(np.array(rows, np.int32))

    def before(self, n: int) -> np.ndarray:
        """(m,) int32: those below n."""
        rows = self._rows.first(self._rows.n)
        return rows[: np.searchsorted(rows, n)]


class Stacked:
    """Two arrays of like rows read as one, without a copy: of n rows as built and m later ones."""

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
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        behind = rows >= n
        found[~behind], found[behind] = self._built[rows[~behind]], self._later[rows[behind] - n]
        return found

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """All rows; a copy only where there are later ones."""
        whole = np.concatenate([self._built, self._later]) if len(self._later) else self._built
        return np.asarray(whole, dtype)

    def with_later(self, later: np.ndarray) -> Stacked:
        return Stacked(self._built, later)
