"""A small market taken through every real step to a running service: only the models' weights are left untrained."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import numpy_helper

from contracts.bundle import Blend, Calibration, Manifest, Objective
from contracts.examples import PAIR_FEATURES
from contracts.match import MATCH_VERSION
from contracts.records import Surface
from contracts.tables import read_table
from contracts.tasks import TASKS
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.workspace import Workspace
from models.config import Precision
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from tests.make import once_a_run, tiny_bert

MEMBERS, JOBS, EVENTS = 100, 150, 1_500
ITEM_TOKENS, HIDDEN = 2, 32
SURFACES: tuple[Surface, ...] = ("search", "recommendation")
OBJECTIVE = Objective(order="blend", weights=(0.0, 2.0), floors=(0.0, 0.8), why="a test says so")


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory, backbone: Path) -> Path:
    """The student's real graphs in float32 with initial weights. An export takes many seconds: one serves all."""
    from models.student.student import Student
    from release.export import export_student

    def export(folder: Path) -> None:
        student = Student(backbone, tuple(TASKS), item_tokens=ITEM_TOKENS, score_layers=1, match=True).eval()
        export_student(student, backbone / "tokenizer.json", folder, "float32")

    return once_a_run(tmp_path_factory, "untrained", export)


@pytest.fixture(scope="session")
def turned(tmp_path_factory: pytest.TempPathFactory, untrained: Path) -> Path:
    """The same graphs with other weights: the rows of each table are in reverse order."""

    def turn(folder: Path) -> None:
        shutil.copytree(untrained, folder)
        for path in folder.glob("*.onnx"):
            model = onnx.load(path)
            for weight in model.graph.initializer:
                if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) == 2:
                    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[::-1].copy(), weight.name))
            onnx.save(model, path)

    return once_a_run(tmp_path_factory, "turned", turn)


def write_untrained_bundle(workspace: Workspace, graphs: Path, precision: Precision = "int8") -> Path:
    """A bundle of `untrained` graphs, a calibration of all tasks but `hire`, a blend and its bounds."""
    from release.export import Graphs, quantize_graphs, write_bundle

    tasks, folder = tuple(TASKS), workspace.student / "untrained"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(graphs, folder)
    quantize_graphs(folder, precision)
    verbalizer = Verbalizer(Percentiles.model_validate_json(workspace.percentiles.read_bytes()))
    manifest = Manifest(
        text_version=verbalizer.version,
        tasks=tasks,
        task_sentences=dict(TASKS),
        item_tokens=ITEM_TOKENS,
        hidden=HIDDEN,
        max_prefix_tokens=64,
        max_item_tokens=64,
        precision=precision,
        match_version=MATCH_VERSION,
        good_match=Calibration(logits=(-50.0, 50.0), probabilities=(0.05, 0.75)),
        objectives={surface: OBJECTIVE for surface in SURFACES},
    )
    names = (*PAIR_FEATURES, *tasks)
    weights = np.linspace(1.0, -0.5, len(names))
    blend = Blend(names=names, weights=tuple(weights), means=(0.0,) * len(names), scales=(1.0,) * len(names))
    steps = {task: (Calibration(logits=(-1.0, 1.0), probabilities=(0.1, 0.9)),) for task in tasks if task != "hire"}
    return write_bundle(Graphs(folder, manifest), workspace, calibration=steps, blend=blend, metrics={}, simulated=True)


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once_a_run(tmp_path_factory, "backbone", lambda folder: tiny_bert(folder, layers=2))


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory, backbone: Path, untrained: Path) -> Workspace:
    """About 100 members and 150 jobs, with bundle, index and feature store. Nobody writes to it: see `workspace`."""
    made = once_a_run(tmp_path_factory, "market", lambda folder: _make_market(Workspace(folder), backbone, untrained))
    return Workspace(made)


def _make_market(workspace: Workspace, backbone: Path, untrained: Path) -> None:
    from beam_jobs import activity, embed, ingest, verbalize
    from feature_repo.store import apply, materialize
    from models.encoder.export import export_encoder
    from retrieval.index.build import build_index
    from simulator.market import simulate

    place = ["--workspace", str(workspace.root)]
    simulate(workspace.root / "raw", members=MEMBERS, jobs=JOBS, events=EVENTS, seed=3)
    _hide_some(workspace.root / "raw" / "jobs")
    ingest.run([*place, "--source", str(workspace.root / "raw")])
    verbalize.run(place)
    export_encoder(workspace.encoder, backbone)
    embed.run([*place, "--tables", "jobs"])
    activity.run(place)
    bundle = write_untrained_bundle(workspace, untrained)
    embed.run([*place, "--what", "items", "--bundle", str(bundle)])
    build_index(workspace, bundle)
    apply(workspace)
    materialize(workspace)


def _hide_some(jobs: Path) -> None:
    """Every thirtieth job says of itself that it must not be shown; the simulator makes none such."""
    for path in jobs.glob("*.parquet"):
        table = pq.read_table(path)
        hidden = pa.array([row % 30 == 7 for row in range(table.num_rows)])
        table = table.drop_columns([name for name in ("hidden",) if name in table.column_names])
        pq.write_table(table.append_column("hidden", hidden), path)


@pytest.fixture
def workspace(market: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the market that a test may write to and break."""
    shutil.copytree(market.root, tmp_path / "market")
    return Workspace(tmp_path / "market")


@pytest.fixture
def engine(workspace: Workspace) -> Iterator[Engine]:
    found = Engine(workspace, ServeConfig(deadline=60))
    yield found
    found.close()


@pytest.fixture(scope="session")
def shared(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """One service over a real socket for the tests that only ask, or that post events of a member of their own."""
    root = tmp_path_factory.mktemp("shared") / "market"
    shutil.copytree(market.root, root)
    engine = Engine(Workspace(root), ServeConfig(deadline=60))
    with running(engine) as url:
        yield engine, url


@pytest.fixture(scope="session")
def client(shared: tuple[Engine, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared[1], timeout=60) as found:
        yield found


@pytest.fixture
def served(engine: Engine) -> Iterator[httpx.Client]:
    """A client of a service of the test's own."""
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as found:
        yield found


@pytest.fixture(scope="session")
def member_ids(market: Workspace) -> list[str]:
    return sorted(set(read_table(market.features / "member_text", ["member_id"])["member_id"].to_pylist()))


@pytest.fixture(scope="session")
def someone(member_ids: list[str]) -> Callable[[], str]:
    """A member that no other test posts events for."""
    unused = iter(member_ids)
    return lambda: next(unused)
