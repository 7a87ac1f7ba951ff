"""The commands that train a model, `rolecall train`, and the one that makes the bundle of it, `rolecall export`."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from contracts.errors import NothingToLearn
from contracts.workspace import Workspace
from models.registry import TEACHERS
from rolecall.options import DEFAULT, WorkspaceOption, params_of

log = logging.getLogger("rolecall")


class ModelGroup(TyperGroup):
    """The commands below, and one for each teacher that is registered, by a plugin of the parameters too."""

    def list_commands(self, ctx: Any) -> list[str]:
        first, *others = super().list_commands(ctx)
        return [first, *TEACHERS.names(), *others]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _teacher_command(cmd_name) if cmd_name in TEACHERS.names() else super().get_command(ctx, cmd_name)


def _teacher_command(name: str) -> Any:
    app = typer.Typer()

    @app.command(name, help=f"Train the {name} teacher and store its scores of all pairs.")
    def train_one(
        context: typer.Context,
        workspace: WorkspaceOption = DEFAULT,
        or_none: Annotated[
            bool, typer.Option("--or-none", help="Where nothing teaches its tasks, say so and do without the teacher.")
        ] = False,
    ) -> None:
        from models.teachers.scores import leave_out
        from models.teachers.train import train_teacher

        try:
            train_teacher(Workspace(workspace), name, params_of(context).teacher(name))
        except NothingToLearn as error:
            if not or_none:
                raise
            log.warning("%s teacher: none: %s", name, error)
            leave_out(Workspace(workspace), name, error.what)

    return typer.main.get_command(app)


train = typer.Typer(
    cls=ModelGroup, no_args_is_help=True, help="Train one model of the recipe: retrieval encoder, teacher or student."
)


@train.command("encoder")
def train_encoder(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Export the retrieval encoder, choose how it reads, keep what it learned from the log where that finds more."""
    from models.encoder.make import make_encoder

    knobs = params_of(context)
    make_encoder(Workspace(workspace), knobs.encoder, knobs.seed)


@train.command("student")
def train_student(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Distil the student from the teachers' stored scores."""
    from models.student.distil import train_student as distil

    distil(Workspace(workspace), params_of(context).student)


def export(context: typer.Context, workspace: WorkspaceOption = DEFAULT) -> None:
    """Export, quantise, calibrate and check the student, and write the bundle that is served."""
    from release.release import release

    release(Workspace(workspace), params_of(context).export)
