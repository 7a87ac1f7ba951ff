"""The commands that make a product anew beside the one in use: `rolecall backfill`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from contracts.workspace import Workspace
from rolecall.commands.data import label_flags
from rolecall.commands.lists import RateOption, SizeOption, SurfacesOption, TimeOption, serve_config, utc
from rolecall.options import DEFAULT, WorkspaceOption, params_of

if TYPE_CHECKING:
    from backfill.product import Product

backfill = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Make a product for a new version beside the one in use, then switch at once.

    `plan` says what it would take, `run` makes the parts that lack and can be ended and begun again at any point,
    `verify` holds them against their manifest and makes a sample again, `switch` and `rollback` move one pointer.""",
)

VersionOption = Annotated[str, typer.Option("--version", help="The newest finished one if none.")]


class _Chosen(NamedTuple):
    """What a command is about."""

    place: Workspace
    product: Product

    @property
    def folder(self) -> Path:
        return self.product.folder(self.place)


def _chosen(
    context: typer.Context,
    what: Annotated[
        str, typer.Option(help="Which product: lists, text, vectors, items, activity, grades or scores.")
    ] = "lists",
    workspace: WorkspaceOption = DEFAULT,
    surfaces: SurfacesOption = None,
    k: SizeOption = None,
    since: Annotated[
        datetime | None, typer.Option("--from", help="Of text: as of then (UTC), and all later ones; all if none.")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Of text: fit the break points of pay to today's jobs.")
    ] = False,
    encoder: Annotated[Path | None, typer.Option(help="Of vectors: the folder of another encoder.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Of items: the folder of a bundle; the current one if none.")
    ] = None,
    teacher: Annotated[str, typer.Option(help="Of scores: whose.")] = "policy",
) -> _Chosen:
    from backfill.products import Asked, open_product
    from contracts.text.form import read_form

    knobs = params_of(context)
    form = None if knobs.verbalize.form is None else read_form(knobs.verbalize.form)
    asked = Asked(
        *(serve_config(context), surfaces or (), k, utc(since), refit, form, encoder, bundle),
        label=label_flags(knobs),
        teacher=teacher,
    )
    return _Chosen(Workspace(workspace), open_product(what, asked))


def _of_product(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of `_chosen` before its own; it is called with what these choose."""

    @functools.wraps(command)
    def called(context: typer.Context, **options: Any) -> None:
        about = {name: options.pop(name) for name in list(common)[1:]}
        command(context, _chosen(context, **about), **options)

    common = inspect.signature(_chosen).parameters
    own = list(inspect.signature(command).parameters.values())[2:]
    hints = get_type_hints(_chosen, {**globals(), "Product": Any}, include_extras=True)
    hints |= get_type_hints(command, {**globals(), "Product": Any}, include_extras=True)
    both = [  # by name, since one of a command's own may have to be given
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*common.values(), *own)
    ]
    called.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in both}
    del called.__wrapped__
    return called


@backfill.command("plan")
@_of_product
def plan(context: typer.Context, chosen: _Chosen, time: TimeOption = None) -> None:
    """Say what a run would make, how long it takes here, measured on a sample, and what a switch touches."""
    from backfill.run import estimate, plan_of
    from contracts.machine import cores

    place, product = chosen
    found = estimate(place, product, plan_of(place, product, utc(time)))
    of = found.plan
    typer.echo(f"{product.name} {of.version}, as of {of.time.isoformat()}")
    for name, value in of.inputs.items():
        typer.echo(f"  {name}: {value}")
    for group in of.groups:
        where = " ".join(part for part in (group.table, group.range) if part) or "all"
        typer.echo(f"  {where}: {group.rows:,} keys in {group.buckets:,} parts")
    typer.echo(
        f"  {of.keys:,} keys in {of.buckets:,} parts, {found.parts_left:,} of which lack; about {found.rows:,} rows"
    )
    hours = found.seconds / 3600
    typer.echo(f"  about {found.seconds:,.0f} s in one process with {cores()} cores ({hours * cores():.2f} core hours)")
    for sentence in product.touches(place, of):
        typer.echo(f"  touches {sentence}")


@backfill.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@_of_product
def run(context: typer.Context, chosen: _Chosen, time: TimeOption = None) -> None:
    """Make the parts that lack; nothing is switched. Flags that it does not know go to the Beam runner."""
    from apache_beam.options.pipeline_options import PipelineOptions

    from backfill.run import plan_of
    from backfill.run import run as make
    from beam_jobs.flags import check_runner

    options = PipelineOptions(check_runner(context.args))
    place, product = chosen
    made = make(place, product, plan_of(place, product, utc(time)), options)
    typer.echo(f"{product.name} {made.plan.version}: {made.rows:,} rows in {len(made.parts):,} parts")


@backfill.command("verify")
@_of_product
def verify(context: typer.Context, chosen: _Chosen, version: VersionOption = "") -> None:
    """Check counts and hashes and make a sample again. Ends with 1 where something does not hold."""
    from backfill.run import newest
    from backfill.run import verify as check

    place, product = chosen
    name = version or newest(chosen.folder).name
    problems = check(place, product, name)
    for problem in problems:
        typer.echo(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{product.name} {name} holds")


@backfill.command("switch")
@_of_product
def switch(context: typer.Context, chosen: _Chosen, version: VersionOption = "") -> None:
    """Make a verified version the one in use."""
    from backfill.run import newest, switch_to

    made = switch_to(chosen.place, chosen.product, version or newest(chosen.folder).name)
    typer.echo(f"in use now: {chosen.product.name} {made.plan.version}")


@backfill.command("rollback")
@_of_product
def rollback(context: typer.Context, chosen: _Chosen) -> None:
    """Go back to the newest verified version before the one in use; `switch --version` names another."""
    from backfill.run import back

    typer.echo(f"in use now: {chosen.product.name} {back(chosen.place, chosen.product)}")


@backfill.command("export")
@_of_product
def export(
    context: typer.Context,
    chosen: _Chosen,
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    kind: Annotated[str, typer.Option("--format", help="parquet, or delta: one commit a version.")] = "parquet",
    version: Annotated[str, typer.Option("--version", help="The one in use if none.")] = "",
) -> None:
    """Write a version for other programs, once: what is there is not written again; erased members are not in it."""
    from backfill.export import export as write

    name, rows = write(chosen.place, chosen.product, kind, out, version)
    typer.echo(f"{chosen.product.name} {name}: {f'{rows:,} rows' if rows else 'is there already'}: {out}")


@backfill.command("load")
@_of_product
def load(context: typer.Context, chosen: _Chosen, rate: RateOption = 500) -> None:
    """Write what is in use to the online store: lists, or text, activity and members' vectors."""
    from backfill.online import load_online
    from contracts.errors import BadInput
    from rolecall.commands.features import load_features

    what = chosen.product.name
    if what == "lists":
        version, members = load_online(chosen.place, rate)
        typer.echo(f"the online store uses lists {version} of {members:,} members")
    elif what in ("text", "activity", "vectors"):
        load_features(chosen.place, None, None, rate)
        typer.echo("the online store holds the newest text, activity and vectors of all members")
    else:
        raise BadInput(
            f"the online store holds no {what}", where="--what", cure="one of lists, text, activity, vectors"
        )


@backfill.command("prune")
@_of_product
def prune(
    context: typer.Context,
    chosen: _Chosen,
    keep: Annotated[int, typer.Option(min=1, help="Verified versions that stay.")] = 3,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; else they are only named.")] = False,
) -> None:
    """Remove versions that nothing needs: not that in use, that before it, or one that index or bundle were made with.

    Without --yes it says what would go.
    """
    from backfill.prune import judged
    from backfill.prune import prune as remove

    for path, why in (found := judged(chosen.place, chosen.product, keep)):
        typer.echo(f"{chosen.product.name} {path.name}: {f'stays, {why}' if why else 'goes'}")
    free = [one for one in found if not one.why]
    freed = sum(one.bytes for one in free)
    gone = remove(chosen.place, chosen.product, keep) if yes else []
    said = f"{len(gone)} removed" if yes else f"{len(free)} would go, --yes removes them"
    typer.echo(f"{said}; {freed / 1e6:,.1f} MB")


@backfill.command("list")
@_of_product
def listed(context: typer.Context, chosen: _Chosen) -> None:
    """Name all versions, the oldest first."""
    from backfill.run import listing

    for line in listing(chosen.place, chosen.product):
        typer.echo(line)
