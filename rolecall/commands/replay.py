"""The command that ranks past requests with every system: `rolecall replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.workspace import RAW, Workspace
from rolecall.options import DEFAULT, WorkspaceOption, params_of


def replay(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT,
    truth: Annotated[Path | None, typer.Option(help="A simulated market's folder; the workspace's own if any.")] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", help="Answer by the enabled rules of this file; by none if absent.")
    ] = None,
) -> None:
    """Rank the held-out requests with every system, as things were then, and write `report.html`."""
    from policy import load_policy
    from replay.run import replay as evaluate

    market = truth or workspace / RAW
    params = params_of(context)
    knobs = dict(params.replay) | {"judge": params.label.judge, "policy": load_policy(params.label.policy)}
    if truth or (market / "truth").is_dir():
        from simulator.market import read_params
        from simulator.truth import Truth

        knobs |= {"truth": Truth.load(market).fits, "attribution": (read_params(market) or {}).get("attribution", "")}
    if rules_file:
        from retrieval.rules.rules import load_rules

        knobs |= {"rules": load_rules(rules_file)}
    evaluate(Workspace(workspace), **knobs)
