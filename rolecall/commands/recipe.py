"""The commands of the whole recipe: `rolecall doctor`, `rolecall run` and `rolecall recipe`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, MappingOption, ProfileOption, WorkspaceOption, params_of

recipe = typer.Typer(invoke_without_command=True)


def doctor(context: typer.Context, workspace: WorkspaceOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks, with the cure for each lack."""
    from rolecall.doctor import examine

    findings = examine(workspace, params_of(context))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        marks = {"ok": "ok    ", "lacks": "lacks ", "broken": "BROKEN"}
        for finding in findings:
            cure = f"  -> {finding.cure}" if finding.cure else ""
            typer.echo(f"{marks[finding.state]}  {finding.name:<20} {finding.detail}{cure}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def run(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    data: Annotated[
        str | None, typer.Option("--data", help="Raw data; absent: the workspace's own, or a market.")
    ] = None,
    mapping: MappingOption = None,
    start: Annotated[str | None, typer.Option("--from", help="Start at this stage, with what is there.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Stop after this stage.")] = None,
    profile: ProfileOption = None,
    max_reject_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of a table's rows that may not fit; of the params if none."),
    ] = None,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="The data holds all jobs of today: close those that it does not name.")
    ] = False,
) -> None:
    """The whole recipe: from raw files to a served answer and a replay report.

    Flags that it does not know go to the Beam runner of every stage that has one, such as --runner=FlinkRunner with
    that runner's own, or --direct_running_mode=multi_processing --direct_num_workers=2.

    Without --data it takes the folder that the workspace's records came from, and in an empty workspace it simulates a
    market. A simulated market never joins real records.
    """
    from contracts.lock import RECIPE, locked
    from rolecall.interrupt import watch_for_end
    from rolecall.recipe import run_recipe

    watch_for_end()  # so that its stage ends with it
    root = context.find_root()
    ingest = [] if max_reject_share is None else ["--max-reject-share", str(max_reject_share)]
    ingest += [] if mapping is None else ["--mapping", str(mapping)]
    with locked(workspace / RECIPE, "rolecall run"):
        run_recipe(
            Workspace(workspace),
            data,
            params=root.params["params"],
            knobs=params_of(context),
            start=start,
            end=end,
            profile=profile,
            quiet=root.params["quiet"],
            ingest=[*ingest, "--snapshot"] if snapshot else ingest,
            runner=context.args,
        )


@recipe.callback()
def print_recipe(context: typer.Context) -> None:
    """Print the recipe as a `dvc.yaml`, the file in the repository, or compare two runs of it."""
    if context.invoked_subcommand is None:
        from rolecall.recipe import as_dvc

        typer.echo(as_dvc(params_of(context).teachers), nl=False)


@recipe.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(help="A workspace, or a bundle's folder.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: JsonOption = False,
) -> None:
    """Say which knobs, data and models differ between two runs, and what that did to each metric."""
    from rolecall.compare import as_text, compare, read_side

    differences = compare(read_side(before), read_side(after))
    typer.echo(json.dumps(differences, indent=2) if as_json else as_text(differences))
