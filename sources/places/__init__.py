"""Where data lie: a folder here, an archive, a bucket or a server that fsspec opens, a database.

Whatever is no folder here is copied into one, whole or not at all, before anything is read: a connection that drops
leaves nothing half-loaded, and every row is read in one way.
"""

from sources.places.local import local_folder, shown_place

__all__ = ["local_folder", "shown_place"]
