"""The command that holds what was served against the offline tables: `rolecall drift`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from contracts.versions import write_text
from contracts.workspace import Workspace
from rolecall.options import DEFAULT, WorkspaceOption, params_of


def drift(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    days: Annotated[int, typer.Option(min=1, help="How many days to look back.")] = 7,
    lately: Annotated[
        float, typer.Option(min=0.01, help="Days at the end whose scores are held against those before.")
    ] = 1,
    equal: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of answers whose features are the offline ones.")
    ] = 0.98,
    difference: Annotated[float, typer.Option(min=0, help="Most that served and recomputed scores may differ.")] = 0.05,
    moved: Annotated[float, typer.Option(min=0, help="Most that scores may have moved (stability index).")] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
    textfile: Annotated[
        Path | None, typer.Option(help="Write metrics for the node exporter's textfile collector there.")
    ] = None,
) -> None:
    """Compare served features and scores with the offline tables. Ends with 1 where one is past its limit."""
    from serving.drift import Limits, as_prometheus, measure

    limits = Limits(equal=equal, difference=difference, moved=moved)
    config = params_of(context).serve
    report = measure(Workspace(workspace), config, limits, days=days, lately=timedelta(days=lately))
    if textfile is not None:
        write_text(textfile, as_prometheus(report))
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        share = "" if report.equal_share is None else f", {report.equal_share:.1%} with the offline features"
        typer.echo(f"{report.answers:,} answers, {report.compared:,} of members known offline{share}")
        for cause, count in report.features.items():
            typer.echo(f"  features {cause}: {count:,}")
        if report.score_difference is not None:
            typer.echo(f"  scores of {report.scored:,} jobs: 99% differ by at most {report.score_difference:.3f}")
        for name, one in report.moved.items():
            typer.echo(f"  {name}: moved by {one.index:.3f} ({one.low:.3f} to {one.high:.3f})")
        for problem in report.problems:
            typer.echo(f"problem: {problem}")
    if report.problems:
        raise typer.Exit(1)
