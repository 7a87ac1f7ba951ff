"""Learned links as a source of the job index: who gets them, what they find and why, and what they may know."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.activity import Activity
from contracts.arrow import to_table
from contracts.errors import IndexMismatch, NotReady
from contracts.records import Event, Job, Member
from contracts.tables import write_part
from contracts.workspace import Workspace
from retrieval.config import Learned, RetrievalConfig
from retrieval.filters.filters import Filter, none_of
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.links.config import LinksConfig
from retrieval.links.learn import build_links, leave_without_links
from retrieval.links.store import LinkStore, current_links
from retrieval.links.values import Value, job_values, member_values
from retrieval.request import Request, build_request
from tests import make
from tests.retrieval.conftest import NOW, write_workspace

SPLIT = NOW
"""Links are learned from what came before."""
SHARES = {"dense": 0.15, "recent": 0.2, "terms": 0.3, "popular": 0.15, "links": 0.2}
ASKED = RetrievalConfig(recommend=SHARES)
TRADES = {"Nurse": "Triage", "Driver": "Lifting", "Developer": "Python"}
KNOBS = LinksConfig(liquidity=3, proven=False)


def member(number: int, trade: str, known: datetime = NOW - timedelta(days=90), **fields: Any) -> Member:
    held = {"headline": f"Senior {trade}", "skills": (TRADES[trade], "Email")} | fields
    return Member(id=f"m{number:02}", updated_at=known, **held)


def job(number: int, trade: str, **fields: Any) -> Job:
    held = {"title": trade, "company": "Acme", "updated_at": NOW - timedelta(days=90)}
    return Job(id=f"j{number:02}", **held | fields)


def event(name: str, who: int, what: int, action: str, time: datetime) -> Event:
    return make.event(name, time, f"m{who:02}", f"j{what:02}", action)


def market() -> tuple[list[Member], list[Job], list[Event]]:
    """Members of three trades, jobs of the same; everyone sees two jobs of each trade and is hired in their own."""
    trades = [*TRADES] * 4
    members = [member(i, trade) for i, trade in enumerate(trades)]
    jobs = [job(i, trade, company=f"Firm {i}") for i, trade in enumerate(trades)]
    events = [
        event(
            f"e{m}-{j}",
            m,
            j,
            "hire" if trades[m] == trades[j] and j < 3 else "impression",
            SPLIT - timedelta(days=20, minutes=-m),
        )
        for m in range(len(trades))
        for j in range(6)
    ]
    return members, jobs, events


def write(root: Path, members: list[Member], jobs: list[Job], events: list[Event]) -> Workspace:
    place = write_workspace(root, tuple(jobs), tuple(events))
    write_part(place.records / "members", to_table(members, Member))
    return place


def built(place: Workspace, config: RetrievalConfig = ASKED) -> JobIndex:
    build_links(place, KNOBS, SPLIT)
    return JobIndex.load(build_index(place, retrieval=config, links=current_links(place)))


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    place = write(tmp_path_factory.mktemp("linked"), *market())
    built(place)
    return place


@pytest.fixture
def index(linked: Workspace) -> JobIndex:
    return JobIndex.load(linked.index)


def ask(**fields: Any) -> Request:
    return replace(build_request("", Activity(), "", "", Filter(), SPLIT), **fields)


def of_links(index: JobIndex, request: Request) -> list[str]:
    found = index.search(request)
    return [job_id for i, job_id in enumerate(found.ids) if "links" in found.found_by(i)]


def test_a_known_member_is_led_to_jobs_of_their_trade(index: JobIndex):
    assert sorted(of_links(index, ask(member_id="m00"))) == ["j00", "j03", "j06", "j09"]


def test_someone_known_by_their_record_alone_is_led_there_too(index: JobIndex):
    """Someone new, or a profile in the request; what it says goes before what is stored of the member."""
    new = member(99, "Nurse").model_dump()
    assert sorted(of_links(index, ask(member=new))) == ["j00", "j03", "j06", "j09"]
    assert sorted(of_links(index, ask(member=new, member_id="m01"))) == ["j00", "j03", "j06", "j09"]


def test_a_stranger_is_answered_by_the_other_sources(index: JobIndex):
    for request in (ask(), ask(member_id="nobody")):
        found = index.search(request)
        assert len(found) and "links" not in found.sources and not any(found.reasons)


def test_a_reason_names_a_link_that_member_and_job_both_have(index: JobIndex, linked: Workspace):
    members, jobs, _ = market()
    reading = LinkStore.load(linked.link_graph)._reading
    by_sentence = {link.explain(): link for link in index.links.graph.links}  # type: ignore[union-attr]
    for asking in members:
        found = index.search(ask(member_id=asking.id))
        assert len(found.reasons) == len(found)
        for i, reason in enumerate(found.reasons):
            assert bool(reason) == ("links" in found.found_by(i))
            if reason:
                link = by_sentence[reason]
                assert set(link.member) <= member_values(asking.model_dump(), *reading)
                assert set(link.job) <= job_values(jobs[int(found.ids[i][1:])].model_dump(), *reading)
    assert "members whose work is nurse were hired for work as nurse: 4 hires, weight" in " ".join(
        index.search(ask(member_id="m00")).reasons
    )


def test_a_job_that_the_links_did_not_find_has_no_reason_although_one_fits(tmp_path: Path):
    """The first two of the links are others, and the two most popular nurses' jobs take the places."""
    members, jobs, events = market()
    events += [event(f"v{i}-{what}", i, what, "view", SPLIT - timedelta(days=1)) for what in (6, 9) for i in range(3)]
    shares = dict.fromkeys(SHARES, 0.0) | {"popular": 0.7, "links": 0.3}
    index = built(write(tmp_path, members, jobs, events), RetrievalConfig(recommend=shares))
    found = index.search(ask(member_id="m00"), k=2)
    assert sorted(found.ids) == ["j06", "j09"] and found.found_by(0) == found.found_by(1) == ("popular",)
    assert not any(found.reasons)


def test_a_link_never_leads_past_the_filter(index: JobIndex):
    request = ask(member_id="m00", filter=none_of("company", "Firm 3"), exclude=frozenset({"j06"}))
    assert sorted(of_links(index, request)) == ["j00", "j09"]


def test_links_have_their_share_of_places(index: JobIndex):
    """`popular` alone would fill the list with the first jobs."""
    found = index.search(ask(member_id="m02"), k=5)
    assert sum("links" in found.found_by(i) for i in range(len(found))) >= 1


def test_a_source_without_a_share_is_not_asked(linked: Workspace, tmp_path: Path):
    place = write(tmp_path, *market())
    index = built(place, RetrievalConfig())
    assert index.manifest.links == place.link_graph.name
    found = index.search(ask(member_id="m00"))
    assert "links" not in found.sources and not any(found.reasons)


def test_a_workspace_without_links_has_an_index_without_them(tmp_path: Path):
    place = write(tmp_path, *market())
    assert current_links(place) is None
    index = JobIndex.load(build_index(place, retrieval=ASKED, links=current_links(place)))
    assert index.links is None and index.manifest.links == ""
    assert len(index.search(ask(member_id="m00")))
    built(place)
    leave_without_links(place, "no hire")
    assert current_links(place) is None and Workspace(tmp_path).links.is_dir()


def test_an_index_answers_alone(linked: Workspace, index: JobIndex, tmp_path: Path):
    alone = JobIndex.load(Path(shutil.copytree(linked.index, tmp_path / "index")))
    assert of_links(alone, ask(member_id="m00")) == of_links(index, ask(member_id="m00"))


def test_other_links_or_knobs_make_another_index(linked: Workspace, tmp_path: Path):
    place = write(tmp_path, *market())
    assert built(place).version == linked.index.name
    assert built(place, RetrievalConfig()).version != linked.index.name
    build_links(place, KNOBS.model_copy(update={"liquidity": 1}), SPLIT)
    assert build_index(place, retrieval=ASKED, links=current_links(place)).name != linked.index.name


def test_a_job_that_came_after_the_links_is_linked(tmp_path: Path):
    members, jobs, events = market()
    place = write(tmp_path, members, jobs, events)
    build_links(place, KNOBS, SPLIT)
    links = current_links(place)
    shutil.rmtree(place.records)
    shutil.rmtree(place.features)
    later = write(tmp_path, members, [*jobs, job(50, "Senior Nurse")], events)
    index = JobIndex.load(build_index(later, retrieval=ASKED, links=links))
    assert "j50" in of_links(index, ask(member_id="m00"))


@pytest.mark.parametrize("part", ["links/about.json", "links/jobs.parquet", "groups.npy"])
def test_an_index_that_lacks_a_part_is_not_served(linked: Workspace, tmp_path: Path, part: str):
    folder = Path(shutil.copytree(linked.index, tmp_path / "index"))
    (folder / part).unlink()
    with pytest.raises(IndexMismatch):
        JobIndex.load(folder)


def test_a_folder_that_holds_no_links_is_named(linked: Workspace, tmp_path: Path):
    with make.refused(NotReady, tmp_path, "rolecall links learn"):
        build_index(linked, links=tmp_path)


def test_learned_weights_order_the_candidates(index: JobIndex, tmp_path: Path):
    place = write(tmp_path, *market())
    config = ASKED.model_copy(update={"learned": Learned(recommend={"links": (1.0, 0.0)})})
    found = built(place, config).search(ask(member_id="m00"))
    assert sorted(found.ids[:4]) == ["j00", "j03", "j06", "j09"] and found.fused.tolist() == [1] * 4
    assert sorted(found.ids) == sorted(index.search(ask(member_id="m00")).ids)


def graph(place: Workspace) -> list:
    return list(LinkStore.load(build_links(place, KNOBS, SPLIT)).graph.links)


def planted(members: list[Member], events: list[Event], days: float) -> None:
    """Hires of nurses as drivers, and what became of their records; so many days from the split."""
    when = SPLIT + timedelta(days=days)
    for number in (0, 3, 6, 9):
        events += [event(f"p{number}-{what}", number, what, "hire", when) for what in (1, 4)]
        members.append(member(number, "Driver", known=when))


def test_what_comes_after_the_split_is_not_learned_from(linked: Workspace, tmp_path: Path):
    members, jobs, events = market()
    planted(members, events, 1)
    place = write(tmp_path, members, jobs, events)
    assert graph(place) == list(LinkStore.load(linked.link_graph).graph.links)
    assert LinkStore.load(place.link_graph).about.until == SPLIT


def test_what_comes_before_the_split_is(linked: Workspace, tmp_path: Path):
    """So that the test above could fail."""
    members, jobs, events = market()
    planted(members, events, -1)
    learned = graph(write(tmp_path, members, jobs, events))
    assert learned != list(LinkStore.load(linked.link_graph).graph.links)
    assert any(Value("title", "driver") in link.job and link.hires > 4 for link in learned)


def test_the_best_shared_link_is_found_for_each_row(index: JobIndex):
    links = index.links
    assert links is not None
    rows = np.arange(len(index), dtype=np.int32)
    for number in range(12):
        nodes = links.nodes(f"m{number:02}")
        reasons = links.reasons(nodes, rows)
        for row in rows:
            shared = links.shared(f"m{number:02}", int(row))
            assert reasons[row] == (shared[0].explain() if shared else "")


def test_requests_whose_outcome_the_links_may_know_are_asked_without_them(tmp_path: Path):
    """The log was cut by its hires, behind requests that are held out."""
    place = write(tmp_path, *market())
    new = member(99, "Nurse").model_dump()
    for blind, found in ((False, ["j00", "j03", "j06", "j09"]), (True, [])):
        build_links(place, KNOBS, SPLIT, blind)
        asked = JobIndex.load(build_index(place, retrieval=ASKED, links=current_links(place)))
        early = ask(member=new, time=SPLIT - timedelta(seconds=1))
        assert sorted(of_links(asked, early)) == found
        assert len(of_links(asked, ask(member=new))) == 4
