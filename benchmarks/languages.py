"""Other languages: which encoder finds what truly fits on simulated markets in German, Spanish and Portuguese.

    python -m benchmarks.languages

Each market is drawn anew (`simulator/languages/`), every job stands open, and a request is a member's profile, a query
in the market's language, or the same query in English. What fits is the market's truth: grades from 0 to 4, of which 3
and 4 are to be found. Vectors are those of the exported INT8 encoders, words those of the index with stems of its
language, and the hybrid merges both with half of its places each. Intervals are 95%, by requests.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from benchmarks import result_file
from benchmarks.fusion import halves
from benchmarks.markdown import Rows, made_by, markdown_table, with_interval
from contracts.activity import Activity
from contracts.arrow import to_table
from contracts.encoder import Side
from contracts.machine import cores
from contracts.records import Job, Member
from contracts.text.verbalizer import Verbalizer
from models.encoder.export import PooledEncoder, export_encoder
from models.layers.backbone import Backbone
from models.packaged.unpack import unpack
from replay.measures import mean_estimates
from retrieval.encoder import TextEncoder
from retrieval.engines.hits import top_k
from retrieval.filters.filters import Filter
from retrieval.request import build_request
from retrieval.words.terms import TermIndex, best, build_terms
from retrieval.words.tokens import job_languages, job_words
from simulator import Catalogue, Truth, simulate

NAME = "languages"
LANGUAGES = {"de": "German", "es": "Spanish", "pt": "Portuguese"}
START = datetime(2025, 1, 6, tzinfo=UTC)
SHOWN, DEPTH, FITS = 10, 100, 3
MERGED = 1_000
BM25, MINILM, E5 = "BM25", "MiniLM", "multilingual-e5-small"
HYBRID = "hybrid of BM25 and "
CONE = f"{E5}, its cone as it came"
PROFILES, QUERIES, ENGLISH = "profiles", "queries", "queries in English"
MEASURES = (f"recall@{DEPTH}", f"ndcg@{SHOWN}")


class Requests(NamedTuple):
    """n requests of a kind.

    Attributes:
        texts: As an encoder reads them.
        words: As the index of words reads them.
        grades: (n, jobs) int8 true grades.
    """

    texts: list[str]
    words: list[str]
    grades: np.ndarray


class Encoders(NamedTuple):
    """by_name: the encoders; centre: what the multilingual one's vectors are freed of (`models.encoder.centre`)."""

    by_name: Mapping[str, TextEncoder]
    centre: np.ndarray


class Market(NamedTuple):
    """texts: of its jobs, as an encoder reads them; terms: their words; requests: by kind."""

    texts: list[str]
    terms: TermIndex
    requests: dict[str, Requests]


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=600, help="jobs of a market")
    parser.add_argument("--requests", type=int, default=100, help="requests of each kind")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        encoders = _encoders(Path(scratch))
        rows: list[dict[str, Any]] = []
        for code, name in LANGUAGES.items():
            market = draw(Path(scratch) / code, code, options.jobs, options.requests)
            case = f"simulated market in {name}, {options.jobs:,} jobs"
            rows += rows_of(measured(market, encoders), case)
    command = result_file.command_line("benchmarks.languages")
    result_file.write(NAME, command, rows, simulated=True, publish=options.publish)


def draw(folder: Path, code: str, jobs: int, requests: int) -> Market:
    """A market in a language, with as many requests of each kind."""
    simulate(folder, members=requests, jobs=jobs, events=1, start=START, language=code)
    truth, verbalizer = Truth.load(folder), Verbalizer()
    offers, members = (
        [kind.model_validate(row) for row in _newest(folder / table)]
        for kind, table in ((Job, "jobs"), (Member, "members"))
    )
    table = to_table(offers, Job)
    languages = job_languages(table)
    terms = build_terms(job_words(table, languages=languages), languages=list(dict.fromkeys(languages)))
    ids = [job.id for job in offers]
    texts = [verbalizer.member(member) for member in members]  # type: ignore[arg-type]
    graded = np.stack([truth.fits([member.id] * len(ids), ids) for member in members])
    of_kind = {PROFILES: Requests(texts, [_member_words(member) for member in members], graded)}  # type: ignore[arg-type]
    english = {occupation.id: occupation for occupation in Catalogue.own().occupations}
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(truth.catalogue.occupations), requests)
    which = rng.integers(0, 4, requests)
    asked = [truth.catalogue.occupations[o].titles[t].lower() for o, t in zip(drawn, which, strict=True)]
    found = np.stack([truth.fits([""] * len(ids), ids, [query] * len(ids)) for query in asked])
    in_english = [
        english[truth.catalogue.occupations[o].id].titles[t].lower() for o, t in zip(drawn, which, strict=True)
    ]
    for kind, queries in ((QUERIES, asked), (ENGLISH, in_english)):
        of_kind[kind] = Requests([f"search: {query}" for query in queries], queries, found)
    return Market([verbalizer.job(job) for job in offers], terms, of_kind)  # type: ignore[arg-type]


def measured(market: Market, encoders: Encoders) -> dict[tuple[str, str], np.ndarray]:
    """(kind of request, system) -> (n, measures) of each request that something fits."""
    jobs = _vectors(encoders, market.texts, "job")
    values = {}
    for kind, requests in market.requests.items():
        some = np.flatnonzero((requests.grades >= FITS).any(axis=1))
        vectors = _vectors(encoders, requests.texts, "request")
        for system in (BM25, *jobs, *(HYBRID + name for name in encoders.by_name)):
            dense = system.removeprefix(HYBRID)
            found = []
            for i in some.tolist():
                lists = []
                if system == BM25 or system.startswith(HYBRID):
                    lists.append(best(market.terms.scores(requests.words[i]), MERGED))
                if dense in jobs:
                    lists.append(
                        top_k(jobs[dense] @ vectors[dense][i], MERGED, np.arange(len(jobs[dense]), dtype=np.int32))
                    )
                hits = halves(lists, DEPTH) if len(lists) > 1 else lists[0]
                found.append(measure(hits.rows[:DEPTH], requests.grades[i]))
            values[kind, system] = np.array(found)
    return values


def as_it_came(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The unit vectors v of which these are the directions of v - centre."""
    along = vectors @ centre
    length = np.sqrt(along**2 + 1 - centre @ centre) - along
    whole: np.ndarray = centre + length[:, None] * vectors
    return whole


def measure(rows: np.ndarray, grades: np.ndarray) -> tuple[float, float]:
    """Recall of the first hundred, of as many as they can hold, and NDCG@10 with grades as gains."""
    fitting = min(int((grades >= FITS).sum()), DEPTH)
    recall = float((grades[rows] >= FITS).sum()) / fitting
    discounts = 1 / np.log2(np.arange(2, SHOWN + 2))
    gained, ideal = grades[rows[:SHOWN]].astype(float), np.sort(grades)[::-1][:SHOWN].astype(float)
    return recall, float(gained @ discounts[: len(gained)]) / float(ideal @ discounts[: len(ideal)])


def rows_of(values: Mapping[tuple[str, str], np.ndarray], case: str) -> Iterator[dict[str, Any]]:
    """Each system's measures, and what the multilingual encoder adds to the embedded one, or its cone to itself."""
    for (kind, system), found in values.items():
        tables = [(MEASURES, found)]
        other = E5 if system == CONE else system.replace(E5, MINILM)
        if other != system:
            above = (f"{MEASURES[0]} above {other}", f"{MEASURES[1]} above {other}")
            tables.append((above, found - values[kind, other]))
        for names, table in tables:
            for name, estimate in zip(names, mean_estimates(table, seed=0), strict=True):
                about = {"case": f"{case}: {kind}", "system": system, "metric": name, "unit": ""}
                yield about | {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def languages_tables(rows: Rows) -> dict[str, str]:
    """A table a kind of request, markets down."""
    tables = {}
    for mark, kind in (("profiles", PROFILES), ("queries", QUERIES), ("english", ENGLISH)):
        of_kind = [row for row in rows if row["case"].endswith(f": {kind}")]
        found = {(row["case"], row["system"], row["metric"]): row for row in of_kind}
        lines = [
            [case.partition(",")[0].removeprefix("simulated market in "), system]
            + [with_interval(found[case, system, name]) for name in MEASURES]
            for case, system in dict.fromkeys((case, system) for case, system, _ in found)
        ]
        tables[f"languages-{mark}"] = markdown_table(["market", "system", "Recall@100", "NDCG@10"], lines)
    return tables | {"made": made_by(rows)}


def _vectors(encoders: Encoders, texts: Sequence[str], side: Side) -> dict[str, np.ndarray]:
    made = {name: encoder.encode(texts, side) for name, encoder in encoders.by_name.items()}
    return made | {CONE: as_it_came(made[E5], encoders.centre)}


def _encoders(scratch: Path) -> Encoders:
    unpack("e5", scratch / "e5")
    found = {}
    for name, backbone in ((MINILM, None), (E5, scratch / "e5")):
        export_encoder(scratch / name, backbone)
        found[name] = TextEncoder(scratch / name, cores())
    whole = Backbone(scratch / "e5")
    pooled = PooledEncoder(whole, whole.hidden).eval()
    pooled.open_cone(scratch / "e5", found[E5].prompts.request)
    assert pooled.centre is not None
    return Encoders(found, pooled.centre.numpy())


def _newest(folder: Path) -> list[dict[str, Any]]:
    """The newest version of each record, by id."""
    rows = pl.read_parquet(folder / "*.parquet").sort("updated_at").unique("id", keep="last").sort("id")
    return rows.to_dicts()


def _member_words(member: Member) -> str:
    """The words that the index is asked for a member."""
    text = Verbalizer().member(member)
    return build_request(text, Activity(), "", "", Filter(), START).words


if __name__ == "__main__":
    main()
