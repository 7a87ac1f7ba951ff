"""Small raw folders written by the test itself, what a bundle needs for items, and a small market that is labelled
once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnx import helper
from tokenizers import Tokenizer, models, pre_tokenizers

from contracts.tables import read_table
from contracts.workspace import Workspace
from tests.make import text_inputs, word_nodes, write_graph, write_manifest

MEMBERS = [
    {"id": f"m{i}", "headline": f"nurse {i}", "location": "Austin, Texas", "updated_at": "2024-01-01T00:00:00Z"}
    for i in range(4)
]
JOBS = [
    {"id": f"j{i}", "title": f"Nurse {i}", "salary_min": 1_000 * max(i, 1), "updated_at": "2024-01-02T00:00:00Z"}
    for i in range(5)
]
EVENTS = [
    {"id": f"e{i}", "time": "2024-02-01T00:00:00Z", "member_id": f"m{i}", "job_id": f"j{i}", "action": "view"}
    for i in range(3)
]
SMALL_LISTS = (
    "--train-lists",
    "30",
    "--valid-lists",
    "4",
    "--test-lists",
    "8",
    "--graded-lists",
    "12",
    "--served-lists",
    "0",
    "--served-held-lists",
    "0",
    "--made-below",
    "0",
)
SMALL_LISTS += ("--train-candidates", "14", "--valid-candidates", "10", "--test-candidates", "10")
MARKET_START = datetime(2026, 1, 1, tzinfo=UTC)


class RawFolder:
    """A folder in Rolecall's layout; `write` replaces a table, or one file of it, with rows as JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.good = {"members": MEMBERS, "jobs": JOBS, "events": EVENTS}
        for table, rows in self.good.items():
            self.write(table, rows)

    def write(self, table: str, rows: list[dict], file: str = "a.jsonl") -> Path:
        path = self.path / table / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    def add(self, table: str, *rows: dict) -> None:
        """Append rows to a table's good ones."""
        self.write(table, [*self.good[table], *rows])


@pytest.fixture
def raw(tmp_path: Path) -> RawFolder:
    return RawFolder(tmp_path / "raw")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def take_in(raw: RawFolder, workspace: Workspace) -> Callable:
    """Ingest the raw folder into the workspace, with flags of the test's own."""
    from beam_jobs import ingest

    def run(*flags: str):
        return ingest.run(["--workspace", str(workspace.root), "--source", str(raw.path), *flags])

    return run


def write_item_bundle(folder: Path, text_version: str) -> Path:
    """The part of a bundle that makes items: the sum and the maximum of word vectors, two tokens a job."""
    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "title", "nurse", "pilot", "pay"]
    nodes = [
        *word_nodes(),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=1),
        helper.make_node("ReduceMax", ["kept", "middle"], ["max"], keepdims=1),
        helper.make_node("Concat", ["sum", "max"], ["items"], axis=1),
    ]
    table = np.random.default_rng(1).standard_normal((len(words), 4)).astype(np.float32)
    arrays = {"table": table, "last": np.array([2]), "middle": np.array([1])}
    write_graph(folder / "item.onnx", nodes, text_inputs(), ("items", ["n", 2, 4]), arrays)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    for graph in ("prefix.onnx", "score.onnx"):
        (folder / graph).write_bytes(b"of no use here")
    write_manifest(
        folder,
        text_version=text_version,
        tasks=("view",),
        item_tokens=2,
        hidden=4,
        max_prefix_tokens=16,
        max_item_tokens=16,
    )
    return folder


@pytest.fixture
def bundle_for(tmp_path: Path) -> Callable[[str], Path]:
    """A bundle that was made for a text version."""
    return lambda text_version: write_item_bundle(tmp_path / f"bundle-{text_version}", text_version)


def examples_of(workspace: Workspace) -> pl.DataFrame:
    return pl.DataFrame(read_table(workspace.examples)).sort("list_id", "job_id")


def label_small(workspace: Workspace, *flags: str) -> pl.DataFrame:
    from beam_jobs import label

    label.run(["--workspace", str(workspace.root), *SMALL_LISTS, *flags])
    return examples_of(workspace)


def prepare_for_label(raw: Path, root: Path, encoder: Path) -> Workspace:
    """A workspace with everything that `label` reads."""
    from beam_jobs import activity, embed, ingest, verbalize

    workspace = Workspace(root)
    flag = ["--workspace", str(root)]
    ingest.run([*flag, "--source", str(raw), "--now", "2026-06-01T00:00:00Z"])
    verbalize.run(flag)
    shutil.copytree(encoder, workspace.encoder)
    embed.run([*flag, "--tables", "jobs"])
    activity.run(flag)
    return workspace


@pytest.fixture(scope="session")
def small_lists() -> tuple[str, ...]:
    return SMALL_LISTS


@pytest.fixture(scope="session")
def examples() -> Callable[[Workspace], pl.DataFrame]:
    return examples_of


@pytest.fixture(scope="session")
def labelled() -> Callable[..., pl.DataFrame]:
    """Label a workspace by `small_lists` and flags of the test's own; its examples come back."""
    return label_small


@pytest.fixture(scope="session")
def prepare() -> Callable[[Path, Path, Path], Workspace]:
    return prepare_for_label


@pytest.fixture(scope="session")
def raw_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from simulator.market import simulate

    folder = tmp_path_factory.mktemp("market")
    simulate(folder, members=20, jobs=70, events=700, seed=4, start=MARKET_START, days=20)
    return folder


@pytest.fixture(scope="session")
def market(raw_market: Path, tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Workspace:
    """A simulated log with impressions, labelled once. Tests that change something work on a copy."""
    workspace = prepare_for_label(raw_market, tmp_path_factory.mktemp("labelled") / "w", encoder_folder)
    label_small(workspace)
    return workspace


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Workspace], Workspace]:
    def made(workspace: Workspace) -> Workspace:
        shutil.copytree(workspace.root, tmp_path / "copy", symlinks=True)
        return Workspace(tmp_path / "copy")

    return made
