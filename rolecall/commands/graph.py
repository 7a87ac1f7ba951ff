"""The commands of the market graph: `rolecall graph`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption

graph = typer.Typer(no_args_is_help=True, help="The market as a graph, which the graph teacher reads.")


@graph.callback()
def about() -> None:
    """The market as a graph, which the graph teacher reads."""


@graph.command("report")
def report(
    workspace: WorkspaceOption = DEFAULT,
    at: Annotated[
        datetime | None, typer.Option(help="As of this moment, in UTC; by default of all that is known.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how members, jobs, companies, titles and skills are connected: degrees, hubs, nodes without an edge."""
    import polars as pl

    from history.graph.edges import FOREVER
    from history.graph.graph import build_graph, micros
    from history.graph.report import as_text, degree_report

    found = build_graph(Workspace(workspace))
    time = FOREVER - 1 if at is None else int(micros(pl.Series([at]).dt.replace_time_zone("UTC"))[0])
    degrees = degree_report(found, time)
    typer.echo(json.dumps(degrees, indent=2) if as_json else as_text(degrees))
