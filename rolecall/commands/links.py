"""The commands of learned links: `rolecall links`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadInput, TooFewHires
from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption, params_of

if TYPE_CHECKING:
    from retrieval.links.store import LinkStore

log = logging.getLogger("rolecall")

links = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Links from what members have to what jobs ask for, learned from confirmed hires.

    `learn` writes them, `show` prints those of one member, or what was learned. Knobs: section `links` of the
    params.""",
)


@links.command("learn")
def learn(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    templates: Annotated[
        Path | None, typer.Option(help="Admissible attribute pairs; that of the params if none.")
    ] = None,
    edits: Annotated[Path | None, typer.Option(help="Links to add, forbid or pin; that of the params if none.")] = None,
    or_none: Annotated[
        bool, typer.Option("--or-none", help="Where hires are too few, say so and leave the workspace without links.")
    ] = False,
) -> None:
    """Learn the links of a workspace from its hires, apply what people edited, and give each member theirs.

    The later hires are left to measure by: those from the first held-out request on, or the last fifth.
    """
    import polars as pl

    from contracts.tables import parts, read_table
    from history.hires import hire_cut
    from history.requests import EVENT_COLUMNS
    from retrieval.links.learn import build_links, leave_without_links

    given = {name: path for name, path in (("templates", templates), ("edits", edits)) if path is not None}
    place = Workspace(workspace)
    cut = None
    if parts(place.records / "events"):
        cut = hire_cut(pl.DataFrame(read_table(place.records / "events", EVENT_COLUMNS)).unique("id"))
    try:
        config = params_of(context).links.model_copy(update=given)
        typer.echo(build_links(place, config, *(cut or ())))
    except TooFewHires as error:
        if not or_none:
            raise
        log.warning("links: none: %s", error)
        leave_without_links(place, str(error))


@links.command("show")
def show(
    member: Annotated[str | None, typer.Argument(help="A member's id; without one, what was learned.")] = None,
    workspace: WorkspaceOption = DEFAULT,
    jobs: Annotated[int, typer.Option(min=0, help="Print so many of the jobs found, with the reasons.")] = 5,
    svg: Annotated[Path | None, typer.Option(help="Draw the links to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print one member's links, best first, with how many jobs each leads to and why it is there.

    Without a member: how many links there are, how later hires are found by them, and the best; or why there is none.
    """
    from retrieval.links.draw import links_svg
    from retrieval.links.store import LinkStore, why_none

    place = Workspace(workspace)
    if member is None:
        if why := why_none(place):
            typer.echo(json.dumps({"version": None, "none": why}) if as_json else f"no links: {why}")
        else:
            _show_all(LinkStore.load(place.link_graph), jobs, as_json)
        return
    store = LinkStore.load(place.link_graph)
    if not store.knows(member):
        raise BadInput(f"no member {member!r} in links {store.version}", cure="give an id, or learn the links again")
    nodes = store.nodes(member)
    own = [store.graph.links[node] for node in nodes]
    reach = [len(store.jobs.rows(node)) for node in nodes]
    hits = store.search(member, max(len(store.job_ids), 1))
    if svg is not None:
        svg.write_text(links_svg(f"Member {member}", own, reach), "utf-8")
    matches = [
        {
            "job_id": store.job_ids[job],
            "score": round(float(score), 4),
            "because": [link.explain() for link in store.shared(member, job)],
        }
        for job, score in zip(hits.rows[:jobs], hits.scores[:jobs], strict=True)
    ]
    rows = [
        {"quality": link.quality, "jobs": count, "because": link.explain()}
        for link, count in zip(own, reach, strict=True)
    ]
    if as_json:
        answer = {
            "version": store.version,
            "member_id": member,
            "links": rows,
            "jobs": len(hits.rows),
            "first": matches,
        }
        typer.echo(json.dumps(answer, indent=2))
        return
    typer.echo(f"member {member}: {len(own):,} links to {len(hits.rows):,} jobs (links {store.version})")
    for row in rows:
        typer.echo(f"  {row['jobs']:>6,} jobs  {row['because']}")
    for match in matches:
        typer.echo(f"{match['job_id']}  {match['score']:.2f}")
        for reason in match["because"]:
            typer.echo(f"    {reason}")


@links.command("families")
def families(workspace: WorkspaceOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Print the families of the board's titles that were learned with the links, with the number of adverts of each."""
    from collections import Counter

    from retrieval.links.learn import board_titles
    from retrieval.links.store import LinkStore

    place = Workspace(workspace)
    store, titles = LinkStore.load(place.link_graph), board_titles(place)
    counts = Counter(map(store.family, titles))
    told = {name: counts[name] for name in sorted(store.about.families, key=lambda name: (-counts[name], name))}
    if as_json:
        typer.echo(json.dumps({"version": store.version, "families": told, "without": counts[""]}, indent=2))
        return
    typer.echo(f"{len(told):,} families of {len(titles):,} adverts, {counts['']:,} without one (links {store.version})")
    for name, adverts in told.items():
        typer.echo(f"{adverts:>7,}  {name}")


def _show_all(store: LinkStore, most: int, as_json: bool) -> None:
    best = [link.explain() for link in store.graph.links[:most]]
    if as_json:
        typer.echo(json.dumps({**store.about.model_dump(mode="json"), "best": best}, indent=2))
        return
    typer.echo(f"links {store.version}: {store.about.told}")
    for because in best:
        typer.echo(f"  {because}")
