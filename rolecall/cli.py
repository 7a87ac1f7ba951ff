"""The `rolecall` command. Each sub-command is a thin call into one folder, imported only when it is called."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from contracts.errors import RolecallError
from contracts.workspace import Workspace
from rolecall.commands import links as link_commands
from rolecall.commands import policy as policy_commands
from rolecall.commands import rules as rule_commands
from rolecall.commands.rules import RulesOption
from rolecall.console import show_progress
from rolecall.extras import missing_extra
from rolecall.options import DEFAULT, DeviceOption, JsonOption, WorkspaceOption
from rolecall.params import Params, load_params

BEAM = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    name="rolecall",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""The job recommender: tables in, ranked jobs out, and a replay that says how good they are.

    The way of the data: `ingest` -> `golden import` -> `verbalize` -> `activity` -> `links learn` -> `train encoder` ->
    `embed` -> `label` -> `features training-set` -> `train policy` -> `train click` -> `train student` -> `export` ->
    `embed --what items` -> `index` -> `features materialize` -> `replay` -> `serve`. `rolecall run` takes all these
    steps.

    Start with `rolecall doctor`, then `rolecall run --data FOLDER`.""",
)
features = typer.Typer(no_args_is_help=True, help="Feast: apply the repository, materialise it, join training sets.")
recipe = typer.Typer(invoke_without_command=True)
train = typer.Typer(no_args_is_help=True, help="Train one model of the recipe: retrieval encoder, teacher or student.")
app.add_typer(features, name="features")
app.add_typer(train, name="train")
app.add_typer(recipe, name="recipe")
app.add_typer(link_commands.links, name="links")
app.add_typer(rule_commands.rules, name="rules")
app.add_typer(policy_commands.policy, name="policy")
app.add_typer(policy_commands.golden, name="golden")


def main() -> None:
    """Entry point: a typed error is one line and its exit code; anything else is a bug and keeps its trace."""
    try:
        app()
    except RolecallError as error:
        _exit(error)
    except ModuleNotFoundError as error:
        absent = missing_extra(error)
        if absent is None:
            raise
        _exit(absent)


def _exit(error: RolecallError) -> NoReturn:
    typer.echo(f"rolecall: {error}", err=True)
    sys.exit(error.exit_code)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rolecall {version('rolecall')}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    params: Annotated[Path | None, typer.Option(help="The recipe's knobs; ./params.yaml where there is one.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings alone, no progress.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say it.")] = False,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the knobs in force and go on.")] = False,
) -> None:
    show_progress(quiet)
    context.obj = load_params(params)
    if show_config:
        typer.echo(context.obj.as_yaml())


def _params(context: typer.Context) -> Params:
    return context.find_root().obj


# --- look before you start -------------------------------------------------------------------------------------------


@app.command()
def doctor(workspace: WorkspaceOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks, with the cure for each lack."""
    from dataclasses import asdict

    from rolecall.doctor import examine

    findings = examine(workspace)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        marks = {"ok": "ok    ", "lacks": "lacks ", "broken": "BROKEN"}
        for f in findings:
            typer.echo(f"{marks[f.state]}  {f.name:<20} {f.detail}{'  -> ' + f.cure if f.cure else ''}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


@app.command()
def validate(
    folder: Annotated[Path, typer.Argument(help="Members, jobs and events as Parquet, CSV or JSONL.")],
    as_json: JsonOption = False,
) -> None:
    """Check a folder of data before anything is loaded: what fits, what does not, and why."""
    from datetime import UTC

    from sources.validate import validate as check

    report = check(folder, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2, default=str))
    else:
        typer.echo("\n".join(report.lines()))
    if not report.ok:
        raise typer.Exit(2)


@app.command()
def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder to write the simulated market to.")],
    members: Annotated[int | None, typer.Option(help="Members; from params where absent.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Jobs.")] = None,
    events: Annotated[int | None, typer.Option(help="Events: impressions and what follows them.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed and start, same bytes.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Its first day; if none, its last day is today.")] = None,
    onet: Annotated[Path | None, typer.Option(help="A folder of O*NET tables, for real occupations and tasks.")] = None,
) -> None:
    """Write a job market with known truth. All that is drawn from it is called simulated wherever it is shown."""
    from simulator.catalogue import Catalogue
    from simulator.market import simulate as write_market

    knobs = _params(context)
    chosen = knobs.simulate.model_dump() | {
        name: value for name, value in {"members": members, "jobs": jobs, "events": events}.items() if value is not None
    }
    write_market(
        out,
        **chosen,
        seed=knobs.seed if seed is None else seed,
        start=start.replace(tzinfo=UTC) if start else None,
        catalogue=Catalogue.from_onet(onet) if onet else None,
    )


# --- the batch path --------------------------------------------------------------------------------------------------


@app.command(context_settings=BEAM)
def ingest(
    context: typer.Context,
    data: Annotated[Path, typer.Option("--data", help="The folder of raw data.")],
    workspace: WorkspaceOption = DEFAULT,
) -> None:
    """Validate and deduplicate raw rows (Beam); what does not fit goes to the quarantine with its reason."""
    from beam_jobs import ingest as job

    share = _params(context).ingest.max_reject_share
    job.run(["--source", str(data), "--workspace", str(workspace), "--max-reject-share", str(share), *context.args])


@app.command(context_settings=BEAM)
def verbalize(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Turn changed records into text features (Beam)."""
    from beam_jobs import verbalize as job

    job.run(["--workspace", str(workspace), *context.args])


@app.command(context_settings=BEAM)
def embed(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Turn changed text into vectors, or with `--what items --bundle FOLDER` into item tokens (Beam)."""
    from beam_jobs import embed as job

    job.run(["--workspace", str(workspace), *context.args])


@app.command(context_settings=BEAM)
def activity(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Fold events into what each member did lately and how each job fares (Beam)."""
    from beam_jobs import activity as job

    job.run(["--workspace", str(workspace), *context.args])


@app.command(context_settings=BEAM)
def label(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Sample lists of jobs for past requests, label them from events and grade a share by the policy (Beam)."""
    from beam_jobs import label as job

    knobs = _params(context)
    flags = ["--seed", str(knobs.seed), "--retrieval", knobs.retrieval.model_dump_json(), *knobs.label.as_flags()]
    job.run(["--workspace", str(workspace), *flags, *context.args])


# --- Feast -----------------------------------------------------------------------------------------------------------

ProfileOption = Annotated[
    str | None,
    typer.Option(help="`embedded` (SQLite) or `redis` (REDIS_URL); the repository's own if none, else embedded."),
]


@features.command("apply")
def features_apply(workspace: WorkspaceOption = DEFAULT, profile: ProfileOption = None) -> None:
    """Write the workspace's Feast repository and register its views and services."""
    from feature_repo.store import apply

    apply(Workspace(workspace), profile=profile)


@features.command("materialize")
def features_materialize(
    workspace: WorkspaceOption = DEFAULT,
    profile: ProfileOption = None,
    end: Annotated[datetime | None, typer.Option(help="Load values up to this UTC time; now where absent.")] = None,
) -> None:
    """Register the bundles' feature services and load the newest values into the online store."""
    from datetime import UTC

    from feature_repo.store import apply, materialize

    apply(Workspace(workspace), profile=profile)
    materialize(Workspace(workspace), end=end.replace(tzinfo=UTC) if end else None)


@features.command("training-set")
def features_training_set(workspace: WorkspaceOption = DEFAULT, profile: ProfileOption = None) -> None:
    """Join the labelled pairs with the text that was known at their time (point-in-time join)."""
    from feature_repo.store import apply, training_set

    apply(Workspace(workspace), profile=profile)
    training_set(Workspace(workspace))


# --- the recipe ------------------------------------------------------------------------------------------------------


@train.command("encoder")
def train_encoder(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Export the retrieval encoder; with `encoder: {train: {}}` it first learns from the log's past requests."""
    from beam_jobs.log_positives import make_encoder

    knobs = _params(context)
    make_encoder(Workspace(workspace), seed=knobs.seed, **dict(knobs.encoder))


@train.command("policy")
def train_policy(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Train the policy teacher on grades and store its scores."""
    _train_teacher("policy", workspace, _params(context))


@train.command("click")
def train_click(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Train the click teacher on events, warm-started from the policy teacher, and store its scores."""
    _train_teacher("click", workspace, _params(context))


def _train_teacher(kind: Literal["policy", "click"], workspace: Path, knobs: Params) -> None:
    from models.teachers.train import train_teacher

    train_teacher(Workspace(workspace), kind, knobs.policy_teacher if kind == "policy" else knobs.click_teacher)


@train.command("student")
def train_student(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Distil the student from the teachers' stored scores."""
    from models.student.distil import train_student as distil

    distil(Workspace(workspace), _params(context).student)


@app.command()
def export(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Export, quantise, calibrate and check the student, and write the bundle that is served."""
    from release.release import release

    release(Workspace(workspace), _params(context).export)


@app.command()
def index(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    position: Annotated[str, typer.Option(help="Of the last change of the feed that the records hold.")] = "",
) -> None:
    """Build the job index for the current bundle: vectors, words, attributes, links, item tokens."""
    from retrieval.index.build import build_index
    from retrieval.links.store import current_links

    place, knobs = Workspace(workspace), _params(context)
    build_index(
        place,
        place.bundle,
        knobs.index.engine,
        faiss=knobs.index.faiss,
        terms=knobs.index.terms,
        retrieval=knobs.retrieval,
        links=current_links(place),
        position=position,
    )


# --- serving and replay ----------------------------------------------------------------------------------------------


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help='What is looked for, such as "nurse in Denver".')],
    workspace: WorkspaceOption = DEFAULT,
    index: Annotated[Path | None, typer.Option(help="An index's folder; the workspace's current one if none.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many jobs.")] = 10,
    filter_json: Annotated[str, typer.Option("--filter", help='Such as {"all": [...]}; see docs/retrieval.md.')] = "",
    rules_file: RulesOption = None,
    as_typed: Annotated[bool, typer.Option("--as-typed", help="Do not take words after `in` for a place.")] = False,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a job index from here, in the order of retrieval: no member, no ranking model, no service."""
    from retrieval.filters.filters import Filter, parse_filter
    from retrieval.search import search as search_index
    from rolecall.search import as_dict, as_table

    folder = index or Workspace(workspace).index
    wanted = parse_filter(filter_json) if filter_json else Filter()
    rules = rules_file or _params(context).rules.file
    found = search_index(folder, query, k, wanted, rules, as_typed, device)
    told = as_dict(query, found)
    typer.echo(json.dumps(told, indent=2) if as_json else as_table(told))


@app.command()
def serve(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 picks a free one and prints it.")] = 8080,
    bundle: Annotated[Path | None, typer.Option(help="A bundle's folder; the workspace's current one if none.")] = None,
    index: Annotated[Path | None, typer.Option(help="An index's folder; the workspace's current one if none.")] = None,
    changes: Annotated[
        str | None, typer.Option(help="Job changes to apply: a folder of Parquet files, or redis://host:port#stream.")
    ] = None,
    poll: Annotated[float, typer.Option(min=0, help="Seconds between looks for a newer bundle or index; 0: none.")] = 5,
    device: DeviceOption = None,
    rules_file: RulesOption = None,
) -> None:
    """Answer requests over HTTP. The API's pages are at /docs."""
    from serving.http.run import serve as listen

    rules = rules_file or _params(context).rules.file
    listen(
        Workspace(workspace),
        host=host,
        port=port,
        bundle=bundle,
        index=index,
        rules=rules,
        device=device,
        changes=changes,
        poll=poll,
    )


@app.command()
def replay(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    truth: Annotated[Path | None, typer.Option(help="A simulated market's folder; the workspace's own if any.")] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", help="Answer by the enabled rules of this file; by none if absent.")
    ] = None,
) -> None:
    """Rank the held-out requests with every system, as things were then, and write `report.html`."""
    from replay.run import replay as evaluate
    from rolecall.recipe import RAW

    market = truth or workspace / RAW
    knobs = _params(context).replay.model_dump()
    if truth or (market / "truth").is_dir():
        from simulator.market import read_params
        from simulator.truth import Truth

        knobs |= {"truth": Truth.load(market).fits, "attribution": (read_params(market) or {}).get("attribution", "")}
    if rules_file:
        from retrieval.rules.rules import load_rules

        knobs |= {"rules": load_rules(rules_file)}
    evaluate(Workspace(workspace), **knobs)


@app.command()
def run(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    data: Annotated[Path | None, typer.Option("--data", help="Raw data; a simulated market where absent.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Start at this stage, with what is there.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Stop after this stage.")] = None,
    profile: ProfileOption = None,
) -> None:
    """The whole recipe: from raw files to a served answer and a replay report."""
    from rolecall.recipe import run_recipe

    root = context.find_root()
    run_recipe(
        Workspace(workspace),
        data,
        params=root.params["params"],
        knobs=_params(context),
        start=start,
        end=end,
        profile=profile,
        quiet=root.params["quiet"],
    )


@recipe.callback()
def print_recipe(context: typer.Context) -> None:
    """Print the recipe as a `dvc.yaml`, the file in the repository, or compare two runs of it."""
    if context.invoked_subcommand is None:
        from rolecall.recipe import as_dvc

        typer.echo(as_dvc(), nl=False)


@recipe.command("diff")
def recipe_diff(
    before: Annotated[Path, typer.Argument(help="A workspace, or a bundle's folder.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: JsonOption = False,
) -> None:
    """Say which knobs, data and models differ between two runs, and what that did to each metric."""
    from rolecall.compare import as_text, compare, read_side

    found = compare(read_side(before), read_side(after))
    typer.echo(json.dumps(found, indent=2) if as_json else as_text(found))
