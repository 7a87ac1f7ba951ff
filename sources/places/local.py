"""The folder here that holds the data of a place."""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path

from contracts.errors import UnreadableFile
from contracts.versions import row_hash, staged_folder
from sources.places.database import copy_tables, is_database
from sources.places.remote import copy_files

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_CREDENTIALS = re.compile(r"(?<=//)[^/@]*@")


def shown_place(place: str) -> str:
    """A place without what may be a secret in it."""
    return _CREDENTIALS.sub("", place).partition("?")[0]


def local_folder(place: str, copies: Path, mapping: Path | None = None) -> Path:
    """The folder that holds the data of a place: itself, or a copy.

    Args:
        place: A folder, an archive of one, an SQLAlchemy URL of a database, or any URL that fsspec opens.
        copies: Where copies are kept, each under a name of its own that is the same every night.
        mapping: Names the tables or queries of a database.

    Raises:
        NotReady: What opens such a place is not installed, or a secret that the URL names is not in the environment.
        UnreadableFile: The place cannot be read to its end; nothing of it is kept, and an earlier copy stays.
        BadInput: The mapping is none.
    """
    copy = copies / row_hash(place, 6)
    if is_database(place):
        copy_tables(place, copy, mapping)
        return copy
    if "://" in place:
        return copy_files(place, shown_place(place), copy)
    path = Path(place).resolve()
    if path.is_file() and path.name.lower().endswith(ARCHIVES):
        return _unpack(path, copy)
    return path


def _unpack(archive: Path, copy: Path) -> Path:
    """The folder of an archive's files; that inside it where it holds one folder alone."""
    try:
        with staged_folder(copy) as staged:
            if archive.name.lower().endswith(".zip"):
                shutil.unpack_archive(archive, staged, "zip")  # leaves out names that lead outside
            else:
                with tarfile.open(archive) as file:
                    file.extractall(staged, filter="data")
    except (OSError, shutil.ReadError, tarfile.TarError, EOFError, RuntimeError, ValueError) as error:
        raise UnreadableFile(f"it cannot be unpacked: {error}", where=str(archive), cure="fetch it again") from error
    inner = [path for path in copy.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else copy
