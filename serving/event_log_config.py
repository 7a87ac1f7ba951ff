"""The knobs of the log of what was shown and done."""

from __future__ import annotations

from pydantic import Field

from contracts.values import FrozenModel


class LogConfig(FrozenModel):
    """The log of what was shown and done."""

    seconds: float | None = Field(
        None,
        gt=0,
        description="Longest wait of a post for the disk, then it is refused; none: 0.4 deadlines.",
    )
    fsync: bool = Field(
        False, description="Whether an event is acknowledged once the disk has it, and not the system's memory alone."
    )
    max_file_bytes: int = Field(100_000_000, ge=1, description="Size at which the next file of a day begins.")
    max_answer_bytes: int = Field(
        100_000, ge=1_000, description="Most that one answer writes; the last of its jobs are left out, and counted."
    )
    keep_days: int = Field(90, ge=1, description="Days after which a file is thrown away, once `ingest` has taken it.")
    drop_untaken: bool = Field(False, description="Whether it is thrown away also where `ingest` has not.")
