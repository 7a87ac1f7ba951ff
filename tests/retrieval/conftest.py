"""Small real components: an encoder of a few operators, so that no model has to be exported, and a tiny market."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from contracts.arrow import TIME, to_table
from contracts.records import Event, Job
from contracts.tables import write_part
from contracts.text.verbalizer import Verbalizer, content_hash
from contracts.workspace import Workspace
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex

settings.register_profile("rolecall", deadline=None)  # a busy machine is not a failure
settings.load_profile("rolecall")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "nurse", "driver", "python", "developer", "austin", "texas", "truck"]
DIM = 8


def write_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path))


def write_encoder(folder: Path, *, max_tokens: int = 16) -> Path:
    """Mean of word vectors over the mask, L2-normalised: what a sentence encoder does, without the layers."""
    folder.mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(0).standard_normal((len(WORDS), DIM)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["words", "weights"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["total"], keepdims=0),
        helper.make_node("LpNormalization", ["total"], ["vectors"], axis=1, p=2),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "len"]) for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIM])]
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([1]), "middle"),
    ]
    graph = helper.make_graph(nodes, "toy", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "encoder.onnx")
    write_tokenizer(folder / "tokenizer.json")
    about = {"name": "toy", "version": "0123456789ab", "dim": DIM, "max_tokens": max_tokens, "precision": "float32"}
    (folder / "encoder.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def job(job_id: str, title: str, **fields: Any) -> Job:
    return Job(id=job_id, title=title, updated_at=NOW - timedelta(days=100), **fields)


JOBS = (
    job("j1", "Truck Driver", company="Acme", location="Austin, Texas", skills=("driving",)),
    job("j2", "Nurse", company="Mercy", location="Austin, Texas", skills=("care", "driving"), salary_max=90_000),
    job("j3", "Python Developer", company="Acme", location="Dallas, Texas", skills=("python", "c++")),
    job("j4", "Nurse", company="Mercy", location="Boston, Massachusetts", expires_at=NOW - timedelta(days=1)),
    job("j5", "Developer", company="Initech", location="", hidden=True),
    job("j6", "Driver", company="Initech", location="Boston, Massachusetts", posted_at=NOW + timedelta(days=1)),
    job("j7", "Nurses wanted", company="", location="Boston, Massachusetts"),
)


def event(number: int, job_id: str, action: str, time: datetime) -> Event:
    return Event(id=f"e{number}", time=time, member_id="m1", job_id=job_id, action=action)  # type: ignore[arg-type]


EVENTS = (
    event(1, "j1", "view", NOW - timedelta(days=9)),
    event(2, "j1", "view", NOW - timedelta(days=2)),
    event(3, "j7", "view", NOW - timedelta(days=1)),
    event(4, "j7", "apply", NOW - timedelta(days=1)),
    event(5, "j2", "view", NOW),
    event(6, "j2", "impression", NOW - timedelta(days=3)),
    event(7, "unknown", "view", NOW - timedelta(days=3)),
)


def write_workspace(root: Path, jobs: tuple[Job, ...] = JOBS, events: tuple[Event, ...] = EVENTS) -> Workspace:
    """A workspace as the Beam jobs leave it: records, job texts, job vectors and the encoder."""
    workspace = Workspace(root)
    write_encoder(workspace.encoder)
    verbalizer = Verbalizer()
    texts = [verbalizer.job(j) for j in jobs]
    table = to_table(jobs, Job)
    hashes = pa.array([content_hash(text, verbalizer.version) for text in texts])
    write_part(workspace.records / "jobs", table.append_column("row_hash", hashes))
    write_part(workspace.records / "events", to_table(events, Event))
    keys = {
        "job_id": pa.array([j.id for j in jobs], pa.string()),
        "event_timestamp": pa.array([j.updated_at for j in jobs], TIME),
        "created_timestamp": pa.array([j.updated_at for j in jobs], TIME),
    }
    versions = pa.array([verbalizer.version] * len(jobs), pa.string())
    text_rows = {**keys, "text": pa.array(texts, pa.string()), "text_hash": hashes, "text_version": versions}
    write_part(workspace.features / "job_text", pa.table(text_rows))
    encoder = TextEncoder(workspace.encoder)
    lists = pa.array(list(encoder.encode(texts)), pa.list_(pa.float32()))
    made_by = pa.array([encoder.version] * len(jobs), pa.string())
    vector_rows = {**keys, "vector": lists, "vector_hash": hashes, "encoder_version": made_by}
    write_part(workspace.features / "job_vector", pa.table(vector_rows))
    return workspace


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Seven jobs: one expired, one hidden, one not posted yet."""
    workspace = write_workspace(tmp_path_factory.mktemp("market"))
    build_index(workspace)
    return workspace


@pytest.fixture
def index(market: Workspace) -> JobIndex:
    return JobIndex.load(market.index)
