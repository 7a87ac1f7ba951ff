"""The commands that build a job index and search it: `rolecall index`, `rolecall search`."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.versions import current
from contracts.workspace import Workspace
from rolecall.options import DEFAULT, DeviceOption, JsonOption, RulesOption, WorkspaceOption, params_of

if TYPE_CHECKING:
    from retrieval.search import SearchAnswer

log = logging.getLogger("rolecall")

_WIDTHS = {"title": 40, "company": 24, "location": 26}
_HEADS = {"location": "place"}
_KINDS = {"filter": "only", "demotion": "first", "exclusion": "but", "spelling": "as typed:"}


def index(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    position: Annotated[str, typer.Option(help="Of the last change of the feed that the records hold.")] = "",
    retrieval_only: Annotated[
        bool, typer.Option("--retrieval-only", help="Without a bundle: `rolecall search` answers, no model ranks.")
    ] = False,
) -> None:
    """Build the job index for the current bundle: vectors, words, attributes, links, item tokens."""
    from retrieval.index.build import build_index
    from retrieval.links.store import current_links

    place, knobs = Workspace(workspace), params_of(context)
    built = build_index(
        place,
        None if retrieval_only else place.bundle,
        knobs.index.engine,
        faiss=knobs.index.faiss,
        terms=knobs.index.terms,
        retrieval=knobs.retrieval,
        links=current_links(place),
        rates=knobs.money.rates,
        position=position,
    )
    _tell_removed(built, place, knobs.rules.file)


def _tell_removed(index: Path, workspace: Workspace, rules: Path | None) -> None:
    """Say how many jobs each rule keeps from somebody of whom nothing is known, and so from everybody."""
    import numpy as np

    from contracts.activity import Activity
    from retrieval.filters.filters import Filter
    from retrieval.index.job_index import JobIndex
    from retrieval.request import build_request
    from retrieval.rules.rules import find_rules, removing, without_removed

    jobs, nobody = JobIndex.load(index), build_request("", Activity(), "", "", Filter(), datetime.now(UTC))
    rows = removing(find_rules(workspace, rules).enabled, jobs, nobody)
    _, removed = without_removed(rows, np.ones(len(jobs), bool))
    for rule, count in removed.items():
        log.info("index: rule %s keeps %s jobs from everybody (`rolecall rules show`)", rule, f"{count:,}")


def rollback(
    workspace: WorkspaceOption = DEFAULT,
    to: Annotated[str, typer.Option(help="Version of the index; if none, the one before the current one.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="Only list the versions that could serve.")] = False,
) -> None:
    """Make an index that served before current again, with its bundle; a running service swaps it in."""
    from retrieval.index.versions import built_versions, earlier, make_current

    place = Workspace(workspace)
    if listed:
        now = current(place.indexes)
        for served in built_versions(place):
            made = datetime.fromtimestamp(served.made, UTC).isoformat(timespec="seconds")
            mark = "  current" if now is not None and served.index == now.name else ""
            typer.echo(
                f"index {served.index}, bundle {served.bundle or 'none'}, {served.jobs:,} jobs, made {made}{mark}"
            )
        return
    served = earlier(place, to)
    make_current(place, served)
    typer.echo(f"current now: index {served.index}, bundle {served.bundle or 'none'}")


def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help='What is looked for, such as "data analyst in New York".')],
    workspace: WorkspaceOption = DEFAULT,
    index: Annotated[Path | None, typer.Option(help="An index's folder; the workspace's current one if none.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many jobs.")] = 10,
    filter_json: Annotated[str, typer.Option("--filter", help='Such as {"all": [...]}; see the filter language.')] = "",
    rules_file: RulesOption = None,
    as_typed: Annotated[bool, typer.Option("--as-typed", help="Read no condition in it, and mend no word.")] = False,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A chip's id, such as place:denver, to take as typed.")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a job index from here, in the order of retrieval: no member, no ranking model, no service."""
    from retrieval.filters.filters import Filter, parse_filter
    from retrieval.search import search as search_index

    folder = index or Workspace(workspace).index
    condition = parse_filter(filter_json) if filter_json else Filter()
    rules = rules_file or params_of(context).rules.file
    answer = _as_dict(query, search_index(folder, query, k, condition, rules, as_typed, ignore or (), device))
    typer.echo(json.dumps(answer, indent=2) if as_json else _as_table(answer))


def shares(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    requests: Annotated[int, typer.Option(min=1, help="Validation requests at most.")] = 400,
    write: Annotated[bool, typer.Option("--write", help="Put the choice into the params file.")] = False,
) -> None:
    """Choose the shares of the retrieval sources on validation requests, by recall@100."""
    from replay.shares import choose_shares
    from rolecall.params import write_shares

    knobs = params_of(context)
    chosen = choose_shares(Workspace(workspace), knobs.retrieval, requests, knobs.seed)
    for surface, mixes in chosen.items():
        for place, (mix, found, gain) in enumerate(mixes):
            told = ", ".join(f"{name} {share:g}" for name, share in mix.items() if share)
            mark = "chosen " if place == 0 else "       "
            typer.echo(
                f"{surface:9} {mark} {found:.3f} ({gain.value:+.3f}, {gain.low:+.3f} to {gain.high:+.3f})  {told}"
            )
    if write:
        written = write_shares(
            context.find_root().params.get("params"), {name: found[0].shares for name, found in chosen.items()}
        )
        typer.echo(f"written to {written}; `rolecall run --from label` takes it up")


def _as_dict(query: str, found: SearchAnswer) -> dict[str, Any]:
    candidates = found.candidates
    shown = [found.index.display(int(row)) for row in candidates.rows]
    return {
        "query": query,
        "words": found.reading.words,
        "understood": [chip.model_dump() for chip in found.reading.chips],
        "filter": found.filter.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "index_version": found.index.version,
        "jobs": len(found.index),
        "open": found.open,
        "passed": found.passed,
        "quoted": found.quoted,
        "notes": found.notes,
        "sources": candidates.sources,
        "lacks": found.lacks,
        "removed": dict(candidates.removed),
        "results": [
            {
                "rank": i + 1,
                "job_id": job["id"],
                **{name: job[name] for name in _WIDTHS},
                "found_by": candidates.found_by(i),
                "score": float(candidates.fused[i]),
                "demoted_by": candidates.demoted.get(int(candidates.rows[i]), ()),
            }
            for i, job in enumerate(shown)
        ],
    }


def _as_table(answer: dict[str, Any]) -> str:
    """Lines for people of what `_as_dict` made."""
    lacks = f" (no vectors: {answer['lacks']})" if answer["lacks"] else ""
    head = [
        f"read as {answer['words']!r}",
        *(f"  {_KINDS[chip['kind']]} {chip['label']}  ({chip['id']})" for chip in answer["understood"]),
        f"{answer['jobs']:,} jobs, {answer['open']:,} open, {answer['passed']:,} pass; "
        f"asked {', '.join(answer['sources'])}{lacks}",
        *(
            []
            if answer["quoted"] is None
            else [f"{answer['quoted']:,} jobs hold what stands in quotes, less what is excluded"]
        ),
        *answer["notes"],
        *(f"{count:,} jobs removed by rule {rule}" for rule, count in answer["removed"].items()),
        f"index {answer['index_version']}",
        "",
    ]
    if not answer["results"]:
        return "\n".join([*head, "no job"])
    widest = max(len("found by"), *(len(",".join(result["found_by"])) for result in answer["results"]))
    columns = [*_WIDTHS.items(), ("found by", widest)]
    lines = ["rank  " + "  ".join(_cell(_HEADS.get(name, name), width) for name, width in columns) + "  score"]
    for result in answer["results"]:
        cells = [_cell(result[name], width) for name, width in _WIDTHS.items()]
        cells.append(_cell(",".join(result["found_by"]), widest))
        demoted = "".join(f"  demoted by rule {rule}" for rule in result["demoted_by"])
        lines.append(f"{result['rank']:>4}  {'  '.join(cells)}  {result['score']:.5f}{demoted}")
    return "\n".join([*head, *lines])


def _cell(text: str, width: int) -> str:
    return f"{text if len(text) <= width else text[: width - 1] + '…':<{width}}"
