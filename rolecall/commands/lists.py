"""The commands of lists for every member: `rolecall lists make`, `show` and `export`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, WorkspaceOption, params_of

if TYPE_CHECKING:
    from serving.config import ServeConfig

lists = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Lists for every member, made beforehand: the nightly e-mail, the home page.

    The same answers as the service's, as of one time, in parts by a hash of the member's id; `make` goes on where a run
    was ended, verifies and switches.""",
)

SurfacesOption = Annotated[
    list[str] | None, typer.Option("--surface", help="Of this surface; of all that ask for a member if none.")
]
SizeOption = Annotated[int | None, typer.Option("-k", min=1, help="Jobs a list; as the surface shows if none.")]
RateOption = Annotated[
    float, typer.Option("--rate", min=1, help="Members a second at most, for those who ask meanwhile.")
]
TimeOption = Annotated[
    datetime | None,
    typer.Option("--time", help="As of when (UTC); if none now, or the time of a run of the last day that was ended."),
]


def serve_config(context: typer.Context) -> ServeConfig:
    """The knobs of the service, with the rules that are in force."""
    knobs = params_of(context)
    if knobs.serve.rules is None and knobs.rules.file is not None:
        return knobs.serve.model_copy(update={"rules": knobs.rules.file})
    return knobs.serve


def utc(time: datetime | None) -> datetime | None:
    """The time that was given, in UTC."""
    if time is None:
        return None
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).replace(microsecond=0)


@lists.command("make", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def make(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    surfaces: SurfacesOption = None,
    k: SizeOption = None,
    time: TimeOption = None,
    keep: Annotated[int, typer.Option(min=1, help="Verified versions that stay, beside the one in use.")] = 3,
) -> None:
    """Make every member's lists, verify them and switch to them; nothing is switched to that does not hold.

    Flags that it does not know go to the Beam runner: --direct_running_mode=multi_processing --direct_num_workers=2.
    """
    from backfill.lists import Lists
    from backfill.run import bring

    product = Lists(serve_config(context), surfaces or (), k)
    made = bring(Workspace(workspace), product, utc(time), context.args, keep)
    typer.echo(f"in use now: lists {made.plan.version}, {made.rows:,} rows for {made.plan.keys:,} members")


@lists.command("show")
def show(
    member: Annotated[str, typer.Argument(help="The id of a member.")], workspace: WorkspaceOption = DEFAULT
) -> None:
    """Print a member's lists of the version in use, as JSON."""
    from backfill.lists import lists_of

    typer.echo(json.dumps(lists_of(Workspace(workspace), member), indent=2, default=str))


@lists.command("load")
def load(
    workspace: WorkspaceOption = DEFAULT,
    rate: RateOption = 500,
) -> None:
    """Write the version in use to the online store, and let the store use it at once when all of it is there."""
    from backfill.online import load_online

    version, members = load_online(Workspace(workspace), rate)
    typer.echo(f"the online store uses lists {version} of {members:,} members")


@lists.command("export")
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="File of JSON lines to write, one a list; of other formats a folder.")],
    workspace: WorkspaceOption = DEFAULT,
    kind: Annotated[str, typer.Option("--format", help="jsonl, parquet, or delta: one commit a version.")] = "jsonl",
) -> None:
    """Write the version in use for a program that sends it; erased members are not in it."""
    from backfill.export import export as write
    from backfill.lists import Lists, export_jsonl

    if kind == "jsonl":
        version, number = export_jsonl(Workspace(workspace), out)
        typer.echo(f"{number:,} lists of version {version}: {out}")
        return
    version, rows = write(Workspace(workspace), Lists(serve_config(context)), kind, out)
    typer.echo(f"{f'{rows:,} rows' if rows else 'all rows, which are there already,'} of version {version}: {out}")
