"""Pages with JobPosting in them: JSON-LD in the `<script type="application/ld+json">` of an HTML file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

from sources import files
from sources.formats.base import How, unreadable
from sources.formats.json import Found, as_rows
from sources.rows import RawRow, Shard
from sources.schemas import jobposting

MOST_CHARS = 64_000_000
_KIND = "application/ld+json"


class Html:
    suffixes: ClassVar[tuple[str, ...]] = (".html", ".htm")

    def columns(self, path: Path, how: How) -> list[str] | None:
        return None

    def shards(self, table: str, path: Path) -> list[Shard]:
        return [Shard(table, str(path))]

    def table(self, path: Path) -> str:
        try:
            return "jobs" if "JobPosting" in _text(path, None) else ""
        except (*files.BROKEN, UnicodeError):
            return ""

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        path, row = Path(shard.path), 0
        try:
            text = _text(path, how.encoding)
            findings = files.assumed(path, how.encoding)
        except (*files.BROKEN, UnicodeError) as error:
            yield unreadable(shard, error)
            return
        for item in _scripts(text):
            if not item.problem and not list(jobposting.rows(item.value)):
                continue  # a breadcrumb, the company: pages hold these beside the advert
            value = item.value if isinstance(item.value, dict) else {"@graph": item.value}
            for result in as_rows(shard, item._replace(value=value), path):
                row += 1
                yield result._replace(row=row, findings=(*result.findings, *findings))
                findings = ()


def _text(path: Path, encoding: str | None) -> str:
    with files.open_text(path, encoding) as file:
        return file.read(MOST_CHARS)


def _scripts(text: str) -> Iterator[Found]:
    parser = _Scripts()
    parser.feed(text)
    parser.close()
    for line, script in parser.found:
        try:
            yield Found(line, json.loads(script.strip().removeprefix("<!--").removesuffix("-->"), strict=False))
        except (ValueError, RecursionError) as error:
            yield Found(line, None, script, f"{error}; mend the script of the page")


class _Scripts(HTMLParser):
    """Collects (line, text) of the scripts that hold JSON-LD."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("type") or ""
        self._open = tag == "script" and kind.partition(";")[0].strip().lower() == _KIND
        if self._open:
            self.found.append((self.getpos()[0], ""))

    def handle_data(self, data: str) -> None:
        if self._open:
            line, text = self.found[-1]
            self.found[-1] = line, text + data

    def handle_endtag(self, tag: str) -> None:
        self._open = False
