from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contracts.activity import Activity
from contracts.arrow import to_table
from contracts.examples import PAIR_FEATURES
from contracts.records import Event, Job
from ranking.features import pair_features
from retrieval.engines.exact import ExactEngine
from retrieval.filters.attributes import build_attributes
from retrieval.filters.filters import Filter
from retrieval.index.job_index import JobIndex
from retrieval.index.job_rows import TEXT_HASH
from retrieval.index.manifest import IndexManifest
from retrieval.index.parts import built_parts
from retrieval.popularity import JobActivity, build_activity
from retrieval.request import Request, build_request
from retrieval.words.terms import build_terms
from retrieval.words.titles import build_titles
from retrieval.words.tokens import job_words

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, -0.6]], np.float32)


def job(job_id: str, title: str, company: str, location: str) -> Job:
    return Job(id=job_id, title=title, company=company, location=location, updated_at=NOW - timedelta(days=90))


JOBS = (
    job("a", "Truck Driver", "Acme", "Austin, Texas"),
    job("b", "Nurse", "Mercy", "Austin, Minnesota"),
    job("c", "Night Nurse", "Acme", "Dallas, Texas"),
    job("d", "Pilot", "", ""),
)


def activity(*viewed: tuple[str, float]) -> JobActivity:
    events = [
        Event(id=str(i), time=NOW + timedelta(days=days), member_id="m", job_id=job_id, action="view")
        for i, (job_id, days) in enumerate(viewed)
    ]
    return build_activity([j.id for j in JOBS], to_table(events, Event))


@pytest.fixture(scope="module")
def index() -> JobIndex:
    table: pa.Table = to_table(JOBS, Job)
    manifest = IndexManifest(
        version="v", engine="exact", bundle_version="", encoder_version="", text_version="", jobs=4, dim=2
    )
    rows = table.append_column(TEXT_HASH, pa.array([""] * len(JOBS)))
    return JobIndex(
        built_parts(
            manifest,
            rows,
            ExactEngine(VECTORS),
            build_terms(list(job_words(table))),
            build_titles([j.title for j in JOBS]),
            build_attributes(table),
            activity(),
        )
    )


def ask(query: str = "", **fields: Any) -> Request:
    return replace(build_request("", Activity(), query, "", Filter(), NOW), **fields)


def features(
    index: JobIndex, request: Request, seen: JobActivity | None = None, **given: Any
) -> dict[str, list[float]]:
    rows = np.arange(4, dtype=np.int32)
    found = pair_features(index, seen or activity(), request, rows, **given)
    assert found.shape == (4, len(PAIR_FEATURES)) and found.dtype == np.float32 and np.isfinite(found).all()
    return {name: found[:, i].astype(float).round(6).tolist() for i, name in enumerate(PAIR_FEATURES)}


def test_dense_is_the_cosine_with_the_encoded_request(index: JobIndex) -> None:
    vector = np.array([0.6, 0.8], np.float32)
    assert features(index, ask(), vector=vector)["dense"] == pytest.approx([0.6, 0.8, 1, 0])
    assert features(index, ask())["dense"] == [0, 0, 0, 0]


def test_recent_is_the_closest_of_the_last_jobs(index: JobIndex) -> None:
    assert features(index, ask(recent=("a", "b")))["recent"] == pytest.approx([1, 1, 0.8, 0.8])
    assert features(index, ask(recent=("gone",)))["recent"] == [0, 0, 0, 0]


def test_recent_nearby_is_alike_and_in_the_same_city(index: JobIndex) -> None:
    found = features(index, ask(recent=("a", "b")))
    assert found["recent_nearby"] == pytest.approx([0.5, 0.5, 0, 0])


def test_terms_are_relative_to_the_best_job_of_the_index(index: JobIndex) -> None:
    terms = features(index, ask("night nurse"))["terms"]
    assert terms[2] == 1 and 0 < terms[1] < 1 and terms[0] == terms[3] == 0
    only = pair_features(index, activity(), ask("night nurse"), np.array([1], np.int32))
    assert only[0, PAIR_FEATURES.index("terms")] == pytest.approx(terms[1], abs=1e-5), "whatever else is in the list"


def test_terms_that_retrieval_made_are_taken(index: JobIndex) -> None:
    request = ask("night nurse")
    found = index.search(request)
    given = pair_features(index, index.activity, request, found.rows, terms=found.terms)
    np.testing.assert_array_equal(given, pair_features(index, index.activity, request, found.rows))


def test_places_are_shares_of_home_and_recent_jobs(index: JobIndex) -> None:
    found = features(index, ask(location="Austin, Texas, US", recent=("c",)))
    assert found["same_city"] == [0.5, 0, 0.5, 0]
    assert found["same_region"] == [1, 0, 1, 0]


def test_a_job_without_a_place_or_company_matches_nothing(index: JobIndex) -> None:
    found = features(index, ask(recent=("d",)))
    assert found["same_city"][3] == found["same_region"][3] == found["same_company"][3] == 0


def test_same_company_is_the_share_of_the_recent_jobs(index: JobIndex) -> None:
    assert features(index, ask(recent=("a", "b")))["same_company"] == [0.5, 0.5, 0.5, 0]


def test_title_overlap_reads_the_query_and_the_recent_titles(index: JobIndex) -> None:
    assert features(index, ask("nurses"))["title_overlap"] == [0, 1, 0.5, 0]
    assert features(index, ask(recent=("a",)))["title_overlap"] == [1, 0, 0, 0]


def test_activity_is_as_of_the_request(index: JobIndex) -> None:
    seen = activity(("a", -1), ("a", -3), ("a", -20), ("b", 0), ("c", 5))
    found = features(index, ask(), seen)
    assert found["views_7d"] == pytest.approx([np.log(3), 0, 0, 0], abs=1e-5)
    assert found["unseen"] == [0, 1, 1, 1], "the view of b happened at the time of the request"
    assert found["days_since_view"] == pytest.approx([np.log(2), *[np.log(366)] * 3], abs=1e-5)


def test_no_rows_have_no_features(index: JobIndex) -> None:
    assert pair_features(index, activity(), ask(), np.zeros(0, np.int32)).shape == (0, len(PAIR_FEATURES))
