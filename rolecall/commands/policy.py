"""The commands of the product policy: `rolecall policy`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.workspace import Workspace
from policy.document.load import load_policy
from policy.types import Policy
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption, params_of

policy = typer.Typer(no_args_is_help=True, help="The product policy: check it, and see what a change of it would do.")

NONE_GIVEN = "that of the params if none, else the built-in one"
PolicyOption = Annotated[Path | None, typer.Option("--policy", help=f"The product policy; {NONE_GIVEN}.")]


def policy_in_force(context: typer.Context, given: Path | None) -> Policy:
    """The policy in force: the one that is given, else the knob `label.policy`, else the built-in one."""
    return load_policy(given or params_of(context).label.policy)


@policy.command("check")
def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help=f"A policy; {NONE_GIVEN}.")] = None,
) -> None:
    """Check that a policy is complete and does not contradict itself; an error names the line and the cure."""
    from policy.types import DIMENSIONS

    checked = policy_in_force(context, file)
    examples = sum(len(getattr(checked.dimensions, name).examples) for name in DIMENSIONS)
    parts = f"{len(DIMENSIONS)} dimensions, {examples} worked examples and {len(checked.rules)} rules"
    typer.echo(f"policy {checked.version} holds together: {parts}")


@policy.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
    folder: Annotated[Path, typer.Option("--golden", help="The golden folder.")],
    as_json: JsonOption = False,
) -> None:
    """Say which golden pairs would get another grade, by the rubric judge, and what of the change moves each."""
    from policy.golden.changes import changed_parts, flips
    from policy.golden.pairs import read_pairs

    before, after, pairs = load_policy(old), load_policy(new), read_pairs(folder)
    flipped = flips(before, after, pairs)
    if as_json:
        versions = {"old": before.version, "new": after.version, "changed": changed_parts(before, after)}
        answer = versions | {"pairs": len(pairs), "flips": [flip._asdict() for flip in flipped]}
        typer.echo(json.dumps(answer, indent=2))
        return
    for flip in flipped:
        typer.echo(f"{flip.pair_id}  {flip.old} -> {flip.new}  {', '.join(flip.moved_by)}")
    changed = ", ".join(changed_parts(before, after)) or "nothing that a judge reads"
    typer.echo(f"{len(flipped)} of {len(pairs)} golden pairs would flip; changed: {changed}")


@policy.command("curve")
def curve(
    workspace: WorkspaceOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Say how agreement with the judge grows with the pairs that it grades, and draw it: when to stop paying."""
    import pyarrow.parquet as pq

    from beam_jobs.labelling.curve import curve_lines, graded_pairs, learning_curve
    from beam_jobs.labelling.curve_plot import curve_svg

    place = Workspace(workspace)
    drawn = learning_curve(place)
    place.curve.mkdir(parents=True, exist_ok=True)
    (place.curve / "curve.json").write_text(drawn.model_dump_json(indent=1) + "\n")
    (place.curve / "curve.svg").write_text(curve_svg(drawn))
    pq.write_table(graded_pairs(place), place.curve / "pairs.parquet")
    if as_json:
        typer.echo(drawn.model_dump_json(indent=2))
        return
    typer.echo("\n".join([*curve_lines(drawn), f"drawn in {place.curve / 'curve.svg'}"]))
