"""A live collection: ids with vectors and attributes, searched while they are upserted and deleted.

How readers see one state: rows are written once. An upsert writes new rows behind the high-water mark, a delete writes
none; then a new view (mark, which rows are live, arrays) takes the place of the old one in a single assignment. A
search takes the view that stands when it begins and sees nothing else, without a lock. Which rows are live is copied
when one of them ends, a byte a row; nothing else is. Full arrays are rebuilt without the ended rows, at twice the room
for the others; views that searches still hold keep the old ones.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from contracts.errors import BadInput
from retrieval.collection.batch import Batch, Schema, checked_ids, prepare
from retrieval.engines.device import DeviceEngine, DeviceRows
from retrieval.engines.exact import ExactEngine, largest
from retrieval.engines.signs import WORD, Signs, random_directions, sign_codes
from retrieval.engines.vectors import DTYPES, Dtype, Stored, decode
from retrieval.filters.attributes import AttributeTable, Column
from retrieval.filters.filters import Clause, Filter

CAPACITY = 1_024


class Found(NamedTuple):
    """What one query found, best first; scores: (m,) float32."""

    ids: list[str]
    scores: np.ndarray


class Deleted(NamedTuple):
    """How many ids were deleted, and how many were not there."""

    deleted: int
    unknown: int


class View(NamedTuple):
    """A collection as it is at one moment, the first n rows of `arrays`. live: (>= n,) bool; ended: rows not live."""

    arrays: _Arrays
    engine: ExactEngine
    attributes: AttributeTable
    live: np.ndarray
    ended: int

    @property
    def n(self) -> int:
        return len(self.attributes)

    def search(self, queries: np.ndarray, k: int, filter: Filter | Clause | None, preselect: int | None) -> list[Found]:
        mask = filter.mask(self.attributes) if filter else None
        if self.ended:
            mask = self.live[: self.n] if mask is None else mask & self.live[: self.n]
        hits = self.engine.search(queries, mask, k, preselect=preselect)
        ids = self.arrays.ids
        return [Found([ids[row] for row in found.rows], found.scores) for found in hits]


class Contents(NamedTuple):
    """All that a collection holds, its rows in order of upsert: what a snapshot is made of."""

    schema: Schema
    ids: list[str]
    stored: Stored
    columns: Mapping[str, Column]
    numbers: Mapping[str, np.ndarray]


class _Arrays:
    """Pre-allocated rows; those behind the mark that a view knows may be written. Raises MemoryError,
    and BadInput where the device has no room."""

    def __init__(
        self, schema: Schema, capacity: int, device: str | None, attributes: AttributeTable | None = None
    ) -> None:
        self.capacity = capacity
        self.held = None if device is None else DeviceRows.empty(capacity, schema.dim, schema.dtype, device)
        self.values = np.empty((capacity, schema.dim), schema.dtype)
        self.scales = np.empty(capacity, np.float32) if schema.dtype == "int8" else None
        self.codes = np.empty((schema.bits // WORD, capacity), np.uint64)
        self.attributes = _no_attributes(schema) if attributes is None else attributes
        self.ids: list[str] = []
        self.live = np.ones(capacity, dtype=bool)

    def write(self, start: int, stored: Stored, codes: np.ndarray) -> None:
        rows = slice(start, start + len(stored.values))
        self.values[rows], self.codes[:, rows] = stored.values, codes
        if self.scales is not None:
            self.scales[rows] = stored.scales
        if self.held is not None:
            self.held.write(start, stored)

    def first(self, n: int) -> Stored:
        return Stored(self.values, self.scales).at(slice(n))

    def fill(self, old: _Arrays, rows: np.ndarray) -> None:
        """Take the rows of another one, without a copy in between."""
        m = len(rows)
        np.take(old.values, rows, axis=0, out=self.values[:m], mode="clip")
        if self.scales is not None and old.scales is not None:
            self.scales[:m] = old.scales[rows]
        self.codes[:, :m] = old.codes[:, rows]
        self.ids = [old.ids[row] for row in rows]
        if self.held is not None:
            self.held.write(0, self.first(m))


class Collection:
    """Vectors and attributes by id, in memory. Any number of threads may search and write; writes take turns."""

    def __init__(
        self,
        dim: int,
        *,
        texts: Iterable[str] = (),
        numbers: Iterable[str] = (),
        dtype: Dtype = "float32",
        bits: int = 0,
        capacity: int = CAPACITY,
        device: str | None = None,
    ) -> None:
        """dim: width of the vectors; texts, numbers: names of attributes; dtype: how vectors are stored; bits: signs a
        vector, for `preselect`, a multiple of 64; capacity: rows to make room for now; device: the PyTorch device that
        scans the vectors, such as "cuda", None: NumPy does. Raises BadInput.
        """
        for name, given in (("texts", texts), ("numbers", numbers)):
            if isinstance(given, str):
                raise BadInput(f"{given!r} is one text", where=name, cure=f'names in a list: {name}=["{given}"]')
        try:
            self.schema = Schema(dim=dim, dtype=dtype, texts=tuple(texts), numbers=tuple(numbers), bits=bits)
        except ValidationError as error:
            problem = error.errors()[0]
            what = f"{problem['msg']} (found {problem['input']!r})"
            cure = f"a width of 1 or more; one of {', '.join(DTYPES)}; bits that 64 divides"
            raise BadInput(what, where=".".join(map(str, problem["loc"])), cure=cure) from error
        both = set(self.schema.texts) & set(self.schema.numbers)
        if both:
            raise BadInput(f"{', '.join(sorted(both))} is named as a text and as a number", cure="choose one")
        self._directions = random_directions(dim, bits) if bits else np.empty((dim, 0), np.float32)
        self._writing = threading.RLock()
        self._row: dict[str, int] = {}
        self._largest = 0.0
        self._torn = False
        self.device = device
        self._arrays = _Arrays(self.schema, max(capacity, 1), device)
        self._publish(0, 0)

    @classmethod
    def of(cls, contents: Contents, device: str | None = None) -> Collection:
        """A collection that holds `contents`. Raises BadInput for a vector that is not finite, and for the device."""
        about, n = contents.schema, len(contents.ids)
        made = cls(
            about.dim,
            texts=about.texts,
            numbers=about.numbers,
            dtype=about.dtype,
            bits=about.bits,
            capacity=1,
            device=device,
        )
        made._largest = largest(contents.stored)
        capacity = max(CAPACITY, n + n // 2)
        made._arrays = _Arrays(about, capacity, device, AttributeTable(contents.columns, contents.numbers, n))
        made._arrays.write(0, contents.stored, made._codes(contents.stored))
        made._arrays.ids += contents.ids
        made._row = {job_id: row for row, job_id in enumerate(contents.ids)}
        made._publish(n, 0)
        return made

    def __len__(self) -> int:
        view = self._view
        return view.n - view.ended

    def __contains__(self, job_id: str) -> bool:
        with self._writing:
            self._mend()
            return job_id in self._row

    def search(
        self, queries: Any, k: int = 10, filter: Filter | Clause | None = None, *, preselect: int | None = None
    ) -> list[Found]:
        """The k with the highest inner product for each query; ties by age, the one upserted first before.

        queries: (q, dim) or (dim,) numbers; filter: what may be returned, None: all; preselect: as
        `ExactEngine.search`. What was upserted and deleted when the search began counts, whole batches of it, and
        nothing later. k above what passes gives what there is. Raises BadInput as `ExactEngine.search`,
        UnknownAttribute.
        """
        try:
            asked = np.atleast_2d(np.asarray(queries, np.float32))
        except (TypeError, ValueError, OverflowError) as error:
            raise BadInput(f"a query that is no vector: {error}") from error
        if filter is not None and not isinstance(filter, Filter | Clause):
            raise BadInput(f"a filter of type {type(filter).__name__}", where="filter", cure="parse_filter makes one")
        return self._view.search(asked, k, filter, preselect)

    def upsert(self, ids: Sequence[str], vectors: Any, attributes: Sequence[Mapping[str, Any]] | None = None) -> int:
        """Add ids or replace them, vector and attributes whole; returns how many. Raises as `prepare`, and BadInput
        where the device has no room, before any.
        """
        batch = prepare(self.schema, ids, vectors, attributes)
        self.apply(batch)
        return len(batch.ids)

    def apply(self, batch: Batch) -> None:
        """Upsert what `prepare` made."""
        if not batch.ids:
            return
        codes, longest = self._codes(batch.stored), largest(batch.stored)
        with self._changing():
            start = self._make_room(len(batch.ids))
            arrays, stop = self._arrays, start + len(batch.ids)
            arrays.write(start, batch.stored, codes)
            arrays.attributes = arrays.attributes.extended(batch.attributes)
            arrays.ids += batch.ids
            self._largest = max(self._largest, longest)
            replaced = [self._row[job_id] for job_id in batch.ids if job_id in self._row]
            self._row.update(zip(batch.ids, range(start, stop), strict=True))
            self._end(replaced, stop)

    def delete(self, ids: Iterable[str]) -> Deleted:
        """Take ids out; those that are not there are counted. No search that begins later finds them."""
        wanted = dict.fromkeys(checked_ids(ids))
        with self._changing():
            rows = [self._row.pop(job_id) for job_id in wanted if job_id in self._row]
            self._end(rows, self._view.n)
            return Deleted(len(rows), len(wanted) - len(rows))

    def compact(self) -> int:
        """Free the rows of what was deleted or replaced; returns how many. Needs room for the live ones once more."""
        with self._changing():
            ended = self._view.ended
            if ended:
                self._rebuild(max(CAPACITY, len(self) + len(self) // 2))
            return ended

    def contents(self) -> Contents:
        """All that the collection holds now; compacts. The arrays are its own, and are not written any more."""
        with self._writing:
            self.compact()
            view = self._view
            stored = self._arrays.first(view.n)
            held = view.attributes
            return Contents(self.schema, self._arrays.ids[: view.n], stored, held.columns(), held.numbers())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The turn to write, in which nothing that an interrupted change left stands any more."""
        with self._writing:
            self._mend()
            self._torn = True
            yield
            self._torn = False  # unless it was interrupted

    def _mend(self) -> None:
        """Take back what an interrupted change left outside of the view that still stands."""
        if self._torn:
            view, arrays = self._view, self._view.arrays
            arrays.attributes, arrays.live = view.attributes.kept(np.arange(view.n)), view.live
            del arrays.ids[view.n :]
            self._row = {arrays.ids[row]: row for row in np.flatnonzero(view.live[: view.n]).tolist()}
            self._arrays, self._torn = arrays, False

    def _make_room(self, m: int) -> int:
        """The row at which m more can be written."""
        if self._view.n + m > self._arrays.capacity:
            self._rebuild(2 * (len(self) + m))
        return self._view.n

    def _rebuild(self, capacity: int) -> None:
        """New arrays with the live rows alone, in their order."""
        old, n = self._arrays, self._view.n
        rows = np.flatnonzero(old.live[:n])
        new = _Arrays(self.schema, capacity, self.device, old.attributes.kept(rows))
        new.fill(old, rows)
        self._largest = largest(new.first(len(rows)))  # what was deleted does not count any more
        self._arrays = new
        self._row = {job_id: row for row, job_id in enumerate(new.ids)}
        self._publish(len(rows), 0)

    def _end(self, rows: list[int], n: int) -> None:
        """Publish n rows, without `rows`."""
        if rows:
            self._arrays.live = self._arrays.live.copy()  # views hold the old one
            self._arrays.live[rows] = False
        self._publish(n, self._view.ended + len(rows))

    def _publish(self, n: int, ended: int) -> None:
        arrays = self._arrays
        values, scales = arrays.first(n)
        signs = Signs(self._directions, arrays.codes[:, :n]) if self.schema.bits else None
        if arrays.held is None:
            engine = ExactEngine(values, scales, signs, self._largest)
        else:
            engine = DeviceEngine(values, scales, signs, self._largest, held=arrays.held)
        self._view = View(arrays, engine, arrays.attributes, arrays.live, ended)

    def _codes(self, stored: Stored) -> np.ndarray:
        """(bits / 64, m) uint64."""
        if not self.schema.bits:
            return np.empty((0, len(stored.values)), np.uint64)
        return sign_codes(decode(stored, slice(None)), self._directions)


def _no_attributes(schema: Schema) -> AttributeTable:
    none = Column([], np.zeros(1, np.int64), np.zeros(0, np.int32))
    return AttributeTable(dict.fromkeys(schema.texts, none), dict.fromkeys(schema.numbers, np.zeros(0)), 0)
