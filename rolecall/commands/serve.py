"""The command that answers requests over HTTP: `rolecall serve`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.workspace import Workspace
from rolecall.options import DEFAULT, DeviceOption, RulesOption, WorkspaceOption, params_of


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
    poll: Annotated[
        float | None, typer.Option(min=0, help="Seconds between looks for a newer bundle or index; 0: none.")
    ] = None,
    device: DeviceOption = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="ONNX Runtime provider that runs the models; may be repeated. A GPU's if there is one."),
    ] = None,
    rules_file: RulesOption = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that answer at the port; they share the index's memory.")
    ] = 1,
) -> None:
    """Answer requests over HTTP. The API's pages are at /docs. Further knobs: `serve` in the params."""
    # Until the service handles it: `systemctl reload` while libraries load must not end it. Processes inherit this.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    params = params_of(context)
    said: dict[str, Any] = {
        "bundle": bundle,
        "index": index,
        "rules": rules_file or params.serve.rules or params.rules.file,
        "device": device,
        "providers": tuple(provider) if provider else None,
        "changes": changes,
        "poll": poll,
    }
    if params.serve.console.policy is None:  # people grade by the policy that the recipe's judge grades by
        said["console"] = params.serve.console.model_copy(update={"policy": params.label.policy})
    config = params.serve.model_copy(update={name: value for name, value in said.items() if value is not None})
    if workers > 1:
        from serving.http.workers import serve_by

        serve_by(workers, Workspace(workspace), config, host=host, port=port)
        return
    from serving.http.run import serve as listen

    listen(Workspace(workspace), config, host=host, port=port)
