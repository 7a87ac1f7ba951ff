"""The command that erases members: `rolecall erase`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInput, NotReady
from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption


def erase(
    member: Annotated[list[str] | None, typer.Argument(help="Ids of members, as in their records.")] = None,
    workspace: WorkspaceOption = DEFAULT,
    pending: Annotated[
        bool, typer.Option("--pending", help="Those who were erased online (`DELETE /v1/members/ID`) and wait.")
    ] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of data in Rolecall's own layout to rewrite too; may be repeated."),
    ] = None,
    readmit: Annotated[
        bool, typer.Option("--readmit", help="Take rows of these members in again from now on; erases nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take all rows of members out of the workspace, for good: loading old files again does not bring them back.

    What stays (models, sums, other places) is listed with why and until when. A service may run meanwhile.
    """
    from contracts.erased import forget_waiting, note_erased, waiting
    from contracts.erased import readmit as take_again
    from feature_repo.online import erase_online
    from rolecall.erase import OUTSIDE, erase_rows, remaining

    place, ids = Workspace(workspace), list(member or ())
    if not place.root.is_dir():
        raise NotReady(f"no workspace {place.root}", cure="give its folder")
    if readmit and (pending or data or not ids):
        raise BadInput("--readmit takes ids and nothing else", where="--readmit", cure="`rolecall erase ID --readmit`")
    for folder in data or ():
        if not folder.is_dir():
            raise NotReady(f"no folder {folder}", where="--data", cure="give a folder of data; nothing was erased")
    if readmit:
        for member_id in ids:
            if not take_again(place, member_id):
                raise BadInput(f"member {member_id[:80]!r} was not erased", cure="see the spelling of the id")
        return
    ids += [member_id for member_id in waiting(place) if pending and member_id not in ids]
    if not ids and not pending:
        raise BadInput("no member is named", where="MEMBER", cure="give ids, or --pending")
    if not ids and data:
        cure = "name the members whose rows it is to lose"
        raise BadInput("nobody waits, so that no folder was looked at", where="--data", cure=cure)
    rows: dict[str, int] = {}
    removed: list[str] = []
    if ids:
        note_erased(place, ids, datetime.now(UTC))
        erase_online(place, ids)
        done = erase_rows(place.root, ids)
        rows, removed = dict(done.rows), done.removed
        for folder in data or ():
            rows |= {f"{folder}/{name}": count for name, count in erase_rows(folder, ids).rows.items()}
        forget_waiting(place, ids)
    remains = dict(remaining(place))
    if as_json:
        report = {"members": len(ids), "rows": rows, "removed": removed, "remains": remains, "outside": OUTSIDE}
        typer.echo(json.dumps(report, indent=2))
        return
    typer.echo(f"{len(ids)} members erased: {sum(rows.values()):,} rows of {len(rows)} files")
    for name, count in sorted(rows.items()):
        typer.echo(f"{count:7,}  {name}")
    for name in removed:
        typer.echo(f"removed  {name}")
    typer.echo("what stays:")
    for name, why in remains.items():
        typer.echo(f"  {name}: {why}")
    for where in OUTSIDE:
        typer.echo(f"  not looked at: {where}")
