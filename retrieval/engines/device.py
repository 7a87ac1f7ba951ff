"""The exact engine with its scan on a PyTorch device, such as a GPU ("cuda"): the same rows and scores as without.

The device holds the vectors as they are stored, and scores them in float32. What it leaves near the top, by the error
bound of `ExactEngine`, is scored again in float64 on the CPU, by the vectors there: so no answer depends on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from contracts.errors import BadInput
from retrieval.engines.exact import ExactEngine, Hits, blocks
from retrieval.engines.signs import Signs
from retrieval.engines.vectors import Stored, check_stored

if TYPE_CHECKING:
    import torch

DECODED = 1 << 18
"""Rows that are copied to the device, or read back as float32 there, at a time."""


class DeviceRows(NamedTuple):
    """Stored vectors in the memory of a device. values: (n, d); scales: (n,) float32 for int8, else None."""

    values: torch.Tensor
    scales: torch.Tensor | None

    @classmethod
    def empty(cls, n: int, dim: int, dtype: str, device: str) -> Self:
        """Room for n vectors. Raises BadInput for a device that is not there or has too little room."""
        check_device(device)
        import torch

        kind = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}[dtype]
        try:
            with torch.inference_mode(False):
                scales = torch.empty(n, dtype=torch.float32, device=device) if dtype == "int8" else None
                return cls(torch.empty((n, dim), dtype=kind, device=device), scales)
        except RuntimeError as error:  # torch.OutOfMemoryError of a GPU is one, and that of a CPU no more than that
            size = n * dim * kind.itemsize / 2**30
            cure = "store float16 or int8 vectors, or search on the CPU"
            raise BadInput(f"no room for {n:,} vectors of {size:.1f} GiB", where=device, cure=cure) from error

    @classmethod
    def of(cls, stored: Stored, device: str) -> Self:
        """A copy of vectors. Raises as `empty` and `check_stored`."""
        check_stored(stored)
        n, dim = stored.values.shape
        made = cls.empty(n, dim, stored.values.dtype.name, device)
        made.write(0, stored)
        return made

    def write(self, start: int, stored: Stored) -> None:
        """Copy vectors to the rows from `start` on."""
        import torch

        for part in blocks(slice(0, len(stored.values)), DECODED):
            there = slice(start + part.start, start + part.stop)
            self.values[there] = torch.from_numpy(np.array(stored.values[part]))  # PyTorch takes no read-only array
            if self.scales is not None and stored.scales is not None:
                self.scales[there] = torch.from_numpy(np.array(stored.scales[part]))

    def decoded(self, rows: slice | torch.Tensor) -> torch.Tensor:
        """(m, d) float32, as `vectors.decode`."""
        values = self.values[rows].float()
        return values if self.scales is None else values * self.scales[rows][:, None]


class DeviceEngine(ExactEngine):
    """Searches n stored vectors of width d, of which a device holds a copy."""

    def __init__(
        self,
        vectors: np.ndarray,
        scales: np.ndarray | None = None,
        signs: Signs | None = None,
        largest: float | None = None,
        *,
        held: DeviceRows,
    ) -> None:
        """held: at least the n vectors, in their order; the rest as `ExactEngine`."""
        super().__init__(vectors, scales, signs, largest)
        self._held = held

    def _scanned(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[Hits]:
        near = self._near(queries, k, rows, mask)
        return [self.best_of(query, some, k) for query, some in zip(queries, near, strict=True)]

    def _near(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[np.ndarray]:
        """For each query the ascending rows that may be among its k best."""
        import torch

        m = len(self.vectors) if rows is None else len(rows)
        if not m:
            return [np.zeros(0, np.int64)] * len(queries)
        try:
            with torch.inference_mode(), torch.autocast(self._held.values.device.type, enabled=False):
                return self._near_by(self._scored(queries, rows, mask), queries, min(k, m), rows)
        except torch.OutOfMemoryError as error:
            cure = "fewer queries at once, float16 or int8 vectors, or search on the CPU"
            raise BadInput(
                f"no room for the scores of {m:,} rows", where=str(self._held.values.device), cure=cure
            ) from error

    def _scored(self, queries: np.ndarray, rows: np.ndarray | None, mask: np.ndarray | None) -> torch.Tensor:
        """(q, m) float32 scores on the device; minus infinity for what `mask` does not pass."""
        import torch

        _check_precision()
        device = self._held.values.device
        asked = torch.from_numpy(queries).to(device)
        chosen = None if rows is None else torch.from_numpy(rows).to(device)
        shape = len(queries), len(self.vectors) if rows is None else len(rows)
        scores = torch.empty(shape, dtype=torch.float32, device=device)
        for block in blocks(slice(0, shape[1]), DECODED):
            scores[:, block] = asked @ self._held.decoded(block if chosen is None else chosen[block]).T
        if mask is not None:
            passing = torch.from_numpy(np.array(mask, dtype=bool)).to(device)
            scores.masked_fill_(~passing, -torch.inf)
        return scores

    def _near_by(self, scores: torch.Tensor, queries: np.ndarray, k: int, rows: np.ndarray | None) -> list[np.ndarray]:
        """As `_near`, by (q, m) scores of which a row has at least k."""
        import torch

        last = torch.topk(scores, int(k)).values[:, -1].tolist()
        found = []
        for query, own, cut in zip(queries, scores, last, strict=True):
            near = (own >= cut - 2 * self._error(query)) & (own > -torch.inf)
            places = torch.nonzero(near)[:, 0].cpu().numpy()
            found.append(places if rows is None else rows[places])
        return found


def exact_engine(stored: Stored, device: str | None = None) -> ExactEngine:
    """The exact engine over vectors; on a PyTorch device, where one is named. Raises as `DeviceRows.of`."""
    if device is None:
        return ExactEngine(*stored)
    return DeviceEngine(*stored, held=DeviceRows.of(stored, device))


def _check_precision() -> None:
    """Raises BadInput where the error bound of float32 does not hold."""
    import torch

    try:
        exact = torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # it was set for one backend alone
        exact = False
    if not exact:
        cure = 'torch.set_float32_matmul_precision("highest")'
        raise BadInput("PyTorch multiplies float32 with less precision here: rows may be missed", cure=cure)


def check_device(device: str) -> None:
    """Raises BadInput where PyTorch is not installed, or knows no such device."""
    try:
        import torch
    except ModuleNotFoundError as error:
        cure = "pip install torch, or leave the device out: NumPy searches then"
        raise BadInput(f"device {device!r} needs PyTorch", cure=cure) from error
    try:
        torch.empty(1, device=device).cpu()
    except torch.OutOfMemoryError as error:
        raise BadInput("no room is left", where=device, cure="make some, or search on the CPU") from error
    except (RuntimeError, AssertionError, ImportError) as error:  # each kind of device fails in its own way
        problem = str(error).splitlines()[0].split(". ")[0]
        cure = "leave the device out: NumPy searches then"
        raise BadInput(f"PyTorch has no device {device!r} here ({problem})", cure=cure) from error
