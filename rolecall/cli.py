"""The `rolecall` command: it puts together the commands of `rolecall.commands` and prints typed errors on one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contracts.errors import RolecallError
from rolecall.commands import (
    backfill,
    data,
    drift,
    erase,
    features,
    golden,
    graph,
    index,
    keys,
    links,
    lists,
    models,
    nightly,
    policy,
    recipe,
    replay,
    rules,
    serve,
    text,
    train,
)
from rolecall.console import show_progress
from rolecall.extras import missing_extra
from rolecall.interrupt import Interrupted, leave, was_asked, watch
from rolecall.params import load_params

app = typer.Typer(
    name="rolecall",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""The job recommender: tables in, ranked jobs out, and a replay that says how good they are.

    The way of the data: `ingest` -> `golden import` -> `verbalize` -> `activity` -> `links learn` -> `train encoder` ->
    `embed` -> `label` -> `features training-set` -> `train policy` -> `train click` -> `train student` -> `export` ->
    `embed --what items` -> `index` -> `features materialize` -> `replay` -> `serve`. `rolecall run` takes all these
    steps.

    Start with `rolecall doctor`, then `rolecall run --data FOLDER`.""",
)
COMMANDS: tuple[Callable[..., None], ...] = (
    recipe.doctor,
    data.validate,
    data.inspect,
    data.quarantine,
    data.simulate,
    data.loads,
    data.undo,
    erase.erase,
    train.export,
    index.index,
    index.rollback,
    index.search,
    index.shares,
    serve.serve,
    drift.drift,
)
BEAM_COMMANDS: tuple[Callable[..., None], ...] = (
    data.ingest,
    data.verbalize,
    data.activity,
    data.embed,
    data.label,
    recipe.run,
    nightly.nightly,
)
"""Flags that these do not know go to the Beam runner."""
for command in COMMANDS:
    app.command()(command)
for command in BEAM_COMMANDS:
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(command)
app.add_typer(features.features, name="features")
app.add_typer(train.train, name="train")
app.add_typer(models.models, name="models")
app.add_typer(recipe.recipe, name="recipe")
app.add_typer(links.links, name="links")
app.add_typer(graph.graph, name="graph")
app.add_typer(replay.replay, name="replay")
app.add_typer(lists.lists, name="lists")
app.add_typer(backfill.backfill, name="backfill")
app.add_typer(rules.rules, name="rules")
app.add_typer(policy.policy, name="policy")
app.add_typer(golden.golden, name="golden")
app.add_typer(keys.keys, name="keys")
app.add_typer(text.text, name="text")


def main() -> None:
    """Run a command. A typed error or Ctrl-C is one line and its exit code; all else is a bug and keeps its trace."""
    watch()
    try:
        app()
    except Interrupted:
        leave()
    except Exception as error:
        if was_asked():  # what Ctrl-C became on its way through native code
            leave()
        _exit_for(error)


def _exit_for(error: Exception) -> None:
    """One line for a typed error; all else is a bug and keeps its trace."""
    if isinstance(error, RolecallError):
        _exit(error)
    if isinstance(error, ModuleNotFoundError):
        absent = missing_extra(error)
        if absent is not None:
            _exit(absent)
    raise error


def _exit(error: RolecallError) -> NoReturn:
    typer.echo(f"rolecall: {error}", err=True)
    sys.exit(error.exit_code)


def _print_version(asked_for: bool) -> None:
    if asked_for:
        from importlib.metadata import version

        typer.echo(f"rolecall {version('rolecall')}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    params: Annotated[Path | None, typer.Option(help="The recipe's knobs; ./params.yaml where there is one.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings alone, no progress.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the knobs in force and go on.")] = False,
) -> None:
    show_progress(quiet)
    context.obj = load_params(params)
    if show_config:
        typer.echo(context.obj.as_yaml())
