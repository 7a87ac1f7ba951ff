"""Raw data in: a folder of files in a known layout goes in, rows and checked records come out.

Knows files and records. Knows nothing of Beam, workspaces or what is done with a record.
"""

from sources.open import SOURCES, open_source
from sources.rows import DUPLICATE_REASONS, RawRow, Reject, Shard, Source

__all__ = ["DUPLICATE_REASONS", "SOURCES", "RawRow", "Reject", "Shard", "Source", "open_source"]
