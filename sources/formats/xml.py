"""XML, read one record at a time: feeds of adverts as aggregators exchange them (`<source><job>...</job><job>...`), and
HR-XML, whose candidates are rows of members and whose openings are rows of jobs.

Safe against hostile files: entities are not expanded and nothing is fetched. A feed that ends in the middle gives the
adverts that are whole, and a reject that says where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, ClassVar
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from sources import files
from sources.formats.base import How, unreadable
from sources.rows import RawRow, Shard
from sources.schemas import hrxml, jobfeed

ADVERTS = ("job", "position", "vacancy", "ad", "listing", "item", "offer", "posting", "jobposting", "jobad")
"""Names of the elements that are an advert of a feed, of which the outermost counts."""
TABLES = {
    **dict.fromkeys((*ADVERTS, *hrxml.JOBS), "jobs"),
    **dict.fromkeys(hrxml.MEMBERS, "members"),
}
BLOCK = 1 << 16


class Xml:
    suffixes: ClassVar[tuple[str, ...]] = (".xml",)

    def columns(self, path: Path, how: How) -> list[str] | None:
        return None

    def shards(self, table: str, path: Path) -> list[Shard]:
        return [Shard(table, str(path))]

    def table(self, path: Path) -> str:
        builder = _Records()
        with files.open_bytes(path) as file:
            for _ in _fed(file, How(), builder):
                if builder.first:
                    break
        return TABLES.get(builder.first, "")

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        row, builder = 0, _Records()
        try:
            with files.open_bytes(Path(shard.path)) as file:
                for problem in _fed(file, how, builder):
                    for line, record in builder.take():
                        row += 1
                        yield _row(shard, row, record, line)
                    if problem is not None:
                        yield _ended(shard, row, problem, builder)
        except files.BROKEN as error:
            yield unreadable(shard, error, row)


def _row(shard: Shard, row: int, record: Element, line: int) -> RawRow:
    if TABLES[record.tag] != shard.table:
        detail = (
            f"<{record.tag}> is a row of {TABLES[record.tag]}, not of {shard.table}: name the file so, or otherwise"
        )
        return RawRow(shard.table, shard.path, row, None, "", "other_table", detail, line)
    if record.tag in hrxml.MEMBERS:
        stem = files.stem(Path(shard.path))
        value, findings = hrxml.member(record, stem if row == 1 else f"{stem}-{row}")
    elif record.tag in hrxml.JOBS:
        value, findings = hrxml.job(record)
    else:
        value, findings = jobfeed.row(_fields(record))
    return RawRow(shard.table, shard.path, row, value, line=line, findings=findings)


def _fed(file: IO[bytes], how: How, builder: _Records) -> Iterator[Exception | None]:
    """Feed a file to a builder, block by block; at the end what the parser objects to, None where it is whole."""
    parser = DefusedXMLParser(target=builder, encoding=how.encoding, forbid_dtd=False, forbid_entities=True)
    builder.line = lambda: parser.parser.CurrentLineNumber
    ended = False
    while not ended:
        block = file.read(BLOCK)
        problem = _feed(parser, block)
        ended = not block or problem is not None
        yield problem


def _feed(parser: Any, block: bytes) -> Exception | None:
    """Give a block to the parser, none for the end. What the parser objects to."""
    try:
        if block:
            parser.feed(block)
        else:
            parser.close()
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        return error
    return None


def _ended(shard: Shard, row: int, problem: Exception, builder: _Records) -> RawRow:
    if isinstance(problem, DefusedXmlException):
        detail = f"it declares entities, which are not expanded ({type(problem).__name__}); write it without them"
        return RawRow(shard.table, shard.path, row + 1, None, "", "unsafe_xml", detail)
    line = getattr(problem, "position", (0, 0))[0]
    kind = "candidates" if shard.table == "members" else "adverts"
    detail = f"{row:,} {kind} were whole; then, at line {line:,}: {problem}; fetch the feed again"
    return RawRow(shard.table, shard.path, row + 1, None, builder.unfinished(), "file_ends", detail, line)


class _Records(TreeBuilder):
    """Builds one record at a time; what lies around the records is let go. first: the name of the first one."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []
        self._done: list[tuple[int, Element]] = []
        self._start, self.first = 0, ""
        self.line: Callable[[], int] = lambda: 0

    def start(self, tag: Any, attrs: Any) -> Element:
        name = _local(tag)
        element = Element(name, {_local(key): value for key, value in attrs.items()})
        if self._open:
            self._open[-1].append(element)
            self._open.append(element)
        elif name in TABLES:
            self._start, self.first = self.line(), self.first or name
            self._open.append(element)
        return element

    def data(self, data: str) -> None:
        if self._open:
            inner = self._open[-1]
            if len(inner):
                inner[-1].tail = (inner[-1].tail or "") + data
            else:
                inner.text = (inner.text or "") + data

    def end(self, tag: Any) -> Element:
        if not self._open:
            return Element(_local(tag))
        element = self._open.pop()
        if not self._open:
            self._done.append((self._start, element))
        return element

    def close(self) -> None:  # type: ignore[override]  # there is no whole tree
        return None

    def take(self) -> list[tuple[int, Element]]:
        """The records that ended since, with the lines where they began."""
        done, self._done = self._done, []
        return done

    def unfinished(self) -> str:
        """The text of a record that did not end."""
        return " ".join(" ".join(self._open[0].itertext()).split()) if self._open else ""


def _local(name: str) -> str:
    """A name without its namespace, in lower case."""
    return str(name).rpartition("}")[2].rpartition(":")[2].lower()


def _fields(element: Element, head: str = "") -> dict[str, Any]:
    """The parts of an element by their path, as "location.city"; a part that stands several times is a list."""
    fields: dict[str, Any] = {}
    for name, value in element.attrib.items():
        fields[f"{head}{name}"] = value.strip()
    for part in element:
        if len(part) and not (part.text or "").strip():
            found = _fields(part, f"{head}{part.tag}.")
        else:
            found = {f"{head}{part.tag}": " ".join(part.itertext()).strip()}
        for name, value in found.items():
            if name in fields and value:
                fields[name] = [*_list(fields[name]), *_list(value)]
            elif value:
                fields[name] = value
    return fields


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
