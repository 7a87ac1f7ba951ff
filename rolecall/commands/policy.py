"""The commands of people who say what a good match is: `rolecall policy` and `rolecall golden`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInput
from contracts.workspace import Workspace
from policy.document.document import Policy, load_policy
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption
from rolecall.params import Params

log = logging.getLogger("rolecall")

policy = typer.Typer(no_args_is_help=True, help="The product policy: check it, and see what a change of it would do.")
golden = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""The golden set: pairs that people grade, in a folder kept with the data.

    `sample` draws the pairs, `sheet` writes a sheet for each grader, `adjudicate` lists what they grade apart for
    a person to decide, `agreement` says how far they agree, and `import` brings the set into a workspace.""",
)

NONE_GIVEN = "that of the params if none, else the built-in one"
PolicyOption = Annotated[Path | None, typer.Option("--policy", help=f"The product policy; {NONE_GIVEN}.")]
FolderArgument = Annotated[Path, typer.Argument(help="The golden folder.")]


def _policy(context: typer.Context, given: Path | None) -> Policy:
    """The policy in force: the one that is given, else the knob `label.policy`, else the built-in one."""
    knobs: Params = context.find_root().obj
    return load_policy(given or knobs.label.policy)


def _check_graded(folder: Path) -> None:
    """Everything but the version that a golden set was graded by: nobody can accept one that does not hold."""
    from policy.golden.golden import load_golden
    from policy.golden.pairs import read_pairs
    from policy.golden.sheets import read_sheets

    load_golden(folder, read_sheets(folder, read_pairs(folder))[0].policy_version)


@policy.command("check")
def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help=f"A policy; {NONE_GIVEN}.")] = None,
) -> None:
    """Check that a policy is complete and does not contradict itself; an error names the line and the cure."""
    from policy.document.document import DIMENSIONS

    found = _policy(context, file)
    examples = sum(len(getattr(found.dimensions, name).examples) for name in DIMENSIONS)
    told = f"{len(DIMENSIONS)} dimensions, {examples} worked examples and {len(found.rules)} rules"
    typer.echo(f"policy {found.version} holds together: {told}")


@policy.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
    folder: Annotated[Path, typer.Option("--golden", help="The golden folder.")],
    as_json: JsonOption = False,
) -> None:
    """Say which golden pairs would get another grade, by the rubric judge, and what of the change moves each."""
    from policy.document.changes import changed_parts, flips
    from policy.golden.pairs import read_pairs

    before, after, pairs = load_policy(old), load_policy(new), read_pairs(folder)
    found = flips(before, after, pairs)
    if as_json:
        told = {"old": before.version, "new": after.version, "changed": changed_parts(before, after)}
        typer.echo(json.dumps(told | {"pairs": len(pairs), "flips": [flip._asdict() for flip in found]}, indent=2))
        return
    for flip in found:
        typer.echo(f"{flip.pair_id}  {flip.old} -> {flip.new}  {', '.join(flip.moved_by)}")
    changed = ", ".join(changed_parts(before, after)) or "nothing that a judge reads"
    typer.echo(f"{len(found)} of {len(pairs)} golden pairs would flip; changed: {changed}")


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
    found = sample_pairs(place.records, _policy(context, policy_file), pairs, seed, place.examples)
    write_pairs(folder, found)
    cells = [f"{pair.stratum}, {pair.kind}" for pair in found]
    for cell in sorted(set(cells)):
        typer.echo(f"{cells.count(cell):5}  {cell}")
    typer.echo(f"{len(found):5}  pairs in {folder / PAIRS}")


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
    write_sheet(folder, grader, read_pairs(folder), _policy(context, policy_file).version)
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
    waiting = sum(one.grade is None for one in decisions)
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
    found = import_golden(data / "golden", place.golden, _policy(context, policy_file).version, accept_policy)
    if found is None:
        log.info("golden: no golden set in %s, so no judge will be measured", data)
        return
    overall, *groups = found
    kappas = ", ".join(
        f"{group.name} {group.agreement.quadratic.value:.2f}" for group in groups if group.of in ("stratum", "kind")
    )
    who = "simulated graders" if is_simulated(overall.graders) else "graders"
    log.info("golden: %s: %s; quadratic by stratum and kind: %s", who, overall.agreement, kappas)
