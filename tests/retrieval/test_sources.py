"""A retrieval source of another package is found by its name: no file of this repository names it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from contracts.activity import Activity
from contracts.errors import IndexMismatch
from contracts.plugins import load_plugin
from ranking.explain import explain
from ranking.rank import as_retrieved
from retrieval.config import RetrievalConfig
from retrieval.engines.hits import NO_HITS
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.index.changes import Upsert
from retrieval.index.job_index import JobIndex
from retrieval.request import Request, build_request
from retrieval.sources.registry import SOURCES, why
from retrieval.sources.source import COSINE_STEP, SourceQuery
from retrieval.sources.terms import STEP
from tests.make import NOW, job, refused
from tests.retrieval.conftest import write_workspace

TRADES = ("Ward Nurse", "Night Nurse", "Truck Driver", "Baker")
INITIALS = '''
"""Jobs whose title begins as the query does."""

import json

import numpy as np

from retrieval.engines.hits import Hits
from retrieval.sources.registry import SOURCES
from retrieval.sources.source import Source


@SOURCES.register("initials")
class InitialsSource(Source):
    why = "its title begins like the query"

    def __init__(self, initials=()):
        self.initials = list(initials)

    @classmethod
    def build(cls, jobs, folder):
        (folder / "initials.json").write_text(json.dumps([title[0].lower() for title in jobs["title"].to_pylist()]))

    @classmethod
    def load(cls, folder):
        return cls(json.loads((folder / "initials.json").read_text()))

    def appended(self, jobs):
        return type(self)([*self.initials, *(job.title[0].lower() for job in jobs)])

    def search(self, query):
        if not query.request.query:
            return None
        same = np.array([initial == query.request.query[0].lower() for initial in self.initials], dtype=bool)
        rows = np.flatnonzero(same & query.mask)[: query.k].astype(np.int32)
        return Hits(rows, np.ones(len(rows), np.float32))

    def reasons(self, query, rows):
        return [f"both begin with {self.initials[row]}" for row in rows]
'''


def ask(query: str = "") -> Request:
    return build_request("", Activity(), query, "", Filter(), NOW)


SHARES = {"dense": 0, "recent": 0, "terms": 0, "popular": 0, "initials": 1.0}


@pytest.fixture(scope="module")
def initials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    file = tmp_path_factory.mktemp("plugin") / "initials_source.py"
    file.write_text(INITIALS)
    load_plugin(str(file))
    yield
    SOURCES._classes.pop("initials", None)
    sys.modules.pop("rolecall_plugin_initials_source", None)


@pytest.fixture(scope="module")
def index(initials: None, tmp_path_factory: pytest.TempPathFactory) -> JobIndex:
    workspace = write_workspace(tmp_path_factory.mktemp("market"))
    return JobIndex.load(build_index(workspace, retrieval=RetrievalConfig(search=SHARES)))


def test_its_candidates_are_in_the_answer(index: JobIndex) -> None:
    candidates = index.search(ask("nanny"))
    titles = [index.display(row)["title"] for row in candidates.rows]
    assert titles and all(title.lower().startswith("n") for title in titles)
    assert candidates.sources == candidates.found_by(0) == ("initials",)


def test_its_sentence_and_its_reason_are_in_the_explanation(index: JobIndex) -> None:
    candidates = index.search(ask("nanny"))
    ranked = as_retrieved(candidates)
    words = explain(ranked.found_by(0), ranked.because(0), {}, None, None).words
    assert words == ("Its title begins like the query.", "Both begin with n.")


def test_a_source_that_has_nothing_to_go_by_is_left_out(index: JobIndex) -> None:
    assert "initials" not in index.search(ask()).sources


def test_it_finds_jobs_that_come_later(index: JobIndex) -> None:
    later = job("later", "Nanny", updated_at=NOW)
    vector = index.vectors[0] * 1
    changed = index.changed([Upsert(later, vector, None, "", vector)], {}, "1")
    assert "later" in changed.search(ask("nanny")).ids and "later" not in index.search(ask("nanny")).ids


def test_an_index_whose_source_is_not_installed_is_refused_by_the_sources_name(
    index: JobIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = build_index(write_workspace(tmp_path), retrieval=RetrievalConfig(search=SHARES))
    monkeypatch.delitem(SOURCES._classes, "initials")
    with refused(IndexMismatch, "initials"):
        JobIndex.load(folder)
    assert why("initials", 1.0) == ""


def test_the_order_is_the_sum_of_what_sources_say_times_their_shares(tmp_path: Path) -> None:
    """Also of jobs that a source did not bring: a cosine counts for whatever the words found."""
    jobs = tuple(job(f"j{i}", title, updated_at=NOW - timedelta(days=9)) for i, title in enumerate(TRADES))
    place = write_workspace(tmp_path, jobs)
    config = RetrievalConfig(search={"dense": 0.6, "recent": 0.0, "terms": 0.3, "popular": 0.0})
    index = JobIndex.load(build_index(place, retrieval=config))
    vector = index.vectors[1]
    request = build_request("", Activity(), "ward nurse nights", "", Filter(), NOW)
    found = index.search(request, vector)
    cosines = np.asarray(index.vectors)[found.rows] @ vector
    words = index.term_scores(request)[found.rows]
    assert len(found) == len(jobs) and words.min() == 0 < words.max()
    np.testing.assert_allclose(found.fused, 0.6 * cosines / COSINE_STEP + 0.3 * STEP * 3 * words, rtol=1e-4)
    two = index.search(request, vector, 2)
    assert two.ids == found.ids[:2]
    np.testing.assert_allclose(two.fused, found.fused[:2], rtol=1e-6)


def test_the_more_words_are_asked_for_the_more_they_count(tmp_path: Path) -> None:
    jobs = tuple(job(f"j{i}", title, updated_at=NOW - timedelta(days=9)) for i, title in enumerate(TRADES))
    index = JobIndex.load(build_index(write_workspace(tmp_path, jobs)))
    said = []
    for query in ("nurse", "nurse zzz yyy xxx"):
        request = build_request("", Activity(), query, "", Filter(), NOW)
        asked = SourceQuery(index, request, None, np.ones(len(jobs), bool), 10)
        said.append(index.sources["terms"].evidence(asked, np.arange(len(jobs)), NO_HITS).max())
    assert said[1] == pytest.approx(4 * said[0])
