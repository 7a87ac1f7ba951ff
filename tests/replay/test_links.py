"""A replay over an index that holds learned links: what is hired for after the split moves no metric."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ir_measures
import polars as pl

from contracts.tables import read_table
from contracts.workspace import Workspace
from history.requests import EVENT_COLUMNS, end_of_training
from replay.results import Results
from replay.run import replay
from retrieval.config import Diversity, RetrievalConfig
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.links.config import LinksConfig
from retrieval.links.learn import build_links
from retrieval.links.store import LinkStore, current_links

ASKED = RetrievalConfig(recommend={"dense": 0.1, "recent": 0.1, "terms": 0.1, "popular": 0.1, "links": 0.6})

KNOBS = LinksConfig(least_hires=1, strength=10, proven=False)
PLANTED = ("m4 j7", "m4 j8", "m5 j7", "m5 j8")


def replayed(workspace: Workspace, config: RetrievalConfig = ASKED) -> Results:
    """Links of the log up to the split, an index with them, and the replay."""
    events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS))
    build_links(workspace, KNOBS, end_of_training(events))
    build_index(workspace, workspace.bundle, retrieval=config, links=current_links(workspace))
    return replay(workspace, resamples=100)


def runs(root: Path) -> dict[str, str]:
    """Every system's answers with their scores."""
    return {path.name: path.read_text() for path in (Workspace(root).replay / "runs").iterdir()}


def hires(event: Callable, at: float, *pairs: str) -> list:
    """Of others than those who ask: what one is hired for is no candidate of theirs. "m4 j1": m4 is hired for j1."""
    return [event(f"h{pair}{at}", at + i / 100, *pair.split(), "hire") for i, pair in enumerate(pairs)]


def hired(make_market: Callable, event: Callable, member: Callable) -> Any:
    """The market with a driver and a nurse who were hired as such before the split."""
    market = make_market("shown")
    market.members += [member("m4", "truck driver"), member("m5", "ward nurse")]
    market.events += hires(event, 0.7, "m4 j1", "m4 j2", "m5 j3", "m5 j4")
    return market


def test_a_hire_after_the_split_teaches_no_link(
    make_market: Callable, event: Callable, member: Callable, tmp_path: Path
) -> None:
    """Nor does what members became by it. The hire itself is an outcome that the replay may ask for."""
    before = hired(make_market, event, member).write(tmp_path / "before")
    split = end_of_training(pl.DataFrame(read_table(before.records / "events", EVENT_COLUMNS)))
    market = hired(make_market, event, member)
    market.events += hires(event, 12, *PLANTED)
    market.members += [member(f"m{i}", "developer", known=20) for i in (1, 2, 4, 5)]
    planted = market.write(tmp_path / "planted")
    for workspace in (before, planted):
        build_links(workspace, KNOBS, split)
    learned = [[link.explain() for link in LinkStore.load(w.link_graph).graph.links] for w in (before, planted)]
    assert learned[0] and learned[0] == learned[1]


def test_a_hire_before_the_split_does(make_market: Callable, event: Callable, member: Callable, tmp_path: Path) -> None:
    """So that the test above could fail: nurses are then led to j8, which one of them went on to."""
    before = replayed(hired(make_market, event, member).write(tmp_path / "before"))
    market = hired(make_market, event, member)
    market.events += hires(event, 0.7, *PLANTED)
    assert replayed(market.write(tmp_path / "planted")).tables != before.tables


def test_jobs_as_they_were_are_asked_with_the_links_and_the_knobs_of_the_index(
    make_market: Callable, event: Callable, member: Callable, job: Callable, tmp_path: Path
) -> None:
    """A job that changed since: the index of the replay is another one."""
    from ranking.scorer import ItemEncoder
    from replay.holdout import held_out
    from replay.past_index import past_index
    from retrieval.encoder import TextEncoder

    market = hired(make_market, event, member)
    market.jobs += [job("j2", "ward nurse", known=20)]
    workspace = market.write(tmp_path)
    replayed(workspace)
    items, encoder = ItemEncoder(workspace.bundle), TextEncoder(workspace.encoder)
    with past_index(workspace, held_out(workspace, 10)[0].time, items, encoder) as jobs:
        served = JobIndex.load(workspace.index)
        assert jobs.index.version != served.version
        assert jobs.index.manifest.retrieval == served.manifest.retrieval == ASKED
        assert jobs.index.links is not None and served.links is not None
        assert jobs.index.links.graph.links == served.links.graph.links


def test_the_whole_system_is_shown_as_the_service_shows_it(
    make_market: Callable, event: Callable, member: Callable, tmp_path: Path
) -> None:
    """All jobs are of one company, and one of them may stand among the first two: nothing is lost, all follow."""
    market = hired(make_market, event, member)
    plain, apart = market.write(tmp_path / "plain"), market.write(tmp_path / "apart")
    replayed(plain)
    replayed(apart, ASKED.model_copy(update={"diversity": Diversity(most=1, first=2)}))

    def answered(workspace: Workspace) -> list[tuple[str, str]]:
        run = ir_measures.read_trec_run(str(workspace.replay / "runs" / "end_to_end.whole-system.run"))
        return [(line.query_id, line.doc_id) for line in run]

    assert answered(plain) == answered(apart)
