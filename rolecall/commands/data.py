"""The commands that check, make and load tables, and turn them into features, vectors and labelled lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.reading.times import TimeReading
from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, MappingOption, WorkspaceOption, params_of

if TYPE_CHECKING:
    from beam_jobs.config import LabelFlags
    from rolecall.params import Params

SHOWN_CHARS = 200
"""Of a row that was set aside."""
_PLACE = "Members, jobs and events: a folder, an archive of one, the URL of a database, or any URL that fsspec opens."


def validate(
    context: typer.Context,
    data: Annotated[str, typer.Argument(metavar="FOLDER", help=_PLACE)],
    mapping: MappingOption = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Write a mapping file from the data and show ten rows of each table.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a folder of data before anything is loaded: what fits, what does not, and why."""
    from history.forecast import Forecast
    from rolecall.foresight import board_notes, refusals
    from sources.validate import validate as check

    params, now = params_of(context), datetime.now(UTC)
    knobs = params.ingest
    if suggest:
        _suggest(Path(data), mapping or Path(data) / "mapping.yaml", knobs.reading())
        return
    forecast = Forecast(params.label.made_below)
    with _here(data, mapping or knobs.mapping) as folder:
        report = check(folder, now, knobs.reading(), forecast.take, mapping=mapping or knobs.mapping)
    foreseen = [*forecast.lines(), *board_notes(forecast, params)]
    refused = refusals(report, forecast, params, now)
    if as_json:
        found = {"foreseen": foreseen, "refusals": [one._asdict() for one in refused]}
        typer.echo(json.dumps(report.as_dict() | found, indent=2, default=str))
    else:
        *lines, verdict = report.lines()
        if refused:
            verdict += f"; of `rolecall run` on this data alone {refused[0].stage} would stop, as said above"
        typer.echo("\n".join([*lines, *(f"log: {line}" for line in foreseen), *map(str, refused), verdict]))
    if not report.ok:
        raise typer.Exit(2)


@contextmanager
def _here(data: str, mapping: Path | None) -> Iterator[Path]:
    """The folder of the data while they are looked at; a copy from elsewhere goes after."""
    from sources.places import local_folder

    with TemporaryDirectory() as copies:
        yield local_folder(data, Path(copies), mapping)


def _suggest(folder: Path, path: Path, reading: TimeReading) -> None:
    """Write a mapping file and show what it makes of the first rows."""
    from contracts.errors import BadInput
    from sources.check import RowChecker
    from sources.mapping.suggest import in_short, suggest, write_suggestion
    from sources.mapping.understood import first_rows
    from sources.open import open_source

    if path.exists():
        raise BadInput(f"{path} is there already", cure="edit it, remove it, or name another file with --mapping")
    sections = suggest(folder)
    write_suggestion(sections, path)
    typer.echo(f"{path} is written; what it understands of the first rows stands below")
    for table, section in sections.items():
        typer.echo(f"{table}: {', '.join(section.files)}")
        for line in section.open:
            typer.echo(f"to say: {table}: {line}")
        if section.unused:
            typer.echo(f"without a field: {table}: {in_short(section.unused)}")
    source = open_source(folder, jobs_elsewhere=True, mapping=path)
    for line in first_rows(source, RowChecker(datetime.now(UTC), reading, source)):
        typer.echo(line)


def inspect(
    context: typer.Context,
    data: Annotated[str, typer.Argument(metavar="FOLDER", help=_PLACE)],
    mapping: MappingOption = None,
    out: Annotated[Path | None, typer.Option(help="An HTML page to write.")] = None,
) -> None:
    """Say what the data of a folder is, what it makes possible, and what would help most."""
    from contracts.versions import write_text
    from sources.profile import Profile
    from sources.profile_page import profile_lines, profile_page
    from sources.validate import validate as check

    profile = Profile(datetime.now(UTC))
    knobs = params_of(context).ingest
    with _here(data, mapping or knobs.mapping) as folder:
        report = check(folder, profile.now, knobs.reading(), profile.add, mapping or knobs.mapping)
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
    data: Annotated[str, typer.Option("--data", help=_PLACE)],
    workspace: WorkspaceOption = DEFAULT,
    mapping: MappingOption = None,
) -> None:
    """Validate and deduplicate raw rows (Beam); what does not fit goes to the quarantine with its reason.

    `--max-reject-share SHARE` is the share of rows that may not fit, `--snapshot` closes the jobs that the folder does
    not name (`--most-closed SHARE`). They go over the section `ingest` of the params.
    """
    from beam_jobs import ingest as job
    from beam_jobs.flags import as_flags

    flags = ["--source", data, "--workspace", str(workspace), *as_flags(params_of(context).ingest)]
    if mapping is not None:
        flags += ["--mapping", str(mapping)]
    job.run([*flags, *context.args])


def quarantine(
    workspace: WorkspaceOption = DEFAULT,
    table: Annotated[str, typer.Option(help="Of one table: members, jobs, events or grades.")] = "",
    reason: Annotated[str, typer.Option(help="Of one reason.")] = "",
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each reason.")] = 3,
    out: Annotated[Path | None, typer.Option("--csv", help="Write all of them here, for a spreadsheet.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rows that were set aside: why, where they stand, and what they hold."""
    from sources.quarantine import set_aside, write_csv

    place = Workspace(workspace).quarantine
    if out is not None:
        typer.echo(f"{write_csv(set_aside(place, table, reason), out):,} rows: {out}")
        return
    kinds: dict[tuple[str, str], list[str]] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for row in set_aside(place, table, reason):
        if as_json:
            typer.echo(json.dumps(row, default=str))
            continue
        kind = row["table"], row["reason"]
        numbers[kind] += 1
        if numbers[kind] <= rows:
            kinds.setdefault(kind, []).append(_where(row))
    for kind, number in numbers.most_common():
        typer.echo(f"{kind[0]}: {kind[1]}: {number:,} rows")
        for line in kinds.get(kind, ()):
            typer.echo(f"  {line}")
    if not numbers and not as_json:
        typer.echo(f"nothing is set aside in {place}")


def _where(row: Mapping[str, Any]) -> str:
    line = f", line {row['line']:,}" if row["line"] else ""
    raw = " ".join(row["raw"].split())
    return f"{row['source']} row {row['row']:,}{line}: {row['detail']}" + (f"\n    {raw[:SHOWN_CHARS]}" if raw else "")


def loads(workspace: WorkspaceOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Say what was taken in, when and from where. The id of a load is what `rolecall undo` takes."""
    from beam_jobs.loads import read_loads

    noted = read_loads(Workspace(workspace))
    if as_json:
        typer.echo(json.dumps([load.model_dump(mode="json") for load in noted], indent=2))
        return
    for load in noted:
        what = ", ".join(f"{number:,} {table}" for table, number in load.written.items()) or "nothing, or broken off"
        kind = "  (simulated)" if load.simulated else ""
        typer.echo(f"{load.id}  {load.time:%Y-%m-%d %H:%M}  {what}  from {load.source}{kind}")
    if not noted:
        typer.echo(f"no load is noted in {workspace}")


def undo(
    load: Annotated[str, typer.Argument(help="The id of a load, as `rolecall loads` prints it.")],
    workspace: WorkspaceOption = DEFAULT,
) -> None:
    """Take a load back: its records, and the text and vectors that were made of them."""
    from beam_jobs.loads import undo as take_back

    undone = take_back(Workspace(workspace), load)
    removed = ", ".join(f"{number:,} {table}" for table, number in undone.removed.items()) or "no record"
    typer.echo(f"load {load} of {undone.load.source} is undone: {removed} removed")
    for folder in undone.again:
        typer.echo(f"ingest again what it may have shared: rolecall ingest --data {folder} --workspace {workspace}")
    typer.echo(f"then bring the rest up to it: rolecall run --from verbalize --workspace {workspace}")


def verbalize(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Turn changed records into text features (Beam)."""
    from beam_jobs import verbalize as job
    from beam_jobs.flags import as_flags

    job.run(["--workspace", str(workspace), *as_flags(params_of(context).verbalize), *context.args])


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

    job.run(["--workspace", str(workspace), *as_flags(label_flags(params_of(context))), *context.args])


def label_flags(knobs: Params) -> LabelFlags:
    """The flags of `label` that the knobs say."""
    from beam_jobs.config import LabelFlags

    return LabelFlags(**dict(knobs.label), seed=knobs.seed, retrieval=knobs.retrieval)
