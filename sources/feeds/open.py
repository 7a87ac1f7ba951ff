"""The feed at an address."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import BadInput
from sources.feeds.changes import Feed
from sources.feeds.files import ChangeFiles
from sources.feeds.stream import SCHEMES, ChangeStream


def open_feed(address: str) -> Feed:
    """Open a feed. Whether a server answers is known when the feed is first read.

    Args:
        address: A folder of Parquet files, or `redis://host:port/db#stream`, whose stream is `job_changes` by default.

    Raises:
        BadInput: It is neither.
    """
    if address.startswith(SCHEMES):
        return ChangeStream(address)
    if not Path(address).is_dir():
        raise BadInput(f"no folder {address}", where="changes", cure="make it, or give redis://host:port#stream")
    return ChangeFiles(Path(address))
