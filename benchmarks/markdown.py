"""Markdown of a page: tables, numbers with their unit and interval, and what stands between two marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Rows = Sequence[Row]
Named = Mapping[tuple[str, str, str], Row]
"""Rows by (case, system, metric)."""


def filled(page: str, tables: Mapping[str, str]) -> str:
    """A page with each table in place of what stands between its marks.

    Raises:
        ValueError: The page has no marks for a table, or has them twice.
    """
    for name, table in tables.items():
        head, foot = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if page.count(head) != 1 or page.count(foot) != 1:
            raise ValueError(f"{page.count(head)} places for the table {name}")
        before, rest = page.split(head)
        page = before + head + table + foot + rest.split(foot)[1]
    return page


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(_lines([head, ["---"] * len(head), *lines])) + "\n"


def _lines(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    return (f"| {' | '.join(line)} |" for line in lines)


def with_interval(row: Mapping[str, Any]) -> str:
    if row.get("low") is None or row.get("high") is None:
        return with_unit(row)
    return f"{with_unit(row)} ({number(row['low'])} to {number(row['high'])})"


def with_unit(row: Mapping[str, Any]) -> str:
    unit = row.get("unit") or ""
    return number(row["value"]) + (
        f" {unit}" if unit not in ("", "ratio", "x", "1/s", "share", "requests", "candidates") else ""
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def percent(row: Row | None) -> str:
    return f"{row['value']:.0%}" if row else ""


def plain(row: Row | None) -> str:
    return with_interval({**row, "low": None}) if row else ""


def by_name(rows: Rows) -> Named:
    return {(row["case"], row["system"], row["metric"]): row for row in rows}


def made_by(rows: Rows) -> str:
    """Which commands made the rows, when and where, a line each."""
    runs = dict.fromkeys((row["command"], row["date"][:10], row["machine"]) for row in rows)
    return "".join(f"- `{command}`, {date}, {machine}\n" for command, date, machine in runs)
