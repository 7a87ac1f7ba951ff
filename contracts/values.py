"""The base of typed values: knobs, manifests, documents and answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A frozen pydantic model that refuses unknown fields.

    `contracts.records.Record` is the same for rows of data, with the leniency that raw data needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
