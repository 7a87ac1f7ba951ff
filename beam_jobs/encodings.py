"""Members' encodings: what the service would encode of each who asks for nothing in particular, made beforehand.

A row is of a member's newest text and activity, by the encoder of the workspace, and true from when it was made. Its
key says what it was made of (`ranking.encoding`), by which a run skips what stands and a request knows what it may
take. A row that a newer one took the place of is of no use to anybody; those of a part go where they are half of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import feature_tables
from beam_jobs.feature_tables import PART, ROW
from contracts.arrow import TIME
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_KEY
from contracts.tables import parts, reading, write_part
from contracts.text.verbalizer import Percentiles, request_text
from contracts.time.as_of import newest_rows
from contracts.workspace import Workspace
from ranking.encoding import encode_request, encoding_key, to_feature
from retrieval.facts import read_facts, text_fields
from retrieval.request import Request

if TYPE_CHECKING:
    from retrieval.encoder import TextEncoder

CHUNK_MEMBERS = 512
_OF_RUN = re.compile(r"\.\d{13}-\d{5}\.parquet$")
KEY = "encoding_key"
SCHEMA = pa.schema(
    [
        pa.field(MEMBER_KEY, pa.string()),
        pa.field("text_hash", pa.string()),
        pa.field(KEY, pa.binary()),
        pa.field("encoding", pa.binary()),
        pa.field("encoder_version", pa.string()),
        pa.field(EVENT_TIME, TIME),
        pa.field(CREATED_TIME, TIME),
    ]
)


class MemberChunk(NamedTuple):
    """Members to encode.

    Attributes:
        path: The part of the table of texts that theirs stand in.
        rows: Places in it.
        members: Their ids, `text_hash` and `activity_text`.
        out: The table of encodings.
        name: Of the part to be.
        time: When the run began.
    """

    path: Path
    rows: np.ndarray
    members: pa.Table
    out: Path
    name: str
    time: datetime

    @property
    def counted(self) -> str:
        return COUNTED

    def made(self, model: TextEncoder, done: Callable[[int], object]) -> pa.Table:
        """The rows of these members."""
        with reading(self.path):
            texts = pq.read_table(self.path, columns=["text"])["text"].take(pa.array(self.rows)).to_pylist()
        return encoding_rows(model, self.members, texts, self.time, done)


COUNTED = "encodings.written"


def asked_of(text: str, activity_text: str) -> Request:
    """What is encoded of the request of a member who asks for nothing in particular; the rest of it stays empty."""
    facts = read_facts(text_fields(text), Percentiles(), (), {})
    return Request(request_text(text, activity_text), "", "", "", "", datetime.now(UTC), facts=facts)


def encoding_rows(
    model: TextEncoder, members: pa.Table, texts: Sequence[str], time: datetime, done: Callable[[int], object]
) -> pa.Table:
    """Rows of `SCHEMA`, each member encoded alone, as the service does.

    Args:
        model: Encodes.
        members: n members with `text_hash` and `activity_text`.
        texts: Their n texts.
        time: Of the rows.
        done: Is told of each.
    """
    keys, values = [], []
    for text, activity in zip(texts, members["activity_text"].to_pylist(), strict=True):
        request = asked_of(text, activity)
        keys.append(encoding_key(model.version, request))
        values.append(to_feature(model.version, request, encode_request(model, request)))
        done(1)
    times = pa.array([time] * len(keys), TIME)
    columns = [
        *(members[name] for name in (MEMBER_KEY, "text_hash")),
        *(pa.array(column, pa.binary()) for column in (keys, values)),
        *(pa.array([model.version] * len(keys), pa.string()), times, times),
    ]
    return pa.table(columns, schema=SCHEMA)


def chunks_to_encode(
    workspace: Workspace, text: Path, rows: pl.DataFrame, out: Path, version: str, encoder_version: str, run: str
) -> list[MemberChunk]:
    """The members whose encoding is missing or of something else, by the part that their text stands in.

    Args:
        workspace: Of the activity.
        text: The table of members' texts.
        rows: Of the newest text of each member: its key, `text_hash`, PART and ROW.
        out: The table of encodings.
        version: Of text and encoder, in the names of parts.
        encoder_version: Of the encoder.
        run: Name of the run.
    """
    have = _keys(out, version)
    activity = newest_activity(workspace)
    rows = rows.join(activity, on=MEMBER_KEY, how="left", maintain_order="left").with_columns(
        pl.col("activity_text").fill_null("")
    )
    time, paths = datetime.now(UTC), parts(text)
    chunks: list[MemberChunk] = []
    for part, of_part in feature_tables.by_part(rows):
        with reading(paths[part]):
            texts = pq.read_table(paths[part], columns=["text"])["text"].take(of_part[ROW].to_arrow()).to_pylist()
        members, activities = of_part[MEMBER_KEY].to_list(), of_part["activity_text"].to_list()
        todo = [
            have.get(member) != encoding_key(encoder_version, asked_of(text, activity_text))
            for member, text, activity_text in zip(members, texts, activities, strict=True)
        ]
        for some in of_part.filter(pl.Series(todo, dtype=pl.Boolean)).iter_slices(CHUNK_MEMBERS):
            columns = some.select(MEMBER_KEY, "text_hash", "activity_text").to_arrow().cast(_OF_MEMBERS)
            name = feature_tables.part_name(version, run, len(chunks))
            chunks.append(MemberChunk(paths[part], some[ROW].to_numpy(), columns, out, name, time))
    return chunks


_OF_MEMBERS = pa.schema([(name, pa.string()) for name in (MEMBER_KEY, "text_hash", "activity_text")])


def newest_activity(workspace: Workspace, until: datetime | None = None) -> pl.DataFrame:
    """The text of each member's newest activity, of those known until a time; memory holds one part beside them."""
    paths = parts(workspace.features / MEMBER_ACTIVITY)
    times = [EVENT_TIME, CREATED_TIME]
    rows = feature_tables.places(paths, [MEMBER_KEY, *times])
    if rows.is_empty():
        return pl.DataFrame(schema={MEMBER_KEY: pl.String, "activity_text": pl.String})
    if until is not None:
        rows = rows.filter(pl.max_horizontal(times) <= until)
    found = []
    for part, of_part in feature_tables.by_part(rows[newest_rows(rows, [MEMBER_KEY], times)]):
        with reading(paths[part]):
            texts = pq.read_table(paths[part], columns=["activity_text"])["activity_text"]
        found.append(
            of_part.select(MEMBER_KEY).with_columns(activity_text=pl.Series(texts.take(of_part[ROW].to_arrow())))
        )
    return pl.concat(found)


def drop_outdated(out: Path, version: str) -> None:
    """Take rows that newer ones took the place of out of a run's parts in which they are half or more.

    Parts of a backfill stay: its manifest says what is in them.
    """
    paths = [path for path in feature_tables.made_by(out, version) if _OF_RUN.search(path.name)]
    rows = feature_tables.places(paths, [MEMBER_KEY, EVENT_TIME])
    if rows.is_empty():
        return
    newest = rows[newest_rows(rows, [MEMBER_KEY], [EVENT_TIME])].sort(PART, ROW)
    kept = {part: of_part[ROW] for part, of_part in feature_tables.by_part(newest)}
    for part, path in enumerate(paths):
        count, left = len(rows.filter(pl.col(PART) == part)), kept.get(part)
        if left is None:
            path.unlink()
        elif len(left) <= count / 2:
            with reading(path):
                table = pq.read_table(path)
            write_part(out, table.take(left.to_arrow()), path.stem.removeprefix("part-"))


def _keys(out: Path, version: str) -> dict[str, bytes]:
    """Member -> key of their newest encoding."""
    rows = feature_tables.places(feature_tables.made_by(out, version), [MEMBER_KEY, KEY, EVENT_TIME])
    if rows.is_empty():
        return {}
    newest = rows[newest_rows(rows, [MEMBER_KEY], [EVENT_TIME])]
    return dict(zip(newest[MEMBER_KEY], newest[KEY], strict=True))
