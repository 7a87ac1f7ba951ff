"""The command line of a job: flags made from the fields of a pydantic class, and Beam's own flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from apache_beam.options.pipeline_options import PipelineOptions
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from beam_jobs.pipeline import open_runner
from contracts.documents import read_yaml
from contracts.errors import BadInput
from contracts.validation import field_path, first_problem, problem_text
from contracts.values import FrozenModel
from contracts.workspace import Workspace

BEAM_HELP = """
The file params.yaml is not read, nor are the modules of its knob `plugins`: where a job needs one of their classes, run
`rolecall` with the job's name.

Every other flag is Beam's: --direct_running_mode=multi_processing --direct_num_workers=2 for two processes here,
--runner=FlinkRunner (or SparkRunner, DataflowRunner) with that runner's own flags for a cluster, whose workers must
see the workspace under the same path."""

Flags = TypeVar("Flags", bound=BaseModel)


class NoFlags(FrozenModel):
    """A job without flags of its own."""


def read_flags(
    job: str, doc: str | None, kind: type[Flags], argv: Sequence[str] | None = None
) -> tuple[Workspace, Flags, PipelineOptions]:
    """Read the flags of `python -m beam_jobs.<job>`.

    Args:
        job: The module's name.
        doc: The job's description.
        kind: The job's flags: `max_reject_share` is read from `--max-reject-share`; a field that holds a model takes
            YAML or JSON; an absent flag has the field's default.
        argv: The arguments; None for those of the process.

    Returns:
        The workspace, the job's flags, and Beam's options.

    Raises:
        BadInput: A flag is unknown to the job and to Beam, its value does not fit, or there is no such runner.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m beam_jobs.{job}",
        description=doc,
        epilog=BEAM_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--workspace", type=Path, required=True, metavar="FOLDER", help="where all tables lie")
    for name, field in kind.model_fields.items():
        _add_flag(parser, name, field)
    given, beam_argv = parser.parse_known_args(sys.argv[1:] if argv is None else list(argv))
    if unknown := _unknown_to_beam(beam_argv):
        raise BadInput(f"unknown flag {' '.join(unknown)}", where=parser.prog, cure="see --help")
    values = vars(given)
    workspace = Workspace(values.pop("workspace").resolve())
    flags, options = _validated(kind, values), PipelineOptions(beam_argv)
    open_runner(options)  # so that an unknown one is an error before any work
    return workspace, flags, options


def check_runner(argv: Sequence[str]) -> list[str]:
    """Beam's flags as they are. Raises BadInput where one is none of Beam's, or there is no such runner."""
    if unknown := _unknown_to_beam(argv):
        raise BadInput(
            f"unknown flag {' '.join(unknown)}", cure="see --help; flags of Beam's runner come as --name=value"
        )
    open_runner(PipelineOptions(list(argv)))
    return list(argv)


def as_flags(config: BaseModel) -> list[str]:
    """The flags that `read_flags` reads as `config`."""
    flags: list[str] = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, bool):
            flags.append(_flag(name) if value else _flag(f"no_{name}"))
        elif value is not None:
            text = value.model_dump_json() if isinstance(value, BaseModel) else str(value)
            flags += [_flag(name), text]
    return flags


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_flag(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    help_text = field.description or ""
    if not (field.is_required() or field.default is None or isinstance(field.default, BaseModel)):
        help_text += f" ({field.default})"
    options: dict[str, Any] = {"help": help_text.replace("%", "%%"), "required": field.is_required()}
    if field.annotation is bool:
        parser.add_argument(_flag(name), action=argparse.BooleanOptionalAction, **options)
    elif get_origin(field.annotation) is Literal:
        parser.add_argument(_flag(name), choices=get_args(field.annotation), **options)
    else:
        parser.add_argument(_flag(name), metavar=_metavar(field), **options)


def _metavar(field: FieldInfo) -> str:
    if isinstance(field.default, BaseModel):
        return "YAML"
    kinds = [part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type)]
    return next((kind.__name__.upper() for kind in kinds if kind is not NoneType), "VALUE")


def _validated(kind: type[Flags], values: dict[str, Any]) -> Flags:
    for name, text in list(values.items()):
        if isinstance(kind.model_fields[name].default, BaseModel):
            values[name] = read_yaml(text, _flag(name))
    try:
        return kind.model_validate(values)
    except ValidationError as error:  # the value is not repeated: it may hold a key
        problem = first_problem(error)
        loc = problem["loc"]
        field = field_path(loc[1:])
        what = f"{field}: {problem_text(problem)}" if field else problem_text(problem)
        where = _flag(str(loc[0])) if loc else ", ".join(map(_flag, values))
        raise BadInput(what, where=where, cure="correct it, or see --help") from error


def _unknown_to_beam(argv: Sequence[str]) -> list[str]:
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)  # Beam's parser with the flags of all runners
    return parsers[0].parse_known_args(list(argv))[1]
