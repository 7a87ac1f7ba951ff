"""The commands of the service's keys: `rolecall keys`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast

import typer

from contracts.errors import BadInput
from rolecall.options import params_of

keys = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Who may ask the service: keys with scopes, and tokens of members.

    Scopes: `serve` (recommend, search, explain), `events`, `recruiter` (candidates for a job), `console` (its pages, to
    look at), `grade` (its pages, with grades and rules), `admin` (metrics, erasing a member).""",
)
FileOption = Annotated[
    Path | None, typer.Option("--file", help="The file of keys; that of `serve: {security: {keys: FILE}}` if none.")
]
SecretOption = Annotated[
    Path | None, typer.Option("--secret", help="The file of the secret; that of `member_secret` in the knobs if none.")
]


@keys.command("new")
def new(
    context: typer.Context,
    scope: Annotated[list[str], typer.Option(help="What it may do; may be repeated.")],
    name: Annotated[str, typer.Option(help="Who gets it.")],
    file: FileOption = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="How long it holds; until revoked if none.")] = None,
    by_token: Annotated[
        bool, typer.Option("--by-token", help="It may ask for a member with that member's token alone.")
    ] = False,
    per_second: Annotated[float, typer.Option(min=0, help="Requests a second; 0: no limit.")] = 0.0,
) -> None:
    """Make a key and print it once; the file keeps its hash alone. A running service takes it at once."""
    from serving.access.keys import Scope, new_key

    path = _file(context, file)
    scopes = cast(list[Scope], scope)
    key, secret = new_key(path, name, scopes, days=days, by_token=by_token, per_second=per_second)
    typer.echo(f"key {key.id} of {key.name} in {path}; it is shown this once:", err=True)
    typer.echo(secret)


@keys.command("list")
def list_(context: typer.Context, file: FileOption = None) -> None:
    """The keys of the file, without their secrets."""
    from serving.access.keys import read_keys

    now = datetime.now(UTC)
    for key in read_keys(_file(context, file)).keys:
        ends = f"until {key.expires:%Y-%m-%d}" if key.expires else "until revoked"
        more = ["by token"] if key.by_token else []
        more += [f"{key.per_second:g} a second"] if key.per_second else []
        more += ["expired"] if key.expires and key.expires < now else []
        typer.echo(f"{key.id}  {key.name}: {', '.join((*key.scopes, *more))}; from {key.created:%Y-%m-%d} {ends}")


@keys.command("revoke")
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Its id or its name.")],
    file: FileOption = None,
) -> None:
    """Take a key out of the file; a running service refuses it from then on."""
    from serving.access.keys import revoke_key

    revoked = revoke_key(_file(context, file), key)
    typer.echo(f"key {revoked.id} of {revoked.name} is revoked")


@keys.command("limit")
def limit(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Its id or its name.")],
    per_second: Annotated[float, typer.Option(min=0, help="Requests a second; 0: no limit.")],
    file: FileOption = None,
) -> None:
    """Change how often a key may ask; a running service holds it to that from then on."""
    from serving.access.keys import limit_key

    limited = limit_key(_file(context, file), key, per_second)
    rate = f"{limited.per_second:g} a second" if limited.per_second else "as often as it likes"
    typer.echo(f"key {limited.id} of {limited.name} may ask {rate}")


@keys.command("member-secret")
def member_secret(context: typer.Context, secret: SecretOption = None) -> None:
    """Write a new secret that members' tokens are signed with; the backend that signs them needs it too."""
    from serving.access.tokens import new_secret

    path = _secret(context, secret)
    new_secret(path)
    typer.echo(f"{path}: readable to you alone; give it to the backend that signs, and to the service")


@keys.command("member-token")
def member_token(
    context: typer.Context,
    member: Annotated[str, typer.Argument(help="The member's id.")],
    secret: SecretOption = None,
    minutes: Annotated[float, typer.Option(min=0.01, max=24 * 60, help="How long it holds.")] = 15.0,
) -> None:
    """Sign a token by which its holder asks as one member (header X-Member-Token); to try it out."""
    from serving.access.tokens import member_token as sign
    from serving.access.tokens import read_secret

    typer.echo(sign(read_secret(_secret(context, secret)), member, minutes))


def _file(context: typer.Context, given: Path | None) -> Path:
    path = given or params_of(context).serve.security.keys
    if path is None:
        raise BadInput("no file of keys", where="--file", cure="name one here, or in serve: {security: {keys: FILE}}")
    return path


def _secret(context: typer.Context, given: Path | None) -> Path:
    path = given or params_of(context).serve.security.member_secret
    if path is None:
        cure = "name one here, or in serve: {security: {member_secret: FILE}}"
        raise BadInput("no file of the secret", where="--secret", cure=cure)
    return path
