"""The knobs of the FAISS engine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.values import FrozenModel

Kind = Literal["flat", "ivf", "hnsw", "sq8", "pq"]
_KNOBS_OF_KIND: dict[str, tuple[str, ...]] = {
    "flat": (),
    "ivf": ("lists", "nprobe"),
    "hnsw": ("m", "ef_search"),
    "sq8": ("lists", "nprobe", "rescored"),
    "pq": ("lists", "nprobe", "m", "rescored"),
}


class FaissConfig(FrozenModel):
    """Which FAISS index is built, and how far a search looks. A knob that the kind does not read is refused."""

    kind: Kind | None = Field(
        None,
        description="flat: all vectors; ivf: vectors in lists; hnsw: a graph; sq8, pq: lists of 8-bit numbers, of "
        "product codes. None: flat up to 20,000 rows, ivf above.",
    )
    lists: int | None = Field(
        None, ge=1, description="Lists that the rows are divided into. None: four times the root of the rows."
    )
    nprobe: int = Field(48, ge=1, description="Lists that a search without a filter looks into.")
    m: int | None = Field(
        None,
        ge=1,
        description="hnsw: neighbours of a node, at least 2, None: 32; pq: bytes of a code, a divisor of the width, "
        "None: a quarter of it.",
    )
    ef_search: int = Field(
        64, ge=1, description="Nodes that a search without a filter keeps in sight; at least twice the rows asked for."
    )
    rescored: int = Field(
        4, ge=1, description="Rows found by their codes and scored again by their vectors, for each that is asked for."
    )

    @model_validator(mode="after")
    def _read_by_the_kind(self) -> Self:
        kind = self.kind or "ivf"
        for name, field in type(self).model_fields.items():
            if name != "kind" and name not in _KNOBS_OF_KIND[kind] and getattr(self, name) != field.default:
                readers = ", ".join(other for other, knobs in _KNOBS_OF_KIND.items() if name in knobs)
                raise ValueError(f"{name} is a knob of kind {readers}, not of {kind}")
        if kind == "hnsw" and self.m == 1:
            raise ValueError("m is 1: a node of an hnsw graph has at least 2 neighbours")  # FAISS crashes otherwise
        return self
