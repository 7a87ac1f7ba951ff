"""A file as bytes and as text: compression undone, the encoding told, and what was assumed said.

Text without a byte-order mark is UTF-8; bytes that no UTF-8 has are read as Windows-1252, which is what spreadsheets
and old systems write, so a file of either kind and one of both are read alike. A file of any other kind needs its
encoding stated.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

import pyarrow as pa

from sources.findings import Finding

COMPRESSED = (".gz", ".zst", ".zip", ".bz2", ".xz")
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What reading a broken or encrypted file raises; `UnicodeError` comes from text of another encoding."""
END_MARK = "\x1a"
"""What old systems write after the last line of a file (Ctrl-Z)."""
BLOCK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive: save it as CSV, or name it .zip",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"\x1f\x8b": "compressed: name it .gz",
    b"(\xb5/\xfd": "compressed: name it .zst",
    b"PAR1": "Parquet: name it .parquet",
    b"%PDF": "a PDF",
}
"""How files begin that are often called .csv."""


MOST_UNLIKE = 0.1
"""Of bytes that no UTF-8 has, that may look unlike Windows-1252."""
_SIGNS = rb"\x80-\x84\x86-\x89\x8b\x8d\x8f\x90\x98\x9b\x9d\xa1-\xa9\xac\xaf-\xb3\xb5\xb6\xb8\xb9\xbb-\xbf"
_UNLIKE = re.compile(rb"[\x80-\xff]{4,}|(?<=[A-Za-z\xc0-\xff])[" + _SIGNS + rb"](?=[a-z\xa1-\xff])")
"""Four letters with accents in a row, or a sign inside a word."""


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    stray = error.object[error.start : error.end]
    return "".join(_windows(byte) for byte in stray), error.end


def _windows(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:  # five bytes stand for nothing there; cleaning removes what they are in Latin-1
        return chr(byte)


codecs.register_error("windows-1252", _as_windows)


def suffix(path: Path) -> str:
    """The suffix that tells a file's format, in lower case: ".csv" of `jobs.csv`, `Jobs.CSV.gz` and `jobs.csv.zip`.

    An archive whose name says nothing has the suffix of the one file in it.
    """
    last = path.suffix.lower()
    if last not in COMPRESSED:
        return last
    inner = Path(path.stem).suffix.lower()
    if inner or last != ".zip":
        return inner
    try:
        return Path(_only_member(path)).suffix.lower()
    except BROKEN:
        return ""


def stem(path: Path) -> str:
    """The name of a file without what tells its format and compression: `jobs` of `Jobs.csv.gz`."""
    name = path.stem if path.suffix.lower() in COMPRESSED else path.name
    return Path(name).stem.lower()


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, with its compression undone as it is read.

    Raises:
        OSError: It cannot be opened, or is an archive of several files. Broken content raises one of `BROKEN` later.
    """
    kind = path.suffix.lower()
    if kind == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if kind == ".bz2":
        return cast(BinaryIO, bz2.open(path))
    if kind == ".xz":
        return cast(BinaryIO, lzma.open(path))
    if kind == ".zst":
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, pa.input_stream(str(path), "zstd")), BLOCK))
    if kind == ".zip":
        archive = zipfile.ZipFile(path)
        return cast(BinaryIO, archive.open(_only_member(path)))
    return path.open("rb")


def _only_member(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
    if len(names) != 1:
        raise OSError(f"an archive of {len(names)} files; unpack it into a folder")
    return names[0]


def open_text(path: Path, encoding: str | None = None) -> TextIO:
    """The text of a file, line ends as they stand.

    Args:
        path: The file.
        encoding: As Python names it; None to tell it from the first bytes.

    Raises:
        OSError: It cannot be opened. Reading may raise one of `BROKEN` or a UnicodeError.
    """
    encoding = encoding or encoding_of(path)
    errors = "windows-1252" if encoding.startswith("utf-8") else "replace"
    return io.TextIOWrapper(cast(IO[bytes], open_bytes(path)), encoding=encoding, errors=errors, newline="")


def encoding_of(path: Path) -> str:
    """The encoding that the first bytes of a file tell: "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32" ..."""
    with open_bytes(path) as file:
        head = file.read(4096)
    for mark, what in _NOT_TEXT.items():
        if head.startswith(mark):
            raise OSError(f"it is {what}, not text")
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    most = 0.4 * (len(head) // 2)  # most characters of a table are ASCII, one byte in two of which UTF-16 leaves empty
    if len(head) >= 4 and head[1::2].count(0) > most:
        return "utf-16-le"
    if len(head) >= 4 and head[0::2].count(0) > most:
        return "utf-16-be"
    return "utf-8"


def assumed(path: Path, encoding: str | None = None) -> tuple[Finding, ...]:
    """What was assumed of a file's encoding; nothing where it is plain UTF-8 or was stated."""
    if encoding:
        return ()
    name = encoding_of(path)
    if not name.startswith("utf-8"):
        return (Finding(path.name, "encoding", name.upper(), "read so"),)
    status = path.stat()
    number, lines, unlike = _stray_bytes(path, status.st_size, status.st_mtime_ns)
    if not number:
        return ()
    strays = f"{number:,} bytes on {lines:,} lines are not UTF-8"
    done = "read as Windows-1252 (a mapping may state another)"
    if unlike > MOST_UNLIKE * number:
        done = "read as Windows-1252, which they look unlike: state `encoding` in a mapping (gb18030, windows-1250 ...)"
    return (Finding(path.name, "encoding", strays, done),)


@lru_cache(maxsize=256)
def _stray_bytes(path: Path, size: int, changed: int) -> tuple[int, int, int]:
    """(bytes, lines) of a file that no UTF-8 has, and how many of the bytes look unlike Windows-1252.

    `size` and `changed` are for the cache.
    """
    number = lines = unlike = 0
    try:
        for block in _line_blocks(path):
            try:
                block.decode("utf-8")
            except UnicodeDecodeError:
                odd = [(strays, line) for line in block.split(b"\n") if (strays := _strays_of(line))]
                number += sum(strays for strays, _ in odd)
                lines += len(odd)
                unlike += sum(len(found[0]) for _, line in odd for found in _UNLIKE.finditer(line))
    except BROKEN:
        pass  # the reader comes to the same place and says so
    return number, lines, unlike


def _line_blocks(path: Path) -> Iterator[bytes]:
    """A file in blocks that end with a line, so that no character is cut."""
    rest = b""
    with open_bytes(path) as file:
        while block := file.read(BLOCK):
            whole, end, tail = (rest + block).rpartition(b"\n")
            rest = tail
            if end:
                yield whole
    yield rest


def _strays_of(line: bytes) -> int:
    if line.isascii():
        return 0
    number = start = 0
    while True:
        try:
            line[start:].decode("utf-8")
            return number
        except UnicodeDecodeError as error:
            number += error.end - error.start
            start += error.end
