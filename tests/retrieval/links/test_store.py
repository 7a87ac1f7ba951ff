"""From a workspace's records to stored links, and back."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from contracts.arrow import to_table
from contracts.errors import BadInput, IndexMismatch, NotReady, TooFewHires
from contracts.records import Event, Job, Member
from contracts.tables import write_part
from contracts.workspace import Workspace
from retrieval.links.config import LinksConfig
from retrieval.links.learn import build_links
from retrieval.links.store import ABOUT, LinkStore
from retrieval.links.values import Value, job_values, member_values
from tests.make import refused

START = datetime(2026, 1, 1, tzinfo=UTC)
KNOBS = LinksConfig(liquidity=3)
TRADES = {"Nurse": "Triage", "Baker": "Sourdough", "Pilot": "Navigation"}


def market(root: Path, hires: bool = True) -> Workspace:
    """Members of three trades, jobs of the same; everyone sees two jobs of each trade and is hired in their own."""
    place = Workspace(root)
    trades = [*TRADES] * 4
    members = [
        Member(id=f"m{i:02}", headline=f"Senior {trade}", skills=(TRADES[trade], "Email"), updated_at=START)
        for i, trade in enumerate(trades)
    ]
    jobs = [
        Job(id=f"j{i:02}", title=f"{trade} @ Acme", company="Acme", updated_at=START, hidden=i == 11)
        for i, trade in enumerate(trades)
    ]
    seen = [
        (m, j, "hire" if hires and trades[m] == trades[j] and j < 3 else "impression")
        for m in range(len(trades))
        for j in range(6)
    ]
    events = [
        Event(id=f"e{n}", time=START + timedelta(minutes=n), member_id=f"m{m:02}", job_id=f"j{j:02}", action=action)
        for n, (m, j, action) in enumerate(seen)
    ]
    for name, rows, model in (("members", members, Member), ("jobs", jobs, Job), ("events", events, Event)):
        write_part(place.records / name, to_table(rows, model), "0")
    return place


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    place = market(tmp_path_factory.mktemp("links"))
    build_links(place, KNOBS)
    return place


@pytest.fixture
def store(built: Workspace) -> LinkStore:
    return LinkStore.load(built.link_graph)


def test_members_are_led_to_jobs_of_their_trade(store: LinkStore):
    hits = store.search("m00", 10)
    assert [store.job_ids[row] for row in hits.rows] == ["j00", "j03", "j06", "j09"]
    assert store.shared("m00", hits.rows[0])[0].hires == 4
    assert store.shared("m00", 1) == []


def test_a_level_or_a_skill_that_all_have_leads_nowhere(store: LinkStore):
    assert all(Value("skills", "email") not in link.member for link in store.graph.links)


def test_the_same_records_give_the_same_version(built: Workspace, tmp_path: Path):
    again = market(tmp_path)
    assert build_links(again, KNOBS).name == built.link_graph.name
    assert build_links(again, KNOBS.model_copy(update={"liquidity": 1})).name != built.link_graph.name


def test_what_is_loaded_is_what_was_saved(built: Workspace, store: LinkStore, tmp_path: Path):
    folder = store.save(tmp_path)
    for part in ("links.parquet", "members.parquet", "jobs.parquet", ABOUT):
        assert (folder / part).read_bytes() == (built.link_graph / part).read_bytes()


def test_more_liquidity_keeps_the_links_that_were_given(store: LinkStore, tmp_path: Path):
    assert all(len(store.search(f"m{i:02}", 20).rows) >= 3 for i in range(12))
    wide = LinkStore.load(build_links(market(tmp_path), KNOBS.model_copy(update={"liquidity": 12})))
    for member in ("m00", "m02"):
        few, many = store.nodes(member), wide.nodes(member)
        assert many[: len(few)].tolist() == few.tolist()


def test_other_jobs_are_linked_by_their_records(store: LinkStore):
    other = [("j50", "Nurse"), ("j05", "Pilot"), ("j51", "Pilot"), ("j52", "Gardener")]
    over = store.over(Job(id=name, title=title, updated_at=START).model_dump() for name, title in other)
    hits = over.search("m02", 5)
    assert [over.job_ids[row] for row in hits.rows] == ["j05", "j51"]
    assert over.version != store.version and over.about.until == store.about.until


def test_a_record_alone_gives_the_links_that_its_member_was_given(store: LinkStore):
    member = Member(id="new", headline="Senior Nurse", skills=("Triage", "Email"), updated_at=START).model_dump()
    open_jobs = np.arange(12) != 11  # the hidden one
    np.testing.assert_array_equal(store.nodes_of(member, open_jobs), store.nodes("m00"))
    assert len(store.nodes_of(member, np.zeros(12, bool))) >= len(store.nodes("m00"))


def test_a_member_who_is_not_known_has_no_links(store: LinkStore):
    assert not store.knows("nobody") and len(store.nodes("nobody")) == 0


def test_a_log_without_hires_teaches_nothing(tmp_path: Path):
    with refused(TooFewHires, "72 events", "`hire`"):
        build_links(market(tmp_path, hires=False), KNOBS)
    assert not Workspace(tmp_path).links.exists()


def test_too_few_hires_for_any_link_is_said(tmp_path: Path):
    with refused(TooFewHires, 50, "12 hires", "least_hires"):
        build_links(market(tmp_path), KNOBS.model_copy(update={"least_hires": 50}))


def test_hires_of_members_without_a_record_are_no_hires(tmp_path: Path):
    place = market(tmp_path)
    shutil.rmtree(place.records / "members")
    stranger = Member(id="stranger", headline="Nurse", updated_at=START)
    write_part(place.records / "members", to_table([stranger], Member), "0")
    with refused(TooFewHires, "members", "records"):
        build_links(place, KNOBS)


def test_a_workspace_without_links_names_the_command(tmp_path: Path):
    with refused(NotReady, tmp_path, "rolecall links learn"):
        LinkStore.load(tmp_path)
    with refused(NotReady, tmp_path, "rolecall links learn"):
        _ = Workspace(tmp_path).link_graph


@pytest.mark.parametrize("part", ["links.parquet", "members.parquet", "jobs.parquet"])
def test_a_broken_part_is_not_served(built: Workspace, tmp_path: Path, part: str):
    folder = tmp_path / "links"
    shutil.copytree(built.link_graph, folder)
    (folder / part).write_bytes(b"half")
    with refused(IndexMismatch, part, "rolecall links learn", where=folder):
        LinkStore.load(folder)


def test_a_graph_edited_by_hand_is_not_served(built: Workspace, tmp_path: Path):
    folder = tmp_path / "links"
    shutil.copytree(built.link_graph, folder)
    about = json.loads((folder / ABOUT).read_text())
    (folder / ABOUT).write_text(json.dumps(about | {"liquidity": 99}))
    with refused(IndexMismatch, about["version"], "rolecall links learn", where=folder):
        LinkStore.load(folder)


def test_a_folder_is_written_whole_or_not_at_all(store: LinkStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as disk:
        disk.setattr("retrieval.links.store._nodes", full)
        with pytest.raises(OSError, match="no space"):
            store.save(tmp_path)
    assert not (tmp_path / store.version).exists()
    np.testing.assert_array_equal(LinkStore.load(store.save(tmp_path)).nodes("m00"), store.nodes("m00"))
    assert [path.name for path in tmp_path.iterdir()] == [store.version]


def test_edits_that_do_not_fit_leave_the_links_as_they_were(built: Workspace, tmp_path: Path):
    before, path = built.link_graph, tmp_path / "edits.yaml"
    path.write_text(
        "edits:\n  - forbid: {member: {skills: Singing}, job: {title: Nurse}}\n"
        "    who: ann\n    when: 2026-02-01\n    why: none\n"
    )
    with refused(BadInput, "line 2", "member.skills", "'Singing'", where=path):
        build_links(built, KNOBS.model_copy(update={"edits": path}))
    assert built.link_graph == before


def test_values_are_read_from_every_part_of_a_record():
    member = Member.model_validate(
        {
            "id": "m",
            "updated_at": START,
            "location": "Austin, TX",
            "seniority": "senior",
            "skills": ["Go "],
            "positions": [
                {"title": "Junior Baker", "industry": "Food", "start": "2010-01-01", "end": "2012-01-01"},
                {"title": "Lead Nurse", "company": "Mercy", "industry": "Health", "start": "2012-02-01"},
            ],
            "education": [{"degree": "BSc"}],
            "preferences": {"titles": ["Senior Midwife"], "locations": ["Boise, ID"], "workplace": ["remote"]},
        }
    )
    assert set(map(str, member_values(member.model_dump(), title))) == {
        "title=nurse",
        "company=mercy",
        "word=nurse",
        "wish=midwife",
        "word=midwife",
        "skills=go",
        "seniority=senior",
        "industry=food",
        "industry=health",
        "place=austin, texas",
        "region=texas",
        "place=boise, idaho",
        "region=idaho",
        "workplace=remote",
        "degree=bsc",
    }
    job = Job(
        id="j",
        title="Nurse @ Mercy",
        company="Mercy",
        location="Austin, TX",
        workplace="remote",
        skills=("Go",),
        seniority="senior",
        employment="contract",
        industry="Health",
        updated_at=START,
    )
    assert set(map(str, job_values(job.model_dump(), title))) == {
        "title=nurse",
        "word=nurse",
        "company=mercy",
        "place=austin, texas",
        "region=texas",
        "workplace=remote",
        "skills=go",
        "seniority=senior",
        "employment=contract",
        "industry=health",
    }


def title(text: str) -> str:
    return text.casefold().split(maxsplit=1)[-1]


def test_a_member_without_positions_is_titled_by_the_headline():
    values = member_values(Member(id="m", headline="Senior Nurse", updated_at=START).model_dump(), title)
    assert values == {Value("title", "nurse"), Value("word", "nurse")}


def held_out_market(root: Path, seen: list[tuple[int, int, str]]) -> Workspace:
    """The market, and what came of a second round half a day later."""
    place = market(root)
    events = [
        Event(
            id=f"h{n}", time=START + timedelta(hours=12, minutes=n), member_id=f"m{m:02}", job_id=f"j{j:02}", action=a
        )
        for n, (m, j, a) in enumerate(seen)
    ]
    write_part(place.records / "events", to_table(events, Event), "later")
    return place


def test_later_hires_that_the_links_find_prove_them(tmp_path: Path):
    place = held_out_market(tmp_path, [(m, m % 3 + 3, "hire") for m in range(12)])
    store = LinkStore.load(build_links(place, KNOBS, START + timedelta(hours=12)))
    held_out = store.about.held_out
    assert held_out is not None and held_out.is_proof
    assert (held_out.hires, held_out.found) == (12, 12) and held_out.joined < held_out.drawn
    assert "of 12 later hires 12 are found (100%)" in store.about.told
    assert "12 of 12 members have one" in store.about.told


def test_links_that_later_hires_do_not_prove_are_not_served(tmp_path: Path):
    """Everyone goes into another trade later."""
    place = held_out_market(tmp_path, [(m, (m + 1) % 3 + 3, "hire") for m in range(12)])
    with refused(TooFewHires, "12 hires taught", "not proven: of 12 later hires 0 are found (0%)", "proven: false"):
        build_links(place, KNOBS, START + timedelta(hours=12))
    assert not (place.links / "CURRENT").exists()
    assert build_links(place, KNOBS.model_copy(update={"proven": False}), START + timedelta(hours=12)).is_dir()
