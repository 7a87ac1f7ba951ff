"""Files of anything that fsspec opens: `s3://`, `gs://`, `az://`, `sftp://`, `https://`, `file://`, `memory://`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from contracts.errors import NotReady, UnreadableFile
from contracts.validation import first_line
from contracts.versions import staged_folder
from sources.formats.base import format_of
from sources.mapping.model import NAME

EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Scheme -> the extra that opens it; for another one fsspec names the package."""


def copy_files(url: str, shown: str, copy: Path) -> Path:
    """Copy the data files of a folder, or one file; a folder here stays where it is.

    Args:
        url: Of a folder or a file.
        shown: The same without secrets, for messages.
        copy: Where to.

    Raises:
        NotReady: What opens such a URL is not installed.
        UnreadableFile: It cannot be read to its end; an earlier copy stays.
    """
    scheme = url.partition("://")[0].partition("::")[0]
    try:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem
    except ModuleNotFoundError as error:
        raise NotReady("fsspec is not installed", cure="pip install 'rolecall[remote]'") from error
    try:
        files, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        cure = f"pip install 'rolecall[{extra}]'" if extra else "install what fsspec names"
        raise NotReady(f"{scheme}:// cannot be opened: {first_line(error)}", where=shown, cure=cure) from error
    except ValueError as error:
        cure = "give a folder, a database or a URL of a protocol that fsspec knows"
        raise NotReady(f"{scheme}:// cannot be opened: {first_line(error)}", where=shown, cure=cure) from error
    if isinstance(files, LocalFileSystem):
        return Path(root)
    try:
        with staged_folder(copy) as staged:
            for name in _data_files(files, root):
                inside = (
                    PurePosixPath(name).relative_to(PurePosixPath(root)) if name != root else PurePosixPath(root).name
                )
                to = staged / inside
                to.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(name, str(to))
    except Exception as error:  # each protocol raises errors of its own library
        cure = "see that it is there and that you may read it, then run again"
        raise UnreadableFile(f"it cannot be read: {first_line(error)}", where=shown, cure=cure) from error
    return copy


def _data_files(files: object, root: str) -> list[str]:
    """The files with rows, and a mapping, of a folder and of the folders in it."""
    names: list[str] = files.find(root, maxdepth=2)  # type: ignore[attr-defined]  # fsspec has no types
    wanted = [name for name in names if PurePosixPath(name).name == NAME or format_of(Path(name)) is not None]
    if not wanted:
        raise FileNotFoundError(f"no data file among {len(names)} files")
    return wanted
