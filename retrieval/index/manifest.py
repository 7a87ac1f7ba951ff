"""index.json: what an index was built with, read back and held against the models that it is used with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import Field, ValidationError

from contracts.bundle import Manifest
from contracts.errors import IndexMismatch, NotReady
from contracts.match import MATCH_VERSION
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import file_hash, is_inside
from retrieval.config import RetrievalConfig
from retrieval.engines.config import FaissConfig
from retrieval.words.config import TermsConfig

FORMAT = 11
"""Raised with every part that is added, dropped or read otherwise: older indexes are then built again."""
BUILD_AGAIN = "run `rolecall index`"
CODES = "codes"
"""Folder of the vectors as bytes, in an index of the exact engine with rows enough for them."""


class IndexManifest(FrozenModel):
    """index.json of an index."""

    format: int = FORMAT
    version: str
    engine: str
    bundle_version: str = Field(description="Empty where the index holds no item tokens.")
    encoder_version: str
    text_version: str
    match_version: str = Field(
        MATCH_VERSION, description="Of the comparisons of a request and a job that its columns are made for."
    )
    jobs: int
    dim: int
    left_out: Mapping[str, int] = Field({}, description="Reason to the number of jobs that are not in the index.")
    faiss: FaissConfig = FaissConfig()
    terms: TermsConfig = TermsConfig()
    retrieval: RetrievalConfig = Field(RetrievalConfig(), description="How the index is searched.")
    links: str = Field("", description="Version of the learned links in it; empty where there are none.")
    position: str = Field("", description="Last change of the feed that the records held; empty where not known.")
    files: Mapping[str, str] = Field({}, description="Part of the index -> SHA-256 of its content.")


class _Built(Protocol):
    """What an index and its manifest both say of the models behind it."""

    @property
    def version(self) -> str: ...

    @property
    def bundle_version(self) -> str: ...

    @property
    def text_version(self) -> str: ...

    @property
    def encoder_version(self) -> str: ...

    @property
    def match_version(self) -> str: ...


class _Encoder(Protocol):
    version: str


def check_index(index: _Built, bundle: Manifest, encoder: _Encoder | None = None) -> None:
    """Raise IndexMismatch where an index (or its manifest) was built by another bundle, text version or encoder, or for
    other comparisons than the bundle reads."""
    pairs = [
        ("bundle", index.bundle_version, bundle.version),
        ("text version", index.text_version, bundle.text_version),
    ]
    if bundle.match_version:
        pairs.append(("match version", index.match_version, bundle.match_version))
    if encoder is not None:
        pairs.append(("encoder", index.encoder_version, encoder.version))
    for name, built_with, expected in pairs:
        if built_with != expected:
            problem = f"index {index.version} was built with {name} {built_with or 'none'}, not {expected}"
            raise IndexMismatch(problem, cure=BUILD_AGAIN)


def file_hashes(folder: Path) -> dict[str, str]:
    """Path in a folder -> SHA-256, of all files in it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in paths}


def check_files(folder: Path, manifest: IndexManifest) -> None:
    """Raise IndexMismatch where a part is not as it was built: a version stands for one content."""
    if not manifest.files:
        raise IndexMismatch("index.json names no parts", where=str(folder), cure=BUILD_AGAIN)
    for name, expected in manifest.files.items():
        if not is_inside(name):
            problem = f"index.json names {name[:80]!r}, which is no part of the folder"
            raise IndexMismatch(problem, where=str(folder), cure=BUILD_AGAIN)
        path = folder / name
        if not path.is_file() or file_hash(path) != expected:
            problem = "it is not as it was built" if path.is_file() else "it is gone"
            raise IndexMismatch(problem, where=str(path), cure=BUILD_AGAIN)


def built_at(folder: Path) -> datetime:
    """When the index in a folder was built: its manifest is the last part that is written."""
    return datetime.fromtimestamp((folder / "index.json").stat().st_mtime, UTC)


def read_index_manifest(folder: Path) -> IndexManifest:
    """index.json of the index in a folder.

    Raises:
        NotReady: There is no index.
        IndexMismatch: It is of another format.
    """
    path = folder / "index.json"
    try:
        manifest = IndexManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no index in {folder}", cure=BUILD_AGAIN) from error
    except ValidationError as error:
        raise typed(error, IndexMismatch, where=str(path), cure=BUILD_AGAIN) from error
    if manifest.format != FORMAT:
        raise IndexMismatch(f"format {manifest.format}, expected {FORMAT}", where=str(path), cure=BUILD_AGAIN)
    return manifest
