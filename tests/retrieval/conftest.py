"""Small real components: an encoder of a few operators, so that no model has to be exported, and a tiny market."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.arrow import TIME, to_table
from contracts.records import Event, Job
from contracts.tables import write_part
from contracts.text.verbalizer import Verbalizer, content_hash, title_of_text
from contracts.workspace import Workspace
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from tests import make
from tests.make import NOW, job, write_word_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "nurse", "driver", "python", "developer", "austin", "texas", "truck"]
DIM = 8


def write_encoder(folder: Path, *, max_tokens: int = 16) -> Path:
    return write_word_encoder(folder, WORDS, max_tokens=max_tokens, seed=0)


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


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
    return make.event(f"e{number}", time, job_id=job_id, action=action)


EVENTS = (
    event(1, "j1", "view", NOW - timedelta(days=9)),
    event(2, "j1", "view", NOW - timedelta(days=2)),
    event(3, "j7", "view", NOW - timedelta(days=1)),
    event(4, "j7", "apply", NOW - timedelta(days=1)),
    event(5, "j2", "view", NOW),
    event(6, "j2", "impression", NOW - timedelta(days=3)),
    event(7, "nowhere", "view", NOW - timedelta(days=3)),
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
    lists = pa.array(list(encoder.encode(texts, "job")), pa.list_(pa.float32()))
    titles = pa.array(list(encoder.titles([title_of_text(text) for text in texts])), pa.list_(pa.float32()))
    made_by = pa.array([encoder.version] * len(jobs), pa.string())
    vector_rows = {**keys, "vector": lists, "title_vector": titles, "vector_hash": hashes, "encoder_version": made_by}
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
