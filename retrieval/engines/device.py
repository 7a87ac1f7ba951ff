"""The exact engine with its scan on a PyTorch device, such as a GPU ("cuda"): the same rows and scores as without.

The device holds the vectors as they are stored, and scores them in float32. Rows near the top, by the error bound of
`ExactEngine`, are scored again in float64 on the CPU, so no answer depends on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from contracts.errors import BadInput
from contracts.validation import first_line
from retrieval.engines.codes import ByteCodes
from retrieval.engines.exact import ExactEngine
from retrieval.engines.hits import Hits
from retrieval.engines.vectors import StoredVectors, blocks, check_stored

if TYPE_CHECKING:
    import torch

BLOCK_ROWS = 1 << 18
"""Rows that are copied to the device, or read back as float32 there, at a time."""


class DeviceVectors(NamedTuple):
    """A copy of stored vectors in the memory of a device.

    Attributes:
        values: (n, d) tensor of the stored dtype.
        scales: (n,) float32 tensor for int8, else None.
    """

    values: torch.Tensor
    scales: torch.Tensor | None

    @classmethod
    def copy_of(cls, stored: StoredVectors, device: str) -> Self:
        """Copy vectors to a PyTorch device.

        Raises:
            BadInput: The device is not there, or has too little room.
            ShapeMismatch: The vectors have another shape or dtype.
        """
        check_stored(stored)
        check_device(device)
        import torch

        n, dim = stored.values.shape
        kind = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}[stored.values.dtype.name]
        try:
            with torch.inference_mode(False):
                scales = None if stored.scales is None else torch.empty(n, dtype=torch.float32, device=device)
                copied = cls(torch.empty((n, dim), dtype=kind, device=device), scales)
        except RuntimeError as error:  # torch.OutOfMemoryError of a GPU is one, and that of a CPU no more than that
            size = n * dim * kind.itemsize / 2**30
            cure = "store float16 or int8 vectors, or search on the CPU"
            raise BadInput(f"no room for {n:,} vectors of {size:.1f} GiB", where=device, cure=cure) from error
        for block in blocks(slice(0, n), BLOCK_ROWS):
            copied.values[block] = torch.from_numpy(np.array(stored.values[block]))  # PyTorch takes no read-only array
            if copied.scales is not None and stored.scales is not None:
                copied.scales[block] = torch.from_numpy(np.array(stored.scales[block]))
        return copied

    def decoded(self, rows: slice | torch.Tensor) -> torch.Tensor:
        """(m, d) float32, as `vectors.decode`."""
        values = self.values[rows].float()
        return values if self.scales is None else values * self.scales[rows][:, None]


class DeviceEngine(ExactEngine):
    """Searches n stored vectors of width d, of which a device holds a copy."""

    def __init__(self, stored: StoredVectors, copied: DeviceVectors) -> None:
        """Take stored vectors and the copy of them on a device."""
        super().__init__(*stored)
        self._copy = copied

    def _scanned(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[Hits]:
        near_top = self._near_top(queries, k, rows, mask)
        return [self.best_of(query, near, k) for query, near in zip(queries, near_top, strict=True)]

    def _near_top(
        self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None
    ) -> list[np.ndarray]:
        """For each query the ascending rows that may be among its k best."""
        import torch

        m = len(self.vectors) if rows is None else len(rows)
        if not m:
            return [np.zeros(0, np.int64)] * len(queries)
        try:
            with torch.inference_mode(), torch.autocast(self._copy.values.device.type, enabled=False):
                return self._near_top_by(self._device_scores(queries, rows, mask), queries, min(k, m), rows)
        except torch.OutOfMemoryError as error:
            cure = "fewer queries at once, float16 or int8 vectors, or search on the CPU"
            raise BadInput(
                f"no room for the scores of {m:,} rows", where=str(self._copy.values.device), cure=cure
            ) from error

    def _device_scores(self, queries: np.ndarray, rows: np.ndarray | None, mask: np.ndarray | None) -> torch.Tensor:
        """(q, m) float32 scores on the device; minus infinity for what `mask` does not pass."""
        import torch

        _check_precision()
        device = self._copy.values.device
        moved = torch.from_numpy(queries).to(device)
        chosen = None if rows is None else torch.from_numpy(rows).to(device)
        shape = len(queries), len(self.vectors) if rows is None else len(rows)
        scores = torch.empty(shape, dtype=torch.float32, device=device)
        for block in blocks(slice(0, shape[1]), BLOCK_ROWS):
            scores[:, block] = moved @ self._copy.decoded(block if chosen is None else chosen[block]).T
        if mask is not None:
            passing = torch.from_numpy(np.array(mask, dtype=bool)).to(device)
            scores.masked_fill_(~passing, -torch.inf)
        return scores

    def _near_top_by(
        self, scores: torch.Tensor, queries: np.ndarray, k: int, rows: np.ndarray | None
    ) -> list[np.ndarray]:
        """As `_near_top`, by (q, m) scores of which a row has at least k."""
        import torch

        last = torch.topk(scores, int(k)).values[:, -1].tolist()
        near_top = []
        for query, query_scores, cut in zip(queries, scores, last, strict=True):
            near = (query_scores >= cut - 2 * self._error_bound(query)) & (query_scores > -torch.inf)
            positions = torch.nonzero(near)[:, 0].cpu().numpy()
            near_top.append(positions if rows is None else rows[positions])
        return near_top


def exact_engine(stored: StoredVectors, device: str | None = None, codes: ByteCodes | None = None) -> ExactEngine:
    """The exact engine over vectors.

    Args:
        stored: n vectors of width d.
        device: The PyTorch device that scans them, such as "cuda". None: the processor does.
        codes: The vectors as bytes, which the processor scans first; None: there are none.

    Raises:
        BadInput: The device is not there, or has too little room.
    """
    if device is None:
        return ExactEngine(*stored, codes=codes)
    return DeviceEngine(stored, DeviceVectors.copy_of(stored, device))


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
        problem = first_line(error).split(". ")[0]
        cure = "leave the device out: NumPy searches then"
        raise BadInput(f"PyTorch has no device {device!r} here ({problem})", cure=cure) from error
