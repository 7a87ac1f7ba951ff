from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput
from retrieval.links.draw import MOST, links_svg
from retrieval.links.graph import Link, LinkGraph, until_liquid
from retrieval.links.serve import LinkedJobs
from retrieval.links.values import Value
from tests.make import refused

HAVES = [Value("skills", name) for name in "abcd"]
NEEDS = [Value("title", name) for name in "wxyz"]
ends = st.tuples(
    st.sets(st.sampled_from(HAVES), min_size=1, max_size=2).map(lambda s: tuple(sorted(s))),
    st.sets(st.sampled_from(NEEDS), min_size=1, max_size=2).map(lambda s: tuple(sorted(s))),
)
links = st.dictionaries(ends, st.sampled_from([0.5, 1.0, 1.5, 2.0]), max_size=10).map(
    lambda found: [Link(*pair, quality) for pair, quality in found.items()]
)
members = st.frozensets(st.sampled_from(HAVES))
jobs = st.lists(st.frozensets(st.sampled_from(NEEDS)), min_size=1, max_size=8)


def linked(graph: LinkGraph, jobs: list[frozenset[Value]]) -> LinkedJobs:
    return LinkedJobs.of([graph.of_job(job) for job in jobs], graph.quality)


@given(links, members, jobs, st.integers(1, 8), st.sampled_from(["best", "mean", "sum"]))
def test_a_shared_node_is_a_match_of_all_values(links, member, jobs, k, score):
    """Served by node ids, the same as asking every link of every job, in the order of score and then of row."""
    graph = LinkGraph(links)
    expected = []
    for row, job in enumerate(jobs):
        shared = [link.quality for link in links if set(link.member) <= member and set(link.job) <= job]
        if shared:
            value = {"best": max, "mean": np.mean, "sum": sum}[score](shared)
            expected.append((-np.float32(value), row))
    hits = linked(graph, jobs).search(graph.of_member(member), k, score=score)
    assert hits.rows.tolist() == [row for _, row in sorted(expected)[:k]]
    np.testing.assert_allclose(hits.scores, [-value for value, _ in sorted(expected)[:k]], rtol=1e-6)


@given(links, members, jobs, st.data())
def test_jobs_outside_the_mask_are_not_found(links, member, jobs, data):
    graph = LinkGraph(links)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(jobs), max_size=len(jobs))))
    nodes = graph.of_member(member)
    open_rows = linked(graph, jobs).search(nodes, len(jobs), mask).rows.tolist()
    assert open_rows == [row for row in linked(graph, jobs).search(nodes, len(jobs)).rows.tolist() if mask[row]]


@given(links, members, jobs, st.integers(1, 9), st.integers(1, 9))
def test_more_liquidity_never_takes_a_link_away(links, member, jobs, one, other):
    graph = LinkGraph(links)
    every, found = np.ones(len(jobs), bool), linked(graph, jobs)
    nodes = graph.of_member(member)
    few, many = (until_liquid(nodes, found.rows, every, size).tolist() for size in sorted((one, other)))
    assert many[: len(few)] == few


@given(links, members, jobs, st.integers(1, 9))
def test_links_are_taken_by_quality_until_enough_jobs_are_reached(links, member, jobs, liquidity):
    graph = LinkGraph(links)
    found, nodes = linked(graph, jobs), graph.of_member(member)
    taken = until_liquid(nodes, found.rows, np.ones(len(jobs), bool), liquidity)
    assert taken.tolist() == nodes.tolist()[: len(taken)]
    assert np.all(np.diff(graph.quality[taken]) <= 0)

    def reached(some: np.ndarray) -> int:
        return len({row for node in some for row in found.rows(node).tolist()})

    assert reached(taken) >= liquidity or len(taken) == len(nodes)
    assert not len(taken) or reached(taken[:-1]) < liquidity


def test_closed_jobs_do_not_count_as_liquidity():
    graph = LinkGraph([Link((HAVES[0],), (NEEDS[0],), 2.0), Link((HAVES[0],), (NEEDS[1],), 1.0)])
    found = linked(graph, [frozenset(NEEDS[:1]), frozenset(NEEDS[1:2])])
    nodes = graph.of_member(frozenset(HAVES))
    assert until_liquid(nodes, found.rows, np.array([True, True]), 1).tolist() == [0]
    assert until_liquid(nodes, found.rows, np.array([False, True]), 1).tolist() == [0, 1]


def test_a_pinned_link_is_given_whatever_the_liquidity():
    pinned = Link((HAVES[0],), (NEEDS[1],), 0.1, pinned=True)
    graph = LinkGraph([Link((HAVES[0],), (NEEDS[0],), 2.0), pinned])
    assert graph.links[0] == pinned and graph.pinned == 1
    found = linked(graph, [frozenset(NEEDS)])
    assert until_liquid(np.array([0, 1]), found.rows, np.ones(1, bool), 1, pinned=2).tolist() == [0, 1]


def test_the_order_of_links_does_not_depend_on_the_order_of_learning():
    some = [Link((have,), (need,), 1.0) for have in HAVES for need in NEEDS]
    assert LinkGraph(some).links == LinkGraph(some[::-1]).links


def test_a_member_without_links_finds_nothing():
    graph = LinkGraph([Link((HAVES[0],), (NEEDS[0],), 1.0)])
    assert len(linked(graph, [frozenset(NEEDS)]).search(graph.of_member(frozenset(HAVES[1:])), 5).rows) == 0


def test_no_jobs_cannot_be_asked_for():
    with refused(BadInput, "k is 0"):
        linked(LinkGraph([]), [frozenset()]).search(np.zeros(0, np.int32), 0)


def test_a_link_explains_itself():
    link = Link((Value("seniority", "senior"), Value("skills", "triage")), (Value("title", "nurse"),), 1.7, 41, 3)
    told = "members at senior level and with skill triage were hired as nurse: 41 hires, weight 1.70"
    assert link.explain() == told
    added = link._replace(hires=0, note="added by ann").explain()
    assert added == "members at senior level and with skill triage are to be shown jobs as nurse: added by ann"
    assert link._replace(hires=1, note="pinned by ann").explain().endswith(": 1 hire, weight 1.70; pinned by ann")


def test_a_drawing_tells_in_words_what_it_shows():
    shown = [Link((Value("skills", f"<s{i:02}>"),), (NEEDS[0],), 2.0 - i / 20, hires=1) for i in range(MOST + 3)]
    drawn = links_svg("Member m1", shown, [7] * len(shown))
    assert drawn == links_svg("Member m1", shown, [7] * len(shown))
    assert "with skill &lt;s00&gt; were hired as w" in drawn and "<s00>" not in drawn
    assert "23 links, 3 more not drawn" in drawn and drawn.count("<circle") == MOST
    assert "no links" in links_svg("Member m1", [], [])
