"""The commands that make a product anew beside the one in use: `rolecall backfill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contracts.workspace import Workspace
from rolecall.commands.lists import SizeOption, SurfacesOption, TimeOption, lists_product, utc
from rolecall.options import DEFAULT, WorkspaceOption

if TYPE_CHECKING:
    from backfill.product import Product

backfill = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Make a product for a new version beside the one in use, then switch at once.

    `plan` says what it would take, `run` makes the parts that lack and can be ended and begun again at any point,
    `verify` holds them against their manifest and makes a sample again, `switch` and `rollback` move one pointer.""",
)

WhatOption = Annotated[str, typer.Option(help="Which product.")]
VersionOption = Annotated[str, typer.Option("--version", help="The newest finished one if none.")]


def _product(context: typer.Context, what: str, surfaces: list[str] | None = None, k: int | None = None) -> Product:
    from contracts.errors import BadInput

    if what != "lists":
        raise BadInput(f"no product {what!r}", where="--what", cure="one of lists")
    return lists_product(context, surfaces, k)


@backfill.command("plan")
def plan(
    context: typer.Context,
    what: WhatOption = "lists",
    workspace: WorkspaceOption = DEFAULT,
    surfaces: SurfacesOption = None,
    k: SizeOption = None,
    time: TimeOption = None,
) -> None:
    """Say what a run would make, how long it takes here, measured on a sample, and what a switch touches."""
    from backfill.run import estimate, plan_of
    from contracts.machine import cores

    place, product = Workspace(workspace), _product(context, what, surfaces, k)
    found = estimate(place, product, plan_of(place, product, utc(time)))
    of = found.plan
    typer.echo(f"{product.name} {of.version}, as of {of.time.isoformat()}")
    for name, value in of.inputs.items():
        typer.echo(f"  {name}: {value}")
    typer.echo(
        f"  {of.keys:,} keys in {of.buckets:,} parts, {found.buckets_left:,} of which lack; about {found.rows:,} rows"
    )
    hours = found.seconds / 3600
    typer.echo(f"  about {found.seconds:,.0f} s in one process with {cores()} cores ({hours * cores():.2f} core hours)")
    for sentence in product.touches(place):
        typer.echo(f"  touches {sentence}")


@backfill.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    what: WhatOption = "lists",
    workspace: WorkspaceOption = DEFAULT,
    surfaces: SurfacesOption = None,
    k: SizeOption = None,
    time: TimeOption = None,
) -> None:
    """Make the parts that lack; nothing is switched. Flags that it does not know go to the Beam runner."""
    from apache_beam.options.pipeline_options import PipelineOptions

    from backfill.run import plan_of
    from backfill.run import run as make
    from beam_jobs.flags import check_runner

    options = PipelineOptions(check_runner(context.args))
    place, product = Workspace(workspace), _product(context, what, surfaces, k)
    made = make(place, product, plan_of(place, product, utc(time)), options)
    typer.echo(f"{product.name} {made.plan.version}: {made.rows:,} rows in {len(made.parts):,} parts")


@backfill.command("verify")
def verify(
    context: typer.Context,
    what: WhatOption = "lists",
    workspace: WorkspaceOption = DEFAULT,
    version: VersionOption = "",
    surfaces: SurfacesOption = None,
    k: SizeOption = None,
) -> None:
    """Check counts and hashes and make a sample again. Ends with 1 where something does not hold."""
    from backfill.run import newest
    from backfill.run import verify as check

    place, product = Workspace(workspace), _product(context, what, surfaces, k)
    name = version or newest(product.folder(place)).name
    problems = check(place, product, name)
    for problem in problems:
        typer.echo(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{product.name} {name} holds")


@backfill.command("switch")
def switch(
    context: typer.Context,
    what: WhatOption = "lists",
    workspace: WorkspaceOption = DEFAULT,
    version: VersionOption = "",
) -> None:
    """Make a verified version the one in use."""
    from backfill.run import newest
    from backfill.versions import switch as move

    folder = _product(context, what).folder(Workspace(workspace))
    made = move(folder, version or newest(folder).name)
    typer.echo(f"in use now: {what} {made.plan.version}")


@backfill.command("rollback")
def rollback(context: typer.Context, what: WhatOption = "lists", workspace: WorkspaceOption = DEFAULT) -> None:
    """Go back to the newest verified version before the one in use; `switch --version` names another."""
    from backfill.versions import roll_back

    made = roll_back(_product(context, what).folder(Workspace(workspace)))
    typer.echo(f"in use now: {what} {made.plan.version}")


@backfill.command("list")
def listed(context: typer.Context, what: WhatOption = "lists", workspace: WorkspaceOption = DEFAULT) -> None:
    """Name all versions, the oldest first."""
    from backfill.run import listing

    for line in listing(Workspace(workspace), _product(context, what)):
        typer.echo(line)
