"""What the golden sample holds: every pattern and kind, random and retrieved jobs, and records as they were then."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.errors import NotReady
from contracts.examples import EXAMPLES
from contracts.match import COMPARISONS
from contracts.records import Event, Job, Member
from contracts.tables import read_table, write_part
from policy import load_policy
from policy.golden.sample import Vocabulary, _cell_sizes, sample_pairs
from simulator.market import EPOCH
from tests.make import refused

POLICY = load_policy()
THEN = EPOCH + timedelta(days=20_000)


@pytest.mark.parametrize(
    ("query", "pattern"),
    [
        ("", "recommendation"),
        ("registered nurse", "title"),
        ("nurse in Boston", "title+place"),
        ("nurse Boston, MA", "title+place"),
        ("nurse at Acme Health", "title+company"),
        ("acme health nurse in boston", "title+company+place"),
        ("Python", "skill"),
        ("python in Boston", "skill+place"),
        ("Acme Health", "company"),
        ("Boston", "place"),
        ("mobile developer", "title"),
        ("cooking", "title"),
        ("the", "title"),
    ],
)
def test_a_query_falls_into_a_pattern(query: str, pattern: str) -> None:
    words = Vocabulary(["Acme Health", "", None], ["Boston, MA", "Mobile, AL", ""], ["Python", "cooking"], ["cooking"])
    assert words.pattern(query) == pattern


@given(st.dictionaries(st.integers(), st.integers(0, 500), max_size=12), st.integers(1, 800))
def test_rooms_add_up_and_no_cell_gives_more_than_it_has(sizes: dict[int, int], total: int) -> None:
    rooms = _cell_sizes(sizes, total)
    assert sum(rooms.values()) == min(total, sum(sizes.values()))
    assert all(0 <= rooms[cell] <= size for cell, size in sizes.items())


def test_a_rare_pattern_gets_more_than_its_share_and_a_common_one_the_most() -> None:
    rooms = _cell_sizes({"common": 9_000, "rare": 100, "rarest": 4}, 110)
    assert rooms["common"] > rooms["rare"] > rooms["rarest"] >= 2
    assert rooms["rare"] > 110 * 100 / 9_104


def test_the_sample_holds_every_pattern_and_kind_and_random_jobs(market: Path) -> None:
    pairs = sample_pairs(market, POLICY, 200, seed=3)
    assert len({pair.pair_id for pair in pairs}) == len(pairs) == 200
    kinds = Counter((pair.stratum, pair.kind) for pair in pairs)
    assert {"recommendation", "title", "title+place", "skill"} <= {pattern for pattern, _ in kinds}
    assert min(Counter(kind for _, kind in kinds.elements()).values()) > 40
    assert Counter(pair.source for pair in pairs)["random"] == pytest.approx(50, abs=6)


def test_the_same_seed_draws_the_same_pairs_and_another_one_others(market: Path) -> None:
    assert sample_pairs(market, POLICY, 60, seed=3) == sample_pairs(market, POLICY, 60, seed=3)
    one, other = ({pair.pair_id for pair in sample_pairs(market, POLICY, 60, seed)} for seed in (3, 4))
    assert len(one & other) < 20


def tables(folder: Path, queries: list[str]) -> None:
    """A cashier who wishes to weld, seen as a welder later, and what was shown to them."""
    shared = {"id": "m", "skills": ["Cash handling"], "preferences": {"titles": ["Welder"]}}
    members = [
        Member.model_validate(shared | {"headline": "Cashier", "updated_at": THEN - timedelta(days=9)}),
        Member.model_validate(shared | {"headline": "Welder", "updated_at": THEN + timedelta(days=9)}),
    ]
    jobs = [
        Job(id=f"j{i}", title=f"Cashier {i}", posted_at=THEN, updated_at=THEN + timedelta(days=i)) for i in range(3)
    ]
    events = [
        Event(id=f"e{i}", time=THEN, member_id="m", query=query, job_id="j0", action="impression")
        for i, query in enumerate(queries)
    ]
    for name, records, model in (("members", members, Member), ("jobs", jobs, Job), ("events", events, Event)):
        write_part(folder / name, to_table(records, model), "all")


def test_who_asks_for_what_they_are_not_is_aspirational(tmp_path: Path) -> None:
    tables(tmp_path, ["", "cashier", "welder", "cash handling"])
    kinds = {pair.query: pair.kind for pair in sample_pairs(tmp_path, POLICY, 50)}
    assert kinds == {"": "aspirational", "cashier": "existing", "welder": "aspirational", "cash handling": "existing"}


def test_a_pair_holds_the_member_as_they_were(tmp_path: Path) -> None:
    tables(tmp_path, ["cashier"])
    assert {pair.member.headline for pair in sample_pairs(tmp_path, POLICY, 50) if pair.member} == {"Cashier"}


def test_a_record_asked_before_it_was_known_is_its_first_version(tmp_path: Path) -> None:
    tables(tmp_path, ["cashier"])
    asked = Event(id="e", time=THEN - timedelta(days=99), member_id="m", query="welder", job_id="j2", action="view")
    write_part(tmp_path / "events", to_table([asked], Event), "earlier")
    pairs = [pair for pair in sample_pairs(tmp_path, POLICY, 50) if pair.query == "welder"]
    assert {(pair.member.headline, pair.job.title) for pair in pairs if pair.source == "logged" and pair.member} == {
        ("Cashier", "Cashier 2")
    }


def test_a_job_that_was_hidden_or_had_ended_by_its_version_of_then_is_not_drawn(tmp_path: Path) -> None:
    tables(tmp_path, ["cashier", "welder"])
    before, after = THEN - timedelta(days=2), THEN + timedelta(days=2)
    jobs = [Job(id=f"hidden{i}", title="Baker", hidden=True, updated_at=before) for i in range(9)]
    for i in range(9):
        jobs += (
            Job(id=f"ended{i}", title="Baker", updated_at=before),
            Job(id=f"ended{i}", title="Baker", expires_at=before, updated_at=THEN),
        )
        jobs += (
            Job(id=f"open{i}", title="Baker", updated_at=before),
            Job(id=f"open{i}", title="Baker", hidden=True, updated_at=after),
        )
    write_part(tmp_path / "jobs", to_table(jobs, Job), "more")
    for seed in range(8):
        drawn = [pair.job.id for pair in sample_pairs(tmp_path, POLICY, 9, seed) if pair.source == "random"]
        assert len(drawn) == 2
        assert all(name.startswith(("open", "j")) for name in drawn)


def test_retrieved_jobs_are_drawn_where_label_has_run(market: Path, tmp_path: Path) -> None:
    events, jobs = read_table(market / "events"), read_table(market / "jobs")["id"].to_pylist()
    rows = [
        {field.name: 0.0 for field in EXAMPLES if not field.nullable}
        | {"match": [0] * len(COMPARISONS)}
        | {"list_id": row["request_id"], "member_id": row["member_id"], "query": row["query"], "split": "train"}
        | {"job_id": jobs[i % len(jobs)], "event_timestamp": row["time"], "stratum": ("retrieved", "logged")[i % 2]}
        for i, row in enumerate(events.slice(0, 400).to_pylist())
    ]
    write_part(tmp_path, pa.Table.from_pylist(rows, EXAMPLES), "all")
    sources = Counter(pair.source for pair in sample_pairs(market, POLICY, 120, examples=tmp_path))
    assert sources["retrieved"] > 20
    assert sources["logged"] > 20


def test_a_random_job_was_open_when_it_was_asked_for(tmp_path: Path) -> None:
    tables(tmp_path, ["cashier", "welder"])
    ends = {"past": THEN - timedelta(days=1), "open": THEN + timedelta(days=1)}
    jobs = [
        Job(id=f"{name}{i}", title="Baker", expires_at=end, updated_at=THEN)
        for name, end in ends.items()
        for i in range(9)
    ] + [Job(id=f"later{i}", title="Baker", posted_at=THEN + timedelta(days=1), updated_at=THEN) for i in range(9)]
    write_part(tmp_path / "jobs", to_table(jobs, Job), "more")
    for seed in range(8):
        drawn = [pair.job.id for pair in sample_pairs(tmp_path, POLICY, 9, seed) if pair.source == "random"]
        assert len(drawn) == 2
        assert all(name.startswith(("open", "j")) for name in drawn)


def test_a_workspace_without_events_is_told(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path / "events", "rolecall ingest"):
        sample_pairs(tmp_path, POLICY, 10)
    tables(tmp_path, [])
    with refused(NotReady, tmp_path):
        sample_pairs(tmp_path, POLICY, 10)
