"""The commands of the golden set: `rolecall golden`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInput
from contracts.workspace import Workspace
from rolecall.commands.policy import PolicyOption, policy_in_force
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption

log = logging.getLogger("rolecall")

golden = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""The golden set: pairs that people grade, in a folder kept with the data.

    `sample` draws the pairs, `sheet` writes a sheet for each grader, `adjudicate` lists what they grade apart for
    a person to decide, `agreement` says how far they agree, and `import` brings the set into a workspace.""",
)
FolderArgument = Annotated[Path, typer.Argument(help="The golden folder.")]


@golden.command("sample")
def sample(
    context: typer.Context,
    folder: FolderArgument,
    workspace: WorkspaceOption = DEFAULT,
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    policy_file: PolicyOption = None,
) -> None:
    """Draw pairs to grade from a workspace's log, by pattern of query and by kind of profile."""
    from policy.golden.pairs import PAIRS, write_pairs
    from policy.golden.sample import sample_pairs

    if (folder / PAIRS).exists():
        raise BadInput(f"{folder / PAIRS} is there already", cure="give another folder, or remove it with its sheets")
    place = Workspace(workspace)
    drawn = sample_pairs(place.records, policy_in_force(context, policy_file), pairs, seed, place.examples)
    write_pairs(folder, drawn)
    cells = [f"{pair.stratum}, {pair.kind}" for pair in drawn]
    for cell in sorted(set(cells)):
        typer.echo(f"{cells.count(cell):5}  {cell}")
    typer.echo(f"{len(drawn):5}  pairs in {folder / PAIRS}")


@golden.command("sheet")
def sheet(
    context: typer.Context,
    folder: FolderArgument,
    grader: Annotated[str, typer.Option(help="Whose sheet it is.")],
    policy_file: PolicyOption = None,
) -> None:
    """Write one grader's empty sheet, to be filled in in any spreadsheet."""
    from policy.golden.pairs import read_pairs
    from policy.golden.sheets import sheet_path, write_sheet

    path = sheet_path(folder, grader)
    if path.exists():
        raise BadInput(f"{path} is there already", cure="move it away first: it may hold grades")
    write_sheet(folder, grader, read_pairs(folder), policy_in_force(context, policy_file).version)
    typer.echo(path)


@golden.command("adjudicate")
def adjudicate(
    folder: FolderArgument,
    differ_by: Annotated[int, typer.Option(min=0, max=4, help="Grades this close need no person.")] = 0,
) -> None:
    """Take the grades that are equal, and list the others for a person to decide."""
    from policy.golden.golden import adjudicate as decide
    from policy.golden.sheets import ADJUDICATED

    decisions = decide(folder, differ_by)
    waiting = sum(decision.grade is None for decision in decisions)
    typer.echo(f"{len(decisions) - waiting} pairs have a grade, {waiting} wait for one in {folder / ADJUDICATED}")


@golden.command("agreement")
def agreement(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """How far the graders agree: overall, by stratum, by kind and by dimension; of several, the two who agree least."""
    from policy.golden.golden import agreement_report, grader_agreement
    from policy.golden.pairs import read_pairs
    from policy.golden.sheets import read_sheets

    pairs = read_pairs(folder)
    sheets = read_sheets(folder, pairs)
    groups = grader_agreement(pairs, sheets)
    if as_json:
        typer.echo(json.dumps(agreement_report(pairs, sheets, groups), indent=2))
        return
    for group in groups:
        typer.echo(f"{f'{group.of} {group.name}'.strip():<28} {group.agreement} ({' and '.join(group.graders)})")


@golden.command("import")
def import_(
    context: typer.Context,
    data: Annotated[Path, typer.Option("--data", help="The folder of raw data, with the set in its `golden` folder.")],
    workspace: WorkspaceOption = DEFAULT,
    policy_file: PolicyOption = None,
    accept_policy: Annotated[
        str, typer.Option(metavar="NAME", help="Who confirms that the grades still hold under the policy in force.")
    ] = "",
) -> None:
    """Check the golden set that came with the data against the policy in force, and bring it into the workspace."""
    from policy.golden.golden import import_golden, is_simulated

    if not data.is_dir():
        raise BadInput(f"no folder {data}", cure="give the folder of the raw data")
    if accept_policy and (data / "golden").is_dir():
        _check_graded(data / "golden")
    place = Workspace(workspace)
    groups = import_golden(data / "golden", place.golden, policy_in_force(context, policy_file).version, accept_policy)
    if groups is None:
        log.info("golden: no golden set in %s, so no judge will be measured", data)
        return
    overall, *parts = groups
    kappas = ", ".join(
        f"{group.name} {group.agreement.quadratic.value:.2f}" for group in parts if group.of in ("stratum", "kind")
    )
    who = "simulated graders" if is_simulated(overall.graders) else "graders"
    log.info("golden: %s: %s; quadratic by stratum and kind: %s", who, overall.agreement, kappas)


def _check_graded(folder: Path) -> None:
    """Everything but the version that a golden set was graded by: nobody can accept one that does not hold."""
    from policy.golden.golden import load_golden
    from policy.golden.pairs import read_pairs
    from policy.golden.sheets import read_sheets

    load_golden(folder, read_sheets(folder, read_pairs(folder))[0].policy_version)
