"""The command that one schedules: `rolecall nightly`."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, MappingOption, ProfileOption, WorkspaceOption, params_of


def nightly(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Option("--data", help="Raw data, all or what is new; if none the service's log alone.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT,
    mapping: MappingOption = None,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="The data holds all jobs of today: close those that it does not name.")
    ] = False,
    profile: ProfileOption = None,
    links_days: Annotated[float, typer.Option(min=0, help="Learn links again when they are so many days old.")] = 7,
    lists: Annotated[bool, typer.Option("--lists/--no-lists", help="Make every member's lists.")] = True,
    retrain_days: Annotated[
        float | None, typer.Option(min=0, help="Train when the bundle is so many days old; if none age is no reason.")
    ] = None,
    retrain_grades: Annotated[
        int | None, typer.Option(min=1, help="Train when so many grades came in since; if none they are no reason.")
    ] = None,
    retrain_drift: Annotated[
        bool, typer.Option("--retrain-drift", help="Train when `rolecall drift` finds a problem.")
    ] = False,
    gate: Annotated[
        float | None,
        typer.Option(
            min=-1, max=0, help="Serve a new bundle only if a replay shows that no slice loses more, such as -0.01."
        ),
    ] = None,
) -> None:
    """Take in what is new, bring all that hangs on it up to date, and switch; where a stage fails nothing is switched.

    Ends with a line a stage and the exit code of the first that failed; `nightly.json` in the workspace says the same.
    Models are trained only where a trigger is named and holds. Flags that it does not know go to the Beam runner.
    """
    from beam_jobs.flags import check_runner
    from rolecall.interrupt import watch_for_end
    from rolecall.nightly import Night, Nightly, lines

    watch_for_end()
    flags = [*([] if mapping is None else ["--mapping", str(mapping)]), *(["--snapshot"] if snapshot else [])]
    asked = Nightly(
        data=data,
        ingest=tuple(flags),
        runner=tuple(check_runner(context.args)),
        profile=profile,
        links_days=links_days,
        lists=lists,
        retrain_days=retrain_days,
        retrain_grades=retrain_grades,
        retrain_drift=retrain_drift,
        gate=gate,
    )
    night = Night(Workspace(workspace), params_of(context), context.find_root().params.get("params"), asked)
    code = night.run()
    for line in lines(night.outcomes):
        typer.echo(line)
    if code:
        raise typer.Exit(code)
