"""Edges of the market graph as they are read from records and events, each with the time for which it was known."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from contracts.features import JOB_KEY, JOB_TEXT, MEMBER_KEY, MEMBER_TEXT
from contracts.tables import parts, read_records, read_table
from contracts.tasks import APPLIED, INTEREST
from contracts.text.words import stems, words
from contracts.workspace import Workspace
from history.as_of import KNOWN

TIME = pl.Datetime("us", "UTC")
FOREVER = 2**63 - 1
"""The end of an edge that holds: microseconds since 1970, as all times here."""
LEGAL_FORMS = frozenset(
    [
        "ab",
        "ag",
        "as",
        "bv",
        "co",
        "company",
        "corp",
        "corporation",
        "gmbh",
        "inc",
        "incorporated",
        "kg",
        "llc",
        "llp",
        "ltd",
        "limited",
        "nv",
        "oy",
        "plc",
        "pty",
        "sa",
        "sarl",
        "sas",
        "se",
        "spa",
        "srl",
    ]
)
"""Words at the end of a company's name that say how it is owned."""
SCHEMA = {"source": pl.String, "target": pl.String, "since": pl.Int64, "until": pl.Int64}


def company_name(name: str) -> str:
    """A company's name as nodes go by: folded words without legal forms at its end; "" where it says nothing.

    "Acme, Inc." and "ACME" are one. A company that takes another name is another node from then on: its adverts' next
    versions go over to it, what went before stays with the old one.
    """
    found = words(name)
    end = len(found)
    while end > 1 and found[end - 1] in LEGAL_FORMS:
        end -= 1
    return " ".join(found[:end])


def title_name(title: str) -> str:
    """A title that is of no family: its stems, in order."""
    return " ".join(stems(title))


def versions(workspace: Workspace, table: str) -> pl.DataFrame:
    """Versions of members or jobs, each with the time for which it was the newest that was known.

    As `contracts.time.as_of.rows_as_of` picks them by `updated_at`: a version is known from it until a newer one is.
    The first version holds from when its text does, since a first record may be trusted back (`beam_jobs.verbalize`).

    Args:
        workspace: With the records and, where there are, their texts.
        table: "members" or "jobs".

    Returns:
        The record's columns that edges are read from, `id`, and `since` and `until` in microseconds.
    """
    columns = {
        "members": ["id", "skills", "positions", "preferences"],
        "jobs": ["id", "title", "company", "skills", "workplace"],
    }
    if not parts(workspace.records / table):
        return pl.DataFrame(schema={"id": pl.String, "since": pl.Int64, "until": pl.Int64})
    rows = pl.DataFrame(read_records(workspace.records, table, [*columns[table], "updated_at"]))
    rows = rows.with_row_index("row").sort("updated_at", "row").unique(["id", "updated_at"], keep="last")
    rows = rows.sort("id", "updated_at").with_columns(pl.col("updated_at").cast(TIME).cast(pl.Int64).alias("since"))
    view, key = (MEMBER_TEXT, MEMBER_KEY) if table == "members" else (JOB_TEXT, JOB_KEY)
    if parts(workspace.features / view):
        texts = pl.DataFrame(read_table(workspace.features / view, [key, *KNOWN]))
        known = texts.group_by(pl.col(key).alias("id")).agg(
            pl.max_horizontal(*KNOWN).min().cast(TIME).cast(pl.Int64).alias("text")
        )
        rows = rows.join(known, on="id", how="left", maintain_order="left")
        first = pl.int_range(pl.len()).over("id") == 0
        since = pl.when(first).then(pl.min_horizontal("since", "text")).otherwise("since")
        rows = rows.with_columns(since.alias("since"))
    until = pl.col("since").shift(-1).over("id").fill_null(FOREVER)
    return rows.with_columns(until.alias("until")).drop("row", "updated_at")


def of_records(rows: pl.DataFrame, targets: pl.Expr, read: Callable[[str], str]) -> pl.DataFrame:
    """Edges from each version to what one of its columns names.

    Args:
        rows: From `versions`.
        targets: A column of text, or of lists of it.
        read: A name to the key of its node; "" is no node.

    Returns:
        SCHEMA; an edge that further versions state again is one edge.
    """
    if targets.meta.root_names()[0] not in rows.columns:
        return pl.DataFrame(schema=SCHEMA)
    named = rows.select(pl.col("id").alias("source"), targets.alias("name"), "since", "until")
    if isinstance(named.schema["name"], pl.List):
        named = named.explode("name")
    distinct = named["name"].drop_nulls().unique()
    keys = pl.DataFrame(
        {"name": distinct, "target": [read(name) for name in distinct]}, {"name": pl.String, "target": pl.String}
    )
    edges = named.join(keys, on="name").filter(pl.col("target") != "").select(*SCHEMA)
    # One run of versions that touch is one edge, as old as the first of them.
    edges = edges.unique().sort("source", "target", "since")
    starts = (pl.col("since") > pl.col("until").shift(1)).fill_null(True).over("source", "target")
    edges = edges.with_columns(starts.cum_sum().over("source", "target").alias("run"))
    edges = edges.group_by("source", "target", "run").agg(pl.col("since").min(), pl.col("until").max())
    return edges.select(*SCHEMA)


def of_events(workspace: Workspace) -> dict[str, pl.DataFrame]:
    """Edges from members to jobs, by relation, each as old as its first such event.

    `opened`: any sign of interest, `applied`: an application, which an employer's answer tells of too.
    """
    if not parts(workspace.records / "events"):
        return {name: pl.DataFrame(schema=SCHEMA) for name in ("opened", "applied")}
    table: pa.Table = read_table(workspace.records / "events", ["member_id", "job_id", "action", "time"])
    events = pl.DataFrame(table).filter(pl.col("member_id") != "")
    found = {}
    for name, actions in (("opened", INTEREST), ("applied", APPLIED)):
        chosen = events.filter(pl.col("action").is_in(actions))
        first = chosen.group_by(pl.col("member_id").alias("source"), pl.col("job_id").alias("target")).agg(
            pl.col("time").min().cast(TIME).cast(pl.Int64).alias("since")
        )
        found[name] = first.with_columns(pl.lit(FOREVER, pl.Int64).alias("until")).select(*SCHEMA)
    return found
