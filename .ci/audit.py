"""Holds the pinned versions against advisories that are kept here, so that it needs no network.

    python .ci/audit.py [constraints.txt]

Ends with 1 where a pinned version is affected and nothing says why it may stay, or where a reason stands for none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

HERE = Path(__file__).parent
ADVISORIES = HERE / "advisories.yaml"


def pinned(constraints: str) -> dict[str, Version]:
    """Package -> its pinned version."""
    lines = (line.partition("#")[0].strip() for line in constraints.splitlines())
    pins = (line.partition(";")[0].partition("==") for line in lines if "==" in line)
    return {canonicalize_name(name.partition("[")[0].strip()): Version(version.strip()) for name, _, version in pins}


def problems(pins: dict[str, Version], advisories: list[dict[str, Any]]) -> Iterator[str]:
    """What has to be mended, a line each."""
    for advisory in advisories:
        package, affected = canonicalize_name(advisory["package"]), SpecifierSet(advisory["affected"])
        version = pins.get(package)
        is_affected = version is not None and affected.contains(version, prereleases=True)
        if is_affected and not advisory.get("accepted"):
            yield f"{package} {version}: {advisory['id']} ({advisory['about']}); affected are {affected}"
        if advisory.get("accepted") and not is_affected:
            yield f"{package} {version}: {advisory['id']} is accepted and applies no more: drop the reason"


def main(constraints: Path) -> int:
    advisories = YAML(typ="safe").load(ADVISORIES)
    pins = pinned(constraints.read_text())
    found = list(problems(pins, advisories))
    accepted = sum(bool(advisory.get("accepted")) for advisory in advisories)
    print("\n".join(found) or f"audit: {len(pins)} pins, {len(advisories)} advisories, {accepted} accepted")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "constraints.txt"))
