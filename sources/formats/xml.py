"""XML, read one record at a time: feeds of adverts as aggregators exchange them (`<source><job>...</job><job>...`), and
HR-XML, whose candidates are rows of members and whose openings are rows of jobs.

Safe against hostile files: entities that a file declares are refused and nothing is fetched. What `mended` can mend
costs nothing; anything else that is no XML costs its record, and the next one is read. A feed that ends in the middle
gives the adverts that are whole, and a reject that says where it ended. Namespaces are not looked at: many feeds use
prefixes that they do not declare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.etree.ElementTree import Element
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate

from sources import files
from sources.findings import Finding
from sources.formats import mended
from sources.formats.base import How, unreadable
from sources.rows import DEEPEST, RawRow, Shard
from sources.schemas import hrxml, jobfeed

ADVERTS = ("job", "position", "vacancy", "ad", "listing", "item", "offer", "posting", "jobposting", "jobad")
"""Names of the elements that are an advert of a feed, of which the outermost counts."""
TABLES = {
    **dict.fromkeys((*ADVERTS, *hrxml.JOBS), "jobs"),
    **dict.fromkeys(hrxml.MEMBERS, "members"),
}
_ANY = "any"


class Xml:
    suffixes: ClassVar[tuple[str, ...]] = (".xml",)

    def columns(self, path: Path, how: How) -> list[str] | None:
        return None

    def shards(self, table: str, path: Path) -> list[Shard]:
        return [Shard(table, str(path))]

    def table(self, path: Path) -> str:
        first = next((found.name for found in _found(path, How()) if found.name), "")
        return TABLES.get(first, "")

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        path, row, whole = Path(shard.path), 0, 0
        try:
            findings = files.assumed(path, how.encoding or mended.encoding_of(path))
            for found in _found(path, how):
                row += 1
                one = _row(shard, row, found, whole)
                whole += not found.reason
                yield one._replace(findings=(*one.findings, *findings))
                findings = ()
        except (*files.BROKEN, LookupError, UnicodeError) as error:
            yield unreadable(shard, error, row)


class _Found(NamedTuple):
    """A record of a file, or what stands where one should.

    Attributes:
        line: 1-based, where it begins; of what is no XML, where that stands.
        name: Of its element; empty where none began.
        record: The element; None where it is not whole.
        reason: Why it is not.
        detail: The same for a person.
        text: Of what there is of it.
    """

    line: int
    name: str
    record: Element | None = None
    reason: str = ""
    detail: str = ""
    text: str = ""


def _row(shard: Shard, row: int, found: _Found, whole: int) -> RawRow:
    """The row of a record; whole: how many came before."""
    record, line = found.record, found.line
    if record is None:
        kind = "candidates" if shard.table == "members" else "adverts"
        before = f"{whole:,} {kind} were whole; then, at line {line:,}: " if found.reason == "file_ends" else ""
        return RawRow(shard.table, shard.path, row, None, found.text, found.reason, before + found.detail, line)
    if TABLES[record.tag] != shard.table:
        detail = (
            f"<{record.tag}> is a row of {TABLES[record.tag]}, not of {shard.table}: name the file so, or otherwise"
        )
        return RawRow(shard.table, shard.path, row, None, "", "other_table", detail, line)
    findings: tuple[Finding, ...]
    if record.tag in hrxml.MEMBERS:
        stem = files.stem(Path(shard.path))
        value, findings = hrxml.member(record, stem if row == 1 else f"{stem}-{row}")
    elif record.tag in hrxml.JOBS:
        value, findings = hrxml.job(record)
    else:
        value, findings = jobfeed.row(_fields(record))
    return RawRow(shard.table, shard.path, row, value, line=line, findings=findings)


def _found(path: Path, how: How) -> Iterator[_Found]:
    """The records of a file in order. Behind what is no XML it is read on from the end of the record that holds it."""
    line, reader, behind = 1, _Reader(1, ()), None
    for piece in mended.pieces(path, how.encoding or mended.encoding_of(path), TABLES):
        line += piece.text.count("\n")
        if behind is None:
            try:
                problem = reader.read(piece.text)
            except _Unsafe as error:
                yield _Found(reader.at, "", None, "unsafe_xml", str(error))
                return
            yield from reader.take()
            if problem:
                yield reader.broken(problem)
                behind, reader = reader.opened or _ANY, _Reader(line, reader.around)
        else:
            reader.line = line
        if piece.ends and behind in (piece.ends, _ANY):
            behind = None
    problem = reader.read("", ends=True)
    if behind not in (None, _ANY):
        yield _Found(line, "", None, "file_ends", f"the <{behind}> before does not end; fetch the feed again")
    elif problem:
        yield reader.broken(problem)._replace(reason="file_ends", detail=f"{problem}; fetch the feed again")


class _Unsafe(Exception):
    """A file declares entities."""


class _Reader:
    """Builds one record at a time; what lies around the records is let go.

    Attributes:
        line: 1-based line of the file where its part of it begins.
        around: The names of the elements around the records that are open.
    """

    def __init__(self, line: int, around: Sequence[str]) -> None:
        self.line, self.around = line, list(around)
        self._open: list[Element] = []
        self._done: list[_Found] = []
        self._start = 0
        self._parser = ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.Parse("".join(f"<{name}>" for name in around))
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.EntityDeclHandler = _refuse

    @property
    def at(self) -> int:
        """The 1-based line of the file that it is at."""
        return self.line + self._parser.CurrentLineNumber - 1

    @property
    def opened(self) -> str:
        """The name of the record that is open; empty outside of any."""
        return self._open[0].tag if self._open else ""

    def read(self, text: str, ends: bool = False) -> str:
        """Read a part of the file. What is wrong with it, behind which this reader reads nothing; empty for nothing.

        Raises:
            _Unsafe: It declares entities.
        """
        try:
            self._parser.Parse(text, ends)
        except ExpatError as error:
            self._parser.buffer_text = False  # gives what it held back
            return ErrorString(error.code)
        except RecursionError as error:
            return str(error)
        return ""

    def take(self) -> list[_Found]:
        """The records that ended since."""
        done, self._done = self._done, []
        return done

    def broken(self, problem: str) -> _Found:
        """The record that is open, which is not whole."""
        text = " ".join(" ".join(self._open[0].itertext()).split()) if self._open else ""
        detail = f"at line {self.at:,}: {problem}; correct it there, the next one is read"
        return _Found(self.at, self.opened, None, "bad_xml", detail, text)

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        if not self._open and name not in TABLES:
            self.around.append(tag)
            return
        if len(self._open) > DEEPEST:
            raise RecursionError(f"elements go deeper than {DEEPEST} levels")
        element = Element(name, {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].append(element)
        else:
            self._start = self.at
        self._open.append(element)

    def _data(self, data: str) -> None:
        if self._open:
            inner = self._open[-1]
            if len(inner):
                inner[-1].tail = (inner[-1].tail or "") + data
            else:
                inner.text = (inner.text or "") + data

    def _end(self, tag: str) -> None:
        if not self._open:
            self.around.pop()
            return
        element = self._open.pop()
        if not self._open:
            self._done.append(_Found(self._start, element.tag, element))


def _refuse(*_: object) -> None:
    raise _Unsafe("it declares entities, which are not expanded; write it without them")


def _local(name: str) -> str:
    """A name without its namespace, in lower case."""
    return str(name).rpartition("}")[2].rpartition(":")[2].lower()


def _fields(element: Element, head: str = "") -> dict[str, Any]:
    """The parts of an element by their path, as "location.city"; a part that stands several times is a list."""
    fields: dict[str, Any] = {}
    for name, value in element.attrib.items():
        fields[f"{head}{name}"] = value.strip()
    for part in element:
        if len(part) and not _is_text(part):
            found = _fields(part, f"{head}{part.tag}.")
        else:
            found = {f"{head}{part.tag}": "".join(part.itertext()).strip()}
        for name, value in found.items():
            if name in fields and value:
                fields[name] = [*_list(fields[name]), *_list(value)]
            elif value:
                fields[name] = value
    return fields


def _is_text(element: Element) -> bool:
    """Whether an element has text of its own, before or between its parts."""
    return any((text or "").strip() for text in (element.text, *(part.tail for part in element)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
