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
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, help="Rows of a view a second at most, for those who ask meanwhile; as fast as can be if none."
        ),
    ] = None,
) -> None:
    """Register the bundles' feature services and load the newest values into the online store.

    Text of another version than the bundle in use reads is refused: its members would have no text online.
    """
    load_features(Workspace(workspace), profile, end.replace(tzinfo=UTC) if end else None, rate)


def load_features(place: Workspace, profile: str | None, end: datetime | None, rate: float | None) -> None:
    """Load what a workspace's online store holds of its members. Raises BundleMismatch for text of another version."""
    from feature_repo.store import apply, materialize

    _require_text_of_bundle(place)
    apply(place, profile=profile)
    materialize(place, end, rate)


def _require_text_of_bundle(place: Workspace) -> None:
    from contracts.bundle import read_manifest
    from contracts.errors import BundleMismatch
    from contracts.text.fitted import open_verbalizer
    from contracts.versions import current

    if current(place.bundles) is None:
        return  # a first run: nothing is served yet
    bundle, text = read_manifest(place.bundle), open_verbalizer(place).version
    if bundle.text_version != text:
        raise BundleMismatch(
            f"bundle {bundle.version} reads text {bundle.text_version}, the text in use is {text}",
            where=str(place.features),
            cure="train and export a bundle on it, or `rolecall backfill rollback --what text`",
        )


@features.command("training-set")
def training_set(workspace: WorkspaceOption = DEFAULT, profile: ProfileOption = None) -> None:
    """Join the labelled pairs with the text that was known at their time (point-in-time join)."""
    from feature_repo.store import apply, training_set

    apply(Workspace(workspace), profile=profile)
    training_set(Workspace(workspace))
