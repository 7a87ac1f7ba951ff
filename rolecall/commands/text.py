"""The commands of texts: `rolecall text`, which shows records as text in a form and tries forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInput
from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption, params_of

text = typer.Typer(no_args_is_help=True, help="Texts of members and jobs: see them in a form, and try forms.")


@text.command("show")
def show(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Members or jobs.")],
    workspace: WorkspaceOption = DEFAULT,
    form: Annotated[Path | None, typer.Option(help="A form; the workspace's own if none.")] = None,
) -> None:
    """Show the newest records of members and jobs as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from contracts.arrow import to_records
    from contracts.records import Job, Member
    from contracts.tables import latest, parts, read_records
    from contracts.text.fitted import open_verbalizer
    from contracts.text.form import read_form
    from contracts.text.verbalizer import Verbalizer

    place = Workspace(workspace)
    verbalizer = open_verbalizer(place)
    if form is not None:
        verbalizer = Verbalizer(verbalizer.percentiles, read_form(form))
    found: dict[str, list[str]] = {}

    def newest(table: str) -> pa.Table:
        rows = read_records(place.records, table, filter=pc.field("id").isin(ids))
        return latest(rows, "id", "updated_at")

    if parts(place.records / "members"):
        for member in to_records(newest("members"), Member):
            found.setdefault(member.id, []).append(f"member {member.id}: {verbalizer.member(member)}")
    if parts(place.records / "jobs"):
        for job in to_records(newest("jobs"), Job):
            found.setdefault(job.id, []).append(f"job {job.id}: {verbalizer.job(job)}")
    for name in ids:
        if name not in found:
            raise BadInput(f"no member or job {name!r} in {workspace}", cure="give an id of the records")
        typer.echo("\n".join(found[name]))


@text.command("trial")
def trial(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    teacher: Annotated[str, typer.Option(help="Teacher whose kind the small ones are.")] = "policy",
    forms: Annotated[
        Path | None,
        typer.Option(help="YAML file with `forms:`, name -> form; one step from the form in force each if none."),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Training pairs of a small teacher at most.")] = 720,
    seeds: Annotated[int, typer.Option(min=1, max=16, help="Small teachers of each form.")] = 2,
    requests: Annotated[int, typer.Option(min=2, help="Validation and test requests at most, of each.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Train a small teacher of each form of texts and say which one teaches most, on requests that it never saw."""
    from models.registry import TEACHERS
    from models.text_trial.forms import read_forms
    from models.text_trial.trial import SPLITS, try_forms

    if teacher not in TEACHERS.names():
        raise BadInput(f"no teacher {teacher!r}", cure=f"one of {', '.join(TEACHERS.names())}")
    place = Workspace(workspace)
    knobs = params_of(context).teacher(teacher)
    # A teacher to start from has learned from the form in force, which would win by that.
    changed = {"max_pairs": pairs, "seeds": 1, "warm_start": False, "base": None}
    small = {name: value for name, value in changed.items() if name in type(knobs).model_fields}
    given = None if forms is None else read_forms(forms)
    outcome = try_forms(place, teacher, knobs.model_copy(update=small), given, seeds, requests)
    if as_json:
        typer.echo(outcome.model_dump_json(indent=2))
        return
    asked = " and ".join(f"{outcome.requests[split]} {split}" for split in SPLITS)
    typer.echo(f"NDCG@10 by {outcome.task} of {asked} requests; in brackets the gain over the form in force")
    for one in outcome.tried:
        figures = (f"{s} {one.ndcg[s].value:.3f} ({_signed(one.gain[s])})" for s in SPLITS)
        typer.echo(f"{one.name}: {', '.join(figures)}; {one.words[0]:.0f} and {one.words[1]:.0f} words")
    typer.echo(_verdict(outcome.winner, outcome.confirmed, place))


def _signed(figure: object) -> str:
    value, low, high = (getattr(figure, name) for name in ("value", "low", "high"))
    return f"{value:+.3f}, {low:+.3f} to {high:+.3f}"


def _verdict(winner: str, confirmed: bool, workspace: Workspace) -> str:
    if not winner:
        return "no form is clearly better than the one in force on validation requests: keep it"
    if not confirmed:
        return f"{winner} wins on validation requests, and the test requests do not confirm it: keep the form in force"
    file = workspace.text_trial / f"{winner}.yaml"
    return f"{winner} wins, and the test requests confirm it: `verbalize: {{form: {file}}}` makes it the text version"
