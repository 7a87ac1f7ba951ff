"""The commands that train a model, `rolecall train`, and the one that makes the bundle of it, `rolecall export`."""

from __future__ import annotations

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, WorkspaceOption, params_of

train = typer.Typer(no_args_is_help=True, help="Train one model of the recipe: retrieval encoder, teacher or student.")


@train.command("encoder")
def train_encoder(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Export the retrieval encoder; with `encoder: {train: {}}` it first learns from the log's past requests."""
    from models.encoder.make import make_encoder

    knobs = params_of(context)
    make_encoder(Workspace(workspace), seed=knobs.seed, **dict(knobs.encoder))


@train.command("policy")
def train_policy(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Train the policy teacher on grades and store its scores."""
    from models.teachers.train import train_teacher

    train_teacher(Workspace(workspace), "policy", params_of(context).policy_teacher)


@train.command("click")
def train_click(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Train the click teacher on events, warm-started from the policy teacher, and store its scores."""
    from models.teachers.train import train_teacher

    train_teacher(Workspace(workspace), "click", params_of(context).click_teacher)


@train.command("student")
def train_student(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Distil the student from the teachers' stored scores."""
    from models.student.distil import train_student as distil

    distil(Workspace(workspace), params_of(context).student)


def export(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Export, quantise, calibrate and check the student, and write the bundle that is served."""
    from release.release import release

    release(Workspace(workspace), params_of(context).export)
