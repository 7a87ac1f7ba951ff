"""The machine that a figure was measured on, and the versions that it was measured with."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Processor flags that decide how fast INT8 and float32 arithmetic run."""


def cores() -> int:
    """Cores that this process may use: those of its affinity, or as many as the CPU quota of its container is worth.

    A quota of 1.5 cores is worth 2, as the JVM and Go count: one thread would leave a third of it unused.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(own, cpu_quota())))


@cache
def cpu_quota(root: Path = Path("/")) -> float:
    """Cores' worth of time that the control groups of this process allow it; infinity where none limits it.

    Read once a process. Both versions of control groups are read, and every group up to the root, since the strictest
    one holds. Inside a container the path of a group may be that of the host, which is not there; its root is.

    Args:
        root: Under which `/proc/self/cgroup` and `/sys/fs/cgroup` lie.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (`cpu.max`), Documentation/scheduler/sched-bwc.rst
        (`cpu.cfs_quota_us`).
    """
    return min((_quota_of(group) for group in _control_groups(root)), default=math.inf)


def _control_groups(root: Path) -> Iterator[Path]:
    """The folders of the groups that limit this process's CPU time, and of those that hold them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = (controllers, "cpu", "cpu,cpuacct", "cpuacct,cpu") if controllers else ("", "unified")
        for mount in dict.fromkeys(mounts):
            group = PurePosixPath(path.lstrip("/"))
            for holder in (group, *group.parents):
                yield root / "sys/fs/cgroup" / mount / holder


def _quota_of(group: Path) -> float:
    """Cores' worth of time of one group: quota over period, in microseconds; infinity where it has none."""
    try:
        if (limit := group / "cpu.max").is_file():
            quota, _, period = limit.read_text().partition(" ")
        else:
            quota, period = ((group / name).read_text() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no such group in sight
        return math.inf


def cpu_flags() -> set[str]:
    """Instruction-set flags of the first core; empty where the system does not list them."""
    info = _cpu_info()
    return set(info.get("flags", info.get("Features", "")).split())


def machine() -> dict[str, Any]:
    """Processor, cores, memory in gigabytes, the flags of `FLAGS` that it has, and the system."""
    flags = cpu_flags()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cpu": _cpu_info().get("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "memory_gb": round(memory / 1e9, 1),
        "flags": [flag for flag in FLAGS if flag in flags],
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of the given packages, without those that are not installed."""
    installed = {"python": platform.python_version()}
    for package in packages:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _cpu_info() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text().split("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
