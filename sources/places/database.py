"""Tables and queries of a database, by its SQLAlchemy URL.

A password is best not written: `postgresql://reader:${BOARD_PASSWORD}@db/board` takes it from the environment. It is
never shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.records import RECORDS
from contracts.validation import first_line
from contracts.versions import staged_folder
from sources.mapping.fields import require_columns
from sources.mapping.model import DataMapping, read_mapping, require_used

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

BATCH_ROWS = 1_000
SCHEMES = (
    *("sqlite", "postgresql", "postgres", "cockroachdb", "mysql", "mariadb", "oracle", "mssql", "duckdb", "redshift"),
    *("snowflake", "bigquery", "databricks", "trino", "clickhouse", "db2"),
)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def is_database(place: str) -> bool:
    """Whether a place is the URL of a database: `sqlite:///board.db`, `postgresql+psycopg://...`."""
    scheme, mark, _ = place.partition("://")
    return bool(mark) and scheme.partition("+")[0].lower() in SCHEMES


def copy_tables(place: str, copy: Path, mapping_file: Path | None) -> None:
    """Copy the rows of each table into a file of JSON lines, under the names of the database.

    Args:
        place: The URL.
        copy: The folder to write, as a whole.
        mapping_file: Names the `table` or `query` of each table of records; none: those called members, jobs, events
            and grades are taken.

    Raises:
        NotReady: SQLAlchemy, the driver or a variable of the environment is missing, or there is no such file.
        UnreadableFile: A query fails or the connection drops; an earlier copy stays.
        MissingColumn: A query gives no column of a field that is needed.
        BadInput: The place is no URL of a database, or the mapping does not fit what its queries give.
    """
    mapping = DataMapping() if mapping_file is None else read_mapping(mapping_file)
    url = _url(place)
    shown = url.set(query={}).render_as_string(hide_password=True)
    engine = _engine(url, shown)
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with staged_folder(copy) as staged, engine.connect() as connection:
            statements = _statements(mapping, connection)
            if not statements:
                cure = "name a `table` or a `query` for jobs, members and events in a mapping"
                raise BadInput("it has no table jobs, members or events", where=shown, cure=cure)
            for table, statement in statements.items():
                rows = connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).execute(statement)
                require_columns(table, mapping.of(table), list(rows.keys()), shown)
                require_used(table, mapping.of(table), list(rows.keys()), str(mapping_file))
                with (staged / f"{table}.jsonl").open("wb") as file:
                    file.writelines(_lines(rows.mappings()))
    except (SQLAlchemyError, OSError) as error:
        what = first_line(getattr(error, "orig", None) or error)
        what = what.replace(url.password, "***") if url.password else what
        raise UnreadableFile(f"it cannot be read: {what}", where=shown, cure="mend the query, or run again") from None
    finally:
        engine.dispose()


def _url(place: str) -> URL:
    missing = [name for name in _VARIABLE.findall(place) if name not in os.environ]
    if missing:
        what = f"{', '.join(missing)} is not in the environment, and the database's URL names it"
        raise NotReady(what, cure=f"export {missing[0]}=...")
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError as error:
        raise NotReady("sqlalchemy is not installed", cure="pip install 'rolecall[sql]'") from error
    try:
        url = make_url(_VARIABLE.sub(lambda match: os.environ[match[1]], place))
    except (ArgumentError, ValueError):
        cure = "write it as dialect://user:${PASSWORD}@host/database"
        raise BadInput("it is no URL of a database", cure=cure) from None
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        raise NotReady(f"no file {url.database}", cure="give the path of a SQLite database")  # SQLite would make one
    return url


def _engine(url: URL, shown: str) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import NoSuchModuleError

    try:
        return create_engine(url)
    except NoSuchModuleError as error:
        raise NotReady(first_line(error), where=shown, cure="install the package of this database's dialect") from None
    except ModuleNotFoundError as error:
        raise NotReady(f"{error.name} is not installed", where=shown, cure=f"pip install {error.name}") from None


def _statements(mapping: DataMapping, connection: Connection) -> dict[str, Any]:
    """Table of records -> what to select."""
    from sqlalchemy import inspect, select, table, text
    from sqlalchemy.sql import literal_column

    there = inspect(connection).get_table_names() + inspect(connection).get_view_names()
    statements: dict[str, Any] = {}
    for name in RECORDS:
        section = mapping.of(name)
        if section.query:
            statements[name] = text(section.query)
        elif section.table or name in there:
            schema, _, base = (section.table or name).rpartition(".")
            statements[name] = select(literal_column("*")).select_from(table(base, schema=schema or None))
    return statements


def _lines(rows: Any) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps(_present(row), default=_plain, option=orjson.OPT_APPEND_NEWLINE)


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _plain(value: Any) -> str:
    """A value of a database that JSON has not: an amount, bytes, a time span."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)
