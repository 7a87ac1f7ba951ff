"""Check an installed wheel that has no extras: package data, one search, and what a command says of an absent extra."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages

import numpy as np

DATA = {
    "contracts": (
        "text/adverts/languages/english.yaml",
        "text/adverts/skills.yaml",
        "text/places.yaml",
        "text/towns/names.parquet",
        "text/towns/towns.parquet",
    ),
    "feature_repo": ("feature_store.yaml", "profiles/redis.yaml"),
    "policy": ("policy.yaml",),
    "replay": ("report/report.html",),
    "retrieval": ("links/templates.yaml", "rules/rules.yaml", "words/synonyms.yaml"),
    "simulator": ("catalogue.yaml",),
}
PACKAGES = (
    *DATA,
    "backfill",
    "beam_jobs",
    "history",
    "models",
    "ranking",
    "release",
    "rolecall",
    "rolecall_client",
    "serving",
    "sources",
)
LIGHT = ("contracts", "sources", "retrieval", "history", "ranking")
HEAVY = {"apache_beam", "faiss", "fastapi", "feast", "sklearn", "torch", "transformers"}


def main() -> None:
    missing = [f"{package}/py.typed" for package in PACKAGES if not _folder_of(package).joinpath("py.typed").is_file()]
    missing += [f"{package}/{name}" for package in DATA for name in DATA[package] if not _is_file(package, name)]
    assert not missing, f"the wheel lacks {missing}"

    for package in LIGHT:
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    from retrieval import ExactEngine

    vectors = np.eye(4, dtype=np.float32)
    hits = ExactEngine(vectors).search(vectors[2:3], None, 1)[0]
    assert hits.rows.tolist() == [2], hits
    assert not HEAVY & set(sys.modules), f"a light package imports {HEAVY & set(sys.modules)}"

    rolecall = Path(sys.executable).with_name("rolecall")
    subprocess.run([rolecall, "--help"], check=True, stdout=subprocess.DEVNULL)
    absent = subprocess.run([rolecall, "serve"], capture_output=True, text=True)
    assert absent.returncode == 5 and "pip install 'rolecall[serve]'" in absent.stderr, absent.stderr
    print("wheel: package data, a search and a command without its extra are as they should be")


def _folder_of(package: str) -> Path:
    """Where a package lies, without importing it: the client's needs an extra of its own."""
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations, f"the wheel lacks {package}"
    return Path(next(iter(spec.submodule_search_locations)))


def _is_file(package: str, name: str) -> bool:
    return files(package).joinpath(name).is_file()


if __name__ == "__main__":
    main()
