"""The commands of the feature store: `rolecall features`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, ProfileOption, WorkspaceOption

features = typer.Typer(no_args_is_help=True, help="Feast: apply the repository, materialise it, join training sets.")


@features.command("apply")
def apply(workspace: WorkspaceOption = DEFAULT, profile: ProfileOption = None) -> None:
    """Write the workspace's Feast repository and register its views and services."""
    from feature_repo.store import apply

    apply(Workspace(workspace), profile=profile)


@features.command("materialize")
def materialize(
    workspace: WorkspaceOption = DEFAULT,
    profile: ProfileOption = None,
    end: Annotated[datetime | None, typer.Option(help="Load values up to this UTC time; now where absent.")] = None,
) -> None:
    """Register the bundles' feature services and load the newest values into the online store."""
    from feature_repo.store import apply, materialize

    apply(Workspace(workspace), profile=profile)
    materialize(Workspace(workspace), end=end.replace(tzinfo=UTC) if end else None)


@features.command("training-set")
def training_set(workspace: WorkspaceOption = DEFAULT, profile: ProfileOption = None) -> None:
    """Join the labelled pairs with the text that was known at their time (point-in-time join)."""
    from feature_repo.store import apply, training_set

    apply(Workspace(workspace), profile=profile)
    training_set(Workspace(workspace))
