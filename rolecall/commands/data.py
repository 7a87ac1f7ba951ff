"""The commands that check, make and load tables, and turn them into features, vectors and labelled lists."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rolecall.options import DEFAULT, JsonOption, WorkspaceOption, params_of


def validate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Members, jobs and events as Parquet, CSV or JSONL.")],
    as_json: JsonOption = False,
) -> None:
    """Check a folder of data before anything is loaded: what fits, what does not, and why."""
    from sources.validate import validate as check

    report = check(folder, datetime.now(UTC), params_of(context).ingest.reading())
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2, default=str))
    else:
        typer.echo("\n".join(report.lines()))
    if not report.ok:
        raise typer.Exit(2)


def inspect(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Members, jobs and events, as `validate` reads them.")],
    out: Annotated[Path | None, typer.Option(help="An HTML page to write.")] = None,
) -> None:
    """Say what the data of a folder is, what it makes possible, and what would help most."""
    from contracts.versions import write_text
    from sources.profile import Profile
    from sources.profile_page import profile_lines, profile_page
    from sources.validate import validate as check

    profile = Profile(datetime.now(UTC))
    report = check(folder, profile.now, params_of(context).ingest.reading(), profile.add)
    typer.echo("\n".join(profile_lines(profile, report)))
    if out is not None:
        write_text(out, profile_page(profile, report))
        typer.echo(f"page: {out}")


def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder to write the simulated market to.")],
    members: Annotated[int | None, typer.Option(help="Members; from params where absent.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Jobs.")] = None,
    events: Annotated[int | None, typer.Option(help="Events: impressions and what follows them.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed and start, same bytes.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Its first day; if none, its last day is today.")] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Other occupations as JSON, such as O*NET's (examples/sources/onet.py).")
    ] = None,
) -> None:
    """Write a job market with known truth. All that is drawn from it is called simulated wherever it is shown."""
    from simulator.catalogue import Catalogue
    from simulator.market import simulate as write_market

    knobs = params_of(context)
    sizes = knobs.simulate.model_dump() | {
        name: value for name, value in {"members": members, "jobs": jobs, "events": events}.items() if value is not None
    }
    write_market(
        out,
        **sizes,
        seed=knobs.seed if seed is None else seed,
        start=start.replace(tzinfo=UTC) if start else None,
        catalogue=Catalogue.load(catalogue) if catalogue else None,
    )


def ingest(
    context: typer.Context,
    data: Annotated[Path, typer.Option("--data", help="The folder of raw data.")],
    workspace: WorkspaceOption = DEFAULT,
) -> None:
    """Validate and deduplicate raw rows (Beam); what does not fit goes to the quarantine with its reason."""
    from beam_jobs import ingest as job
    from beam_jobs.flags import as_flags

    flags = ["--source", str(data), "--workspace", str(workspace), *as_flags(params_of(context).ingest)]
    job.run([*flags, *context.args])


def verbalize(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Turn changed records into text features (Beam)."""
    from beam_jobs import verbalize as job

    job.run(["--workspace", str(workspace), *context.args])


def activity(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Fold events into what each member did lately and how each job fares (Beam)."""
    from beam_jobs import activity as job

    job.run(["--workspace", str(workspace), *context.args])


def embed(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Turn changed text into vectors, or with `--what items --bundle FOLDER` into item tokens (Beam)."""
    from beam_jobs import embed as job

    job.run(["--workspace", str(workspace), *context.args])


def label(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Sample lists of jobs for past requests, label them from events and grade a share by the policy (Beam)."""
    from beam_jobs import label as job
    from beam_jobs.flags import as_flags

    knobs = params_of(context)
    flags = ["--seed", str(knobs.seed), "--retrieval", knobs.retrieval.model_dump_json(), *as_flags(knobs.label)]
    job.run(["--workspace", str(workspace), *flags, *context.args])
