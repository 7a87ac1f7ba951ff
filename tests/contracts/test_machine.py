"""Cores are counted as the container's control group limits them, in either version of control groups."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import machine
from contracts.machine import cores, cpu_quota


def control_groups(root: Path, lines: str, **files: str) -> Path:
    """A file system whose `/proc/self/cgroup` holds `lines`; files: path under /sys/fs/cgroup, "__" for "/"."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, content in files.items():
        path = (
            root / "sys/fs/cgroup" / name.replace("__", "/").replace("cpu_max", "cpu.max").replace("cpu_cfs", "cpu.cfs")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_quota_of_version_2_is_read(tmp_path: Path) -> None:
    assert cpu_quota(control_groups(tmp_path, "0::/\n", cpu_max="200000 100000\n")) == 2


def test_no_quota_of_version_2_is_none(tmp_path: Path) -> None:
    assert cpu_quota(control_groups(tmp_path, "0::/\n", cpu_max="max 100000\n")) == math.inf


def test_the_strictest_of_the_groups_above_holds(tmp_path: Path) -> None:
    root = control_groups(
        tmp_path,
        "0::/kubepods/pod1/box\n",
        kubepods__cpu_max="800000 100000",
        kubepods__pod1__cpu_max="150000 100000",
        kubepods__pod1__box__cpu_max="max 100000",
    )
    assert cpu_quota(root) == 1.5


def test_a_quota_of_version_1_is_read_at_the_root_where_the_path_is_the_hosts(tmp_path: Path) -> None:
    lines = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n2:cpuset:/docker/abc\n0::/\n"
    files = {"cpu,cpuacct__cpu_cfs_quota_us": "300000\n", "cpu,cpuacct__cpu_cfs_period_us": "100000\n"}
    assert cpu_quota(control_groups(tmp_path, lines, **files)) == 3


def test_minus_one_is_no_quota_of_version_1(tmp_path: Path) -> None:
    files = {"cpu__g__cpu_cfs_quota_us": "-1\n", "cpu__g__cpu_cfs_period_us": "100000\n"}
    assert cpu_quota(control_groups(tmp_path, "1:cpu:/g\n", **files)) == math.inf


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) == math.inf


@given(st.floats(0.01, 500) | st.just(math.inf))
def test_cores_are_at_least_one_and_at_most_those_of_the_affinity(quota: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "cpu_quota", lambda: quota)
        patch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
        assert cores() == (64 if quota > 64 else max(1, math.ceil(quota)))
