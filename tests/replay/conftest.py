"""A tiny market on disk with real components: an encoder and a bundle of a few operators, and the index of its jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from contracts.activity import KNOWN_AFTER, Activity
from contracts.arrow import TIME, to_table
from contracts.bundle import Blend
from contracts.examples import PAIR_FEATURES, TRAINING, scores_schema
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, MEMBER_KEY
from contracts.match import COMPARISONS
from contracts.records import Event, Job, Member
from contracts.tables import write_part
from contracts.text.verbalizer import Verbalizer, content_hash, job_snippet, request_text, title_of_text
from contracts.versions import set_current
from contracts.workspace import Workspace
from ranking.scorer import ItemEncoder
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from tests import make
from tests.make import text_inputs, word_nodes, write_graph, write_manifest, write_word_encoder, write_word_tokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] nurse driver python developer cook truck ward kitchen austin boston".split()  # noqa: SIM905
WIDTH = 8
START = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def member(member_id: str, headline: str, known: float = 0, location: str = "Austin, Texas") -> Member:
    return make.member(member_id, headline, location=location, updated_at=day(known))


def job(job_id: str, title: str, known: float = 0, location: str = "Austin, Texas") -> Job:
    return make.job(job_id, title, company="Acme", location=location, updated_at=day(known))


def event(event_id: str, at: float, member_id: str, job_id: str, action: str, request_id: str = "") -> Event:
    position = 1 if action == "impression" else None
    return make.event(event_id, day(at), member_id, job_id, action, request_id=request_id, position=position)


@dataclass
class Market:
    """What `write` puts on disk. tests: (list_id, member_id, time in days, job ids) of labelled test lists."""

    members: list[Member]
    jobs: list[Job]
    events: list[Event]
    tests: list[tuple[str, str, float, list[str]]]
    tasks: tuple[str, ...] = ("relevance", "view", "apply")

    def write(self, root: Path) -> Workspace:
        workspace = Workspace(root)
        verbalizer = Verbalizer()
        for name, model, rows in (
            ("members", Member, self.members),
            ("jobs", Job, self.jobs),
            ("events", Event, self.events),
        ):
            table = to_table(rows, model)
            hashes = [hashlib.sha256(row.model_dump_json().encode()).hexdigest() for row in rows]
            write_part(workspace.records / name, table.append_column("row_hash", pa.array(hashes)))
        write_encoder(workspace.encoder)
        bundle = write_bundle(workspace, verbalizer.version, self.tasks)
        self._texts(workspace, verbalizer, TextEncoder(workspace.encoder, threads=1), ItemEncoder(bundle, threads=1))
        self._activity(workspace)
        self._pairs(workspace, verbalizer)
        build_index(workspace, bundle)
        return workspace

    def _texts(self, workspace: Workspace, verbalizer: Verbalizer, encoder: TextEncoder, items: ItemEncoder) -> None:
        for kind, key, rows, verbalize in (
            ("member", MEMBER_KEY, self.members, verbalizer.member),
            ("job", JOB_KEY, self.jobs, verbalizer.job),
        ):
            texts = [verbalize(row) for row in rows]  # type: ignore[operator]
            hashes = [content_hash(text, verbalizer.version) for text in texts]
            times = pa.array([row.updated_at for row in rows], TIME)
            keys = {key: [row.id for row in rows]}
            known = {EVENT_TIME: times, CREATED_TIME: times}
            about = {"text": texts, "text_hash": hashes, "text_version": [verbalizer.version] * len(rows)}
            extra = {"location": [row.location for row in rows]} if kind == "member" else {}
            write_part(workspace.features / f"{kind}_text", pa.table({**keys, **about, **extra, **known}))
            made_by = {"encoder_version": [encoder.version] * len(rows)}
            vectors = pa.array(list(encoder.encode(texts, "job")), pa.list_(pa.float32()))
            titles = pa.array(list(encoder.titles([title_of_text(text) for text in texts])), pa.list_(pa.float32()))
            write_part(
                workspace.features / f"{kind}_vector",
                pa.table(
                    {**keys, "vector": vectors, "title_vector": titles, "vector_hash": hashes, **made_by, **known}
                ),
            )
            if kind == "job":
                tokens = items.encode(texts).reshape(len(texts), -1).astype(np.float16)
                table = pa.table(
                    {**keys, "text_hash": hashes, "tokens": pa.array(list(tokens), pa.list_(pa.float16()))}
                )
                write_part(workspace.root / "items" / items.manifest.version, table)

    def _activity(self, workspace: Workspace) -> None:
        snippets = {row.id: job_snippet(row) for row in self.jobs}
        state: dict[str, Activity] = {}
        rows = []
        for found in sorted(self.events, key=lambda e: e.time):
            if found.action == "impression":
                continue
            now = state[found.member_id] = state.get(found.member_id, Activity()).add(found, snippets[found.job_id])
            known = found.time + KNOWN_AFTER
            rows.append((found.member_id, now.to_json(), now.text(), known, known))
        names = [MEMBER_KEY, "activity", "activity_text", EVENT_TIME, CREATED_TIME]
        types = [pa.string(), pa.string(), pa.string(), TIME, TIME]
        columns = zip(*rows, strict=True) if rows else [[]] * 5
        arrays = [pa.array(list(values), kind) for values, kind in zip(columns, types, strict=True)]
        write_part(workspace.features / "member_activity", pa.table(arrays, names=names))

    def _pairs(self, workspace: Workspace, verbalizer: Verbalizer) -> None:
        """Test lists in which the first job was viewed, grades fall by place, and the features are made up."""
        about = {m.id: verbalizer.member(m) for m in reversed(self.members)}  # the first version: as things were then
        texts = {j.id: verbalizer.job(j) for j in reversed(self.jobs)}
        rng = np.random.default_rng(0)
        rows = [
            {
                "list_id": list_id,
                "member_id": member_id,
                "query": "",
                "job_id": job_id,
                "event_timestamp": day(at),
                "split": "test",
                "stratum": "logged",
                "position": place + 1,
                "propensity": 0.5,
                "view": float(place == 0),
                "apply": 0.0 if "apply" in self.tasks else None,
                "dismiss": None,
                "hire": None,
                "grade": max(4 - place, 0),
                **{name: float(rng.random()) for name in PAIR_FEATURES},
                "match": [0] * len(COMPARISONS),
                "request_text": request_text(about[member_id]),
                "job_text": texts[job_id],
                "text_version": verbalizer.version,
            }
            for list_id, member_id, at, jobs in self.tests
            for place, job_id in enumerate(jobs)
        ]
        table = pa.Table.from_pylist(rows, schema=TRAINING)
        write_part(workspace.training, table)
        write_part(workspace.examples, table.drop(["request_text", "job_text", "text_version"]))
        for teacher, tasks in (("policy", ("relevance",)), ("click", self.tasks[1:])):
            columns = [
                table["list_id"],
                table["job_id"],
                *(pa.array(rng.normal(size=len(rows)).astype(np.float32)) for _ in tasks),
            ]
            folder = workspace.scores / teacher
            folder.mkdir(parents=True)
            pq.write_table(pa.table(columns, schema=scores_schema(tasks)), folder / "v1.parquet")
            set_current(folder, "v1.parquet")


def write_encoder(folder: Path) -> None:
    write_word_encoder(folder, WORDS, max_tokens=32, seed=1)


def write_bundle(workspace: Workspace, text_version: str, tasks: tuple[str, ...]) -> Path:
    """items: a job's summed word vectors; prefix: the request's; a logit: their product, scaled for each task."""
    folder = workspace.bundles / "staged"
    folder.mkdir(parents=True)
    item = [*word_nodes(), helper.make_node("ReduceSum", ["kept", "middle"], ["items"], keepdims=1)]
    write_graph(folder / "item.onnx", item, text_inputs(), ("items", ["n", 1, WIDTH]), CONSTANTS)
    prefix = [
        *word_nodes(),
        helper.make_node("Unsqueeze", ["kept", "front"], ["keys"]),
        helper.make_node("Concat", ["keys", "keys"], ["prefix_kv"], axis=1),
    ]
    write_graph(folder / "prefix.onnx", prefix, text_inputs(), ("prefix_kv", [1, 2, 1, "len", WIDTH]), CONSTANTS)
    score = [
        helper.make_node("ReduceMean", ["prefix_kv", "all"], ["asked"], keepdims=0),
        helper.make_node("MatMul", ["items", "asked"], ["matched"]),
        helper.make_node("MatMul", ["matched", "head"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info("prefix_kv", TensorProto.FLOAT, [1, 2, 1, "len", WIDTH]),
        helper.make_tensor_value_info("items", TensorProto.FLOAT, ["n", 1, WIDTH]),
    ]
    head = {"head": np.array([[1.0, 0.5, 0.1][: len(tasks)]], np.float32)}
    write_graph(folder / "score.onnx", score, inputs, ("logits", ["n", len(tasks)]), CONSTANTS | head)
    write_word_tokenizer(folder / "tokenizer.json", WORDS)
    names = (*PAIR_FEATURES, *tasks)
    even = (1.0,) * len(names)
    manifest = write_manifest(
        folder,
        text_version=text_version,
        tasks=tasks,
        item_tokens=1,
        hidden=WIDTH,
        max_prefix_tokens=32,
        max_item_tokens=32,
        blend=Blend(names=names, weights=even, means=(0.0,) * len(names), scales=even),
        lineage={"teachers": {"policy": "v1", "click": "v1"}},
    )
    bundle = folder.rename(workspace.bundles / manifest.version)
    set_current(workspace.bundles, manifest.version)
    return bundle


CONSTANTS = {
    "table": np.random.default_rng(1).standard_normal((len(WORDS), WIDTH)).astype(np.float32),
    "last": np.array([2]),
    "middle": np.array([1]),
    "front": np.array([0, 1]),
    "all": np.array([0, 1, 2, 3]),
}


def shown_market() -> Market:
    """A log with impressions: ten requests, of which r3 and r4 come last and are held out."""
    members = [member("m1", "truck driver"), member("m2", "ward nurse"), member("m3", "kitchen cook")]
    titles = ("truck driver", "driver", "ward nurse", "nurse", "kitchen cook", "cook", "python developer", "developer")
    jobs = [job(f"j{i}", title) for i, title in enumerate(titles, start=1)]
    lists = [(f"a{i}", 0.1 * i + 0.1, "m3", "57") for i in range(6)]
    lists += [("r1", 1, "m1", "1357"), ("r2", 2, "m2", "3571"), ("r3", 8, "m1", "2461"), ("r4", 9, "m2", "4182")]
    events = []
    for request, at, who, shown in lists:
        events += [event(f"{request}i{n}", at, who, f"j{n}", "impression", request) for n in shown]
        events.append(event(f"{request}v", at + 0.01, who, f"j{shown[0]}", "view", request))
    events += [
        event("r1a", 1.1, "m1", "j1", "apply", "r1"),
        event("r4a", 9.1, "m2", "j4", "apply", "r4"),
        event("r4w", 9.2, "m2", "j8", "view", "r4"),
    ]
    tests = [("r3", "m1", 8.0, ["j2", "j4", "j6"]), ("r4", "m2", 9.0, ["j4", "j1", "j8"])]
    return Market(members, jobs, events, tests)


def viewed_market() -> Market:
    """A log of views alone: m1 viewed three jobs and one of them again, m2 two, m3 one."""
    market = shown_market()
    views = [
        ("e1", 1, "m1", "j1"),
        ("e2", 2, "m1", "j2"),
        ("e3", 3, "m2", "j3"),
        ("e4", 4, "m2", "j4"),
        ("e5", 5, "m1", "j7"),
        ("e6", 6, "m1", "j1"),
        ("e7", 7, "m3", "j5"),
    ]
    market.events = [event(name, at, who, what, "view", f"q{name}") for name, at, who, what in views]
    market.tasks = ("relevance", "view")  # nothing tells of applications, so nothing learned them
    market.tests = [("qe5", "m1", 5.0, ["j7", "j3"]), ("qe4", "m2", 4.0, ["j4", "j1"])]
    return market


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return shown_market().write(tmp_path_factory.mktemp("shown"))


@pytest.fixture(scope="session")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return viewed_market().write(tmp_path_factory.mktemp("viewed"))


@pytest.fixture
def make_market() -> Callable[[str], Market]:
    """A market that a test may change before it is written."""
    return lambda name: {"shown": shown_market, "viewed": viewed_market}[name]()


@pytest.fixture(name="day", scope="session")
def day_fixture() -> Callable[[float], datetime]:
    return day


@pytest.fixture(name="job", scope="session")
def job_fixture() -> Callable[..., Job]:
    return job


@pytest.fixture(name="member", scope="session")
def member_fixture() -> Callable[..., Member]:
    return member


@pytest.fixture(name="event", scope="session")
def event_fixture() -> Callable[..., Event]:
    return event
