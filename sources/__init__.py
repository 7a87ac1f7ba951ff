"""Raw data in: a folder of files in a known format, or a feed of changes, goes in; checked records come out.

A format is one class in one file, found in `sources.open.SOURCES`. Knows nothing of Beam or what a record is used for.
"""

from sources.open import SOURCES, open_source
from sources.rows import DUPLICATE_REASONS, RawRow, Reject, Shard, Source

__all__ = ["DUPLICATE_REASONS", "SOURCES", "RawRow", "Reject", "Shard", "Source", "open_source"]
