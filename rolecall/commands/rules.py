"""The commands of rules from member feedback: `rolecall rules`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, JsonOption, RulesOption, WorkspaceOption, params_of

if TYPE_CHECKING:
    from replay.feedback import Feedback
    from replay.rule_trial import Trial
    from retrieval.rules.rules import Rule, RuleBook

rules = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Rules that remove or demote jobs, made of what members complain about.

    `feedback` says what they complain about most, `try` what a rule would have taken from them, `check` whether a file
    of rules holds together, `show` which rules are in force.""",
)


def _rules_in_force(context: typer.Context, workspace: Path, given: Path | None) -> RuleBook:
    from retrieval.rules.rules import find_rules

    return find_rules(Workspace(workspace), given or params_of(context).rules.file)


def _source(context: typer.Context, workspace: Path, given: Path | None) -> str:
    """The path of the rules in force, or "built in"."""
    own = Workspace(workspace).rules
    return str(given or params_of(context).rules.file or (own if own.is_file() else "built in"))


@rules.command("check")
def check(file: Annotated[Path, typer.Argument(help="A file of rules.")]) -> None:
    """Check a file of rules; an error names the line, the value and the cure."""
    from retrieval.rules.rules import load_rules

    book = load_rules(file)
    enabled = ", ".join(rule.name for rule in book.enabled) or "none"
    typer.echo(f"rules {book.version} hold together: {len(book.rules)} rules; enabled: {enabled}")


@rules.command("show")
def show(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    rules_file: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the rules in force, those that are switched off too."""
    book = _rules_in_force(context, workspace, rules_file)
    if as_json:
        typer.echo(json.dumps({"version": book.version, **book.model_dump(mode="json", exclude_none=True)}, indent=2))
        return
    typer.echo(f"rules {book.version} ({_source(context, workspace, rules_file)})")
    for rule in book.rules:
        typer.echo(f"{'on ' if rule.enabled else 'off'}  {_summary(rule)}")
        typer.echo(f"       {' and '.join(rule.surfaces)}: {_conditions(rule)}")


@rules.command("try")
def try_(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    rule: Annotated[str, typer.Option(help="The rule's name; all of them where absent.")] = "",
    rules_file: RulesOption = None,
    requests: Annotated[int, typer.Option(min=1, help="Look at so many logged requests, drawn evenly.")] = 2_000,
    examples: Annotated[int, typer.Option(min=0, help="Print so many jobs of each rule.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say how many of the jobs that the log shows a rule would remove, and what people did with these."""
    book = _rules_in_force(context, workspace, rules_file)
    chosen = [book.named(rule)] if rule else list(book.rules)

    from replay.rule_trial import try_rules

    trials = try_rules(Workspace(workspace), chosen, requests, seed, examples)
    if as_json:
        typer.echo(json.dumps({"version": book.version, "rules": [_as_dict(trial) for trial in trials]}, indent=2))
        return
    typer.echo("\n\n".join("\n".join(_lines(trial)) for trial in trials))


@rules.command("feedback")
def feedback_(workspace: WorkspaceOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Count why members dismissed jobs, by surface and by the source that found the job."""
    from replay.feedback import feedback

    counts = feedback(Workspace(workspace))
    typer.echo(json.dumps(counts._asdict(), indent=2) if as_json else _as_table(counts))


def _summary(rule: Rule) -> str:
    return f"{rule.name} ({rule.action}, answers {rule.reason}): {rule.because}"


def _conditions(rule: Rule) -> str:
    return json.dumps(rule.when.model_dump(mode="json", exclude_none=True))


def _as_dict(trial: Trial) -> dict[str, Any]:
    about = {"rule": trial.rule.name, "reason": trial.rule.reason, "enabled": trial.rule.enabled}
    counts = {name: getattr(trial, name) for name in ("requests", "applied", "shown", "removed")}
    return about | counts | {"examples": [example._asdict() for example in trial.examples]}


def _lines(trial: Trial) -> list[str]:
    from replay.rule_trial import OUTCOMES

    lines = [
        f"{_summary(trial.rule)} It is {'on' if trial.rule.enabled else 'off'}.",
        f"It applies to {trial.applied:,} of {trial.requests:,} logged requests.",
        f"{'':<28}{'met by':>8}{'of':>10}{'share':>8}",
    ]
    names = {"shown": "shown", **{name: name for name in reversed(OUTCOMES)}, "answered": f"for {trial.rule.reason}"}
    for outcome in ("shown", "viewed", "applied", "hired", "dismissed", "answered"):
        met, of = trial.removed[outcome], trial.shown[outcome]
        share = f"{met / of:.1%}" if of else "-"
        indent = "  " if outcome != "answered" else "    "
        lines.append(f"{indent + names[outcome]:<28}{met:>8,}{of:>10,}{share:>8}")
    for example in trial.examples:
        lines.append(f"  request {example.request_id}  job {example.job_id}  {example.outcome or 'passed over'}")
    return lines


def _as_table(counts: Feedback) -> str:
    from replay.feedback import NOT_SAID

    surfaces = sorted({name for by in counts.by_surface.values() for name in by})
    sources = sorted({name for by in counts.by_source.values() for name in by})
    total = sum(counts.dismissed.values())
    heads = ["dismissed", "share", *surfaces, *("source " + name if name == NOT_SAID else name for name in sources)]
    lines = [f"{'':<18}" + "".join(f"{head:>16}" for head in heads)]
    for reason, count in counts.dismissed.items():
        by = [counts.by_surface[reason].get(name, 0) for name in surfaces]
        by += [counts.by_source[reason].get(name, 0) for name in sources]
        lines.append(f"{reason:<18}{count:>16,}{count / total:>16.1%}" + "".join(f"{number:>16,}" for number in by))
    shown = "".join(f"{counts.shown.get(name, 0):>16,}" for name in (*surfaces, *sources))
    lines.append(f"{'all that was shown':<18}{'':>32}{shown}")
    return "\n".join(lines) if total else "nobody dismissed a job"
