"""The commands that ask past requests again: `rolecall replay`, and `run`, `diff`, `list` and `export` below it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from contracts.errors import BadInput
from contracts.workspace import RAW, Workspace
from rolecall.options import DEFAULT, JsonOption, WorkspaceOption, params_of

if TYPE_CHECKING:
    from replay.diff.compare import Wanted
    from replay.diff.results import Diff
    from replay.runs.run import Asked

OrderBy = Literal["blend", "relevance", "retrieval"]

replay = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode="markdown",
    help="""Ask the past again: which order would have been better.

    Without a command it is the recipe's stage: the held-out requests by every system, in `report.html`. `run` asks any
    bundle, index, rules or baseline, `diff` compares two runs and ends in an exit code, `list` names the runs, `export`
    writes the log for other tools.""",
)


@replay.callback()
def evaluate(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    truth: Annotated[Path | None, typer.Option(help="A simulated market's folder; the workspace's own if any.")] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", help="Answer by the enabled rules of this file; by none if absent.")
    ] = None,
) -> None:
    """Rank the held-out requests with every system, as things were then, and write `report.html`."""
    if context.invoked_subcommand is not None:
        return
    from policy import load_policy
    from replay.run import replay as evaluate_all

    market = truth or workspace / RAW
    params = params_of(context)
    knobs = dict(params.replay) | {"judge": params.label.judge, "policy": load_policy(params.label.policy)}
    knobs |= {"teachers": params.teachers}
    if truth or (market / "truth").is_dir():
        from simulator.market import read_params
        from simulator.truth import Truth

        knobs |= {"truth": Truth.load(market).fits, "attribution": (read_params(market) or {}).get("attribution", "")}
    if rules_file:
        from retrieval.rules.rules import load_rules

        knobs |= {"rules": load_rules(rules_file)}
    evaluate_all(Workspace(workspace), **knobs)


@replay.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    bundle: Annotated[
        list[str] | None, typer.Option(help="Version of a bundle, once or more; the current one if none.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose order, once or more: served (the whole system), retrieval, encoder, bm25, popularity."
        ),
    ] = None,
    index: Annotated[
        str, typer.Option(help="Version of an index; the newest of the bundle if none, else one like the current.")
    ] = "",
    trec: Annotated[
        list[Path] | None, typer.Option(help="A TREC run file: another engine's answers to its requests, once or more.")
    ] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", help="Answer by the enabled rules of this file.")
    ] = None,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", help="Grade by this policy; the params' if none.")
    ] = None,
    order: Annotated[OrderBy | None, typer.Option(help="Order by this instead of the bundle's objective.")] = None,
    weight: Annotated[float | None, typer.Option(min=0, help="Weight of relevance beside the blend.")] = None,
    floor: Annotated[float | None, typer.Option(min=0, max=0.999, help="Probability of a good match.")] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="First day of the requests, UTC; the hold-out alone if none."
        ),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of the requests, UTC.")
    ] = None,
    rank_only: Annotated[
        bool, typer.Option("--rank-only", help="Put the shown jobs in order; retrieve nothing.")
    ] = False,
    requests: Annotated[int, typer.Option(min=1, help="So many at most, drawn evenly.")] = 2_000,
    window: Annotated[
        float | None, typer.Option(min=0, help="Days after an impression within which an outcome counts; all if none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the run's folder; made of its arguments if none.")] = "",
) -> None:
    """Ask past requests again of a bundle, an index, rules or a baseline; compare where several are asked.

    Requests are those of the recipe's hold-out, of days of the log, or of a TREC file. A run that was killed goes on
    where it stopped, one that is done is not done again. Flags that are not known here go to the Beam runner, such as
    `--direct_running_mode multi_processing --direct_num_workers 2`.
    """
    from replay.runs.contender import find_contender
    from replay.runs.run import run as ask

    place = Workspace(workspace)
    rules = None
    if rules_file:
        from retrieval.rules.rules import load_rules

        rules = load_rules(rules_file)
    knobs: dict[str, Any] = {"order": order, "weight": weight, "floor": floor}
    knobs |= {"rules": rules.version, "rules_file": str(rules_file)} if rules else {}
    contenders = [
        find_contender(place, of, index, system=by, **knobs) for of in bundle or [""] for by in system or ["served"]
    ]
    if trec:
        own = contenders if bundle or system else []
        contenders = [*own, *(find_contender(place, "", index, trec=path) for path in trec)]
    if name and len(contenders) > 1:
        raise BadInput(f"{len(contenders)} runs", where="--name", cure="name one run, or leave the name out")
    asked = _asked(context, place, policy_file, start, end, rank_only, requests, window, seed, name, rules, trec or [])
    done = [ask(place, contender, asked) for contender in contenders]
    for one in done:
        typer.echo(f"run {one.manifest.name}: {one.manifest.contender.name}, {one.manifest.requests:,} requests")
    if len(done) > 1:
        from replay.diff.compare import Wanted

        for other in done[1:]:
            typer.echo("")
            _compared(place, done[0].manifest.name, other.manifest.name, Wanted())


def _asked(
    context: typer.Context,
    place: Workspace,
    policy_file: Path | None,
    start: datetime | None,
    end: datetime | None,
    rank_only: bool,
    requests: int,
    window: float | None,
    seed: int,
    name: str,
    rules: Any,
    trec: list[Path],
) -> Asked:
    """Which requests, and how."""
    from apache_beam.options.pipeline_options import PipelineOptions

    from beam_jobs.flags import check_runner
    from history.requests import Which
    from policy import load_policy
    from replay.runs.run import Asked
    from replay.trec import read_run

    if start and end and end < start:
        raise BadInput(f"{end.date()} is before {start.date()}", where="--to", cure="give a later day")
    day = timedelta(days=1)
    ids = set().union(*(read_run(path) for path in trec)) if trec else None
    params, market = params_of(context), place.root / RAW
    return Asked(
        which=Which(
            splits=() if start or end or ids is not None else ("test",),
            start=start.replace(tzinfo=UTC) if start else None,
            end=end.replace(tzinfo=UTC) + day if end else None,
            ids=ids,
            most=requests,
            seed=seed,
            within=None if window is None else window * day,
        ),
        rank_only=rank_only,
        rules=rules,
        judge=params.label.judge,
        policy=load_policy(policy_file or params.label.policy),
        market=market if (market / "truth").is_dir() else None,
        name=name,
        options=PipelineOptions(check_runner(context.args)),
    )


@replay.command("list")
def list_(workspace: WorkspaceOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Name the runs of a workspace: who answered, how many requests, since when, and whether it is done."""
    import json

    from replay.runs.folder import SUMMARY, read_manifest, runs

    place = Workspace(workspace)
    for name in runs(place):
        manifest = read_manifest(place.replay_runs / name)
        done = (place.replay_runs / name / SUMMARY).is_file()
        if as_json:
            typer.echo(json.dumps({"done": done, **manifest.model_dump(mode="json")}))
        else:
            mark = "" if done else "  not finished"
            typer.echo(f"{name}  {manifest.contender.name}, {manifest.requests:,} requests{mark}")


@replay.command("diff")
def diff(
    first: Annotated[str, typer.Argument(help="A run: its folder, its name or the beginning of it.")],
    second: Annotated[str, typer.Argument(help="The run that may replace it.")],
    workspace: WorkspaceOption = DEFAULT,
    measure: Annotated[str, typer.Option(help="By which the runs are judged.")] = "nDCG@10",
    worst_slice: Annotated[
        float | None,
        typer.Option(help="A gate: no slice may lose more than this share of the first run, such as -0.01."),
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of intervals and of the gate.")] = 0.95,
    least_members: Annotated[int, typer.Option(min=2, help="Members of a slice or group that is shown.")] = 20,
    gain: Annotated[
        float, typer.Option(min=1e-6, help="The gain, as a share, whose needed requests are named.")
    ] = 0.01,
    groups: Annotated[
        Path | None, typer.Option(help="A CSV member_id,group or job_id,group: parity of groups.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which of two runs is better, for whom it is worse, and how sure that is; write a page of it.

    With `--worst-slice` it ends with 0 where no slice loses more, with 20 where one certainly does, and with 21 where
    that is not known: then more requests are needed.
    """
    from replay.diff.compare import Wanted
    from replay.diff.gate import EXIT_CODES

    wanted = Wanted(measure, least_members, confidence, worst_slice, gain, groups)
    found = _compared(Workspace(workspace), first, second, wanted, as_json)
    if found.gate is not None:
        raise typer.Exit(EXIT_CODES[found.gate.says])


def _compared(place: Workspace, first: str, second: str, wanted: Wanted, as_json: bool = False) -> Diff:
    """Compare two runs, write the page, and print the sentence."""
    from replay.diff.compare import compare, gate_sentence
    from replay.report.diff_page import diff_folder, write_diff
    from replay.runs.folder import find_run

    one, other = find_run(place, first), find_run(place, second)
    found = compare(place, one, other, wanted)
    page = write_diff(diff_folder(place, one, other), found)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
        return found
    typer.echo(found.sentence)
    for warning in found.other_features:
        typer.echo(f"  {warning}")
    for line in found.lines:
        if line.measure == found.measure or line.measure in ("good_fits@10", "poor_fits@10", "judged@10"):
            ceiling = f", at most {line.ceiling.value:.3f}" if line.ceiling else ""
            simplest = f", popularity {line.baseline.value:.3f}" if line.baseline else ""
            typer.echo(f"  {line.measure}: {line.first.value:.3f} -> {line.second.value:.3f}{ceiling}{simplest}")
    if found.interleaved is not None:
        of = found.interleaved
        apart = of.difference
        said = f"{apart.low:+.3f} to {apart.high:+.3f}" if apart.low is not None else "no interval"
        typer.echo(
            f"  interleaved: of lists of both the second is preferred in {of.second:.1%}, the first in {of.first:.1%} "
            f"({apart.value:+.3f}, {said}; simulated from what the log says was chosen)"
        )
    if found.learned_from:
        typer.echo(f"  {found.learned_from:,} of {found.requests:,} requests are no hold-out: a bundle may know them")
    if found.gate is not None:
        typer.echo(gate_sentence(found.gate))
    typer.echo(f"page: {page}")
    return found


@replay.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where `ubi_queries.ndjson` and `ubi_events.ndjson` are written.")],
    workspace: WorkspaceOption = DEFAULT,
    start: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, UTC.")] = None,
) -> None:
    """Write the log as User Behavior Insights (UBI), which OpenSearch's tools read; `ingest` reads it back."""
    from replay.ubi import write_ubi

    first = start.replace(tzinfo=UTC) if start else None
    last = end.replace(tzinfo=UTC) + timedelta(days=1) if end else None
    queries, events = write_ubi(Workspace(workspace), folder, first, last)
    typer.echo(f"{queries:,} queries, {events:,} events: {folder}")
