"""Pairs for people to grade: a seeded draw over patterns of queries and kinds of profiles.

Queries fall into patterns (title, title+company, title+place, skill, ...; a recommendation has none), and each pattern
into what members are and what they wish to become, as LinkedIn builds its golden set (Reimagining search, engineering
blog, January 2026). Beside jobs that were shown or retrieved stand random ones, so that the low grades are there too.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from contracts.errors import NotReady
from contracts.records import Job, Member
from contracts.tables import parts, read_as_of, read_table
from contracts.text.words import stems
from contracts.time.as_of import rows_as_of
from contracts.time.open import open_at
from contracts.versions import row_hash
from policy.golden.pairs import GoldenPair, Kind, Source
from policy.rubric.titles import TitleReader
from policy.types import Policy

log = logging.getLogger("rolecall")

RANDOM_SHARE = 0.25
POOL = 12
"""Rows of the log that are drawn for each pair of the sample."""
TRIES = 50
"""Jobs that are drawn for an asker until one was open then."""
RECOMMENDATION = "recommendation"
_KEYS = ("member_id", "query", "job_id", "time")
_SHOWN = pc.field("action").isin(["impression", "view"])


class PairCandidate(NamedTuple):
    """A pair that could be graded. member: the record at that time; None for an anonymous asker."""

    member_id: str
    query: str
    job_id: str
    time: datetime
    source: Source
    member: Mapping[str, Any] | None


def sample_pairs(
    records: Path, policy: Policy, pairs: int, seed: int = 0, examples: Path | None = None
) -> list[GoldenPair]:
    """Draw pairs for people to grade; the same arguments give the same pairs.

    Args:
        records: A folder with the tables members, jobs and events.
        policy: Says which titles are near to each other.
        pairs: About how many pairs; fewer come where the log holds fewer.
        seed: Of the draw.
        examples: The table that `label` wrote, if there is one: its retrieved jobs are drawn too.

    Returns:
        The pairs by id, which mixes patterns and sources.

    Raises:
        NotReady: Jobs or events are missing.
    """
    rng = np.random.default_rng([seed, 17])
    logged = [*_logged(records, examples, POOL * pairs, rng)]
    members = _versions(records / "members", Member, [(candidate.member_id, candidate.time) for candidate in logged])
    candidates = [candidate._replace(member=member) for candidate, member in zip(logged, members, strict=True)]
    candidates += _random(records, candidates, rng)
    queries = {candidate.query for candidate in candidates if candidate.query}
    vocabulary, titles = Vocabulary.read(records, queries), TitleReader(policy)
    near = policy.dimensions.function.steps[2]
    cells: dict[tuple[str, Kind], list[PairCandidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.member is not None or candidate.query:
            cells[vocabulary.pattern(candidate.query), _kind(titles, candidate, near)].append(candidate)
    sizes = _cell_sizes({cell: len(of_cell) for cell, of_cell in cells.items()}, pairs)
    chosen = [(cell, candidate) for cell, size in sorted(sizes.items()) for candidate in _draw_cell(cells[cell], size)]
    if len(chosen) < pairs:
        log.info("golden: %d pairs, not %d: the log holds no more", len(chosen), pairs)
    jobs = _versions(records / "jobs", Job, [(candidate.job_id, candidate.time) for _, candidate in chosen])
    sampled = [
        GoldenPair(
            pair_id=_pair_id(candidate),
            stratum=pattern,
            kind=kind,
            source=candidate.source,
            member=Member.model_validate(candidate.member) if candidate.member else None,
            query=candidate.query,
            job=Job.model_validate(job),
        )
        for ((pattern, kind), candidate), job in zip(chosen, jobs, strict=True)
        if job
    ]
    return sorted({pair.pair_id: pair for pair in sampled}.values(), key=lambda pair: pair.pair_id)


class Vocabulary:
    """What the words of a query can name: companies, places and skills by their stems, and whole titles."""

    def __init__(
        self, companies: Iterable[str], places: Iterable[str], skills: Iterable[str], titles: Iterable[str]
    ) -> None:
        self._companies, self._skills = _phrases(companies), _phrases(skills)
        self._places = _phrases(part for place in places for part in (place, *place.split(",")))
        self._titles = {title.casefold().strip() for title in titles}

    @classmethod
    def read(cls, records: Path, queries: Collection[str]) -> Vocabulary:
        jobs = read_table(records / "jobs", ["title", "company", "location", "skills"])
        lowered = pa.array(sorted({query.casefold() for query in queries}), pa.string())
        lower = pc.utf8_lower(jobs["title"])
        return cls(
            pc.unique(jobs["company"]).to_pylist(),
            pc.unique(jobs["location"]).to_pylist(),
            pc.unique(pc.list_flatten(jobs["skills"])).to_pylist(),
            pc.unique(lower.filter(pc.is_in(lower, lowered))).to_pylist(),
        )

    def pattern(self, query: str) -> str:
        """Such as "title", "title+company+place", "skill"; a recommendation for no query."""
        if not query.strip():
            return RECOMMENDATION
        if query.casefold().strip() in self._titles:
            return "title"
        words = stems(query)
        place = next((size for size in range(len(words), 0, -1) if words[-size:] in self._places), 0)
        words = words[: len(words) - place]
        kept = _without_phrase(words, self._companies)
        parts_ = [
            ("skill" if kept in self._skills else "title") if kept else "",
            "company" if len(kept) < len(words) else "",
            "place" if place else "",
        ]
        return "+".join(filter(None, parts_)) or "title"


def _logged(records: Path, examples: Path | None, limit: int, rng: np.random.Generator) -> Iterator[PairCandidate]:
    """Shown or viewed jobs, and retrieved ones, drawn evenly and each once."""
    tables: list[tuple[Source, pl.DataFrame]] = [("logged", _some_rows(records / "events", _KEYS, _SHOWN, limit, rng))]
    if examples and parts(examples):
        columns = ("member_id", "query", "job_id", "event_timestamp")
        tables.append(("retrieved", _some_rows(examples, columns, pc.field("stratum") == "retrieved", limit, rng)))
    seen: set[tuple[str, str, str]] = set()
    for source, table in tables:
        for member_id, query, job_id, time in table.iter_rows():
            if (member_id, query, job_id) not in seen:
                seen.add((member_id, query, job_id))
                yield PairCandidate(member_id, query, job_id, time, source, None)


def _some_rows(
    folder: Path, columns: Sequence[str], keep: pc.Expression, limit: int, rng: np.random.Generator
) -> pl.DataFrame:
    """At most `limit` rows of a table, drawn evenly; memory holds them and one batch of the file."""
    paths = parts(folder)
    if not paths:
        raise NotReady(f"no table in {folder}", cure="run `rolecall ingest --data FOLDER --workspace W` first")
    drawn: pl.DataFrame | None = None
    for batch in ds.dataset([str(path) for path in paths], format="parquet").to_batches(list(columns), filter=keep):
        rows = pl.DataFrame(pa.table(batch)).with_columns(pl.Series("lot", rng.random(batch.num_rows)))
        drawn = (rows if drawn is None else pl.concat([drawn, rows])).bottom_k(limit, by="lot").sort("lot")
    if drawn is None or not len(drawn):
        raise NotReady(f"no request in {folder}", cure="ingest a log with impressions or views")
    return drawn.drop("lot")


def _versions(
    folder: Path, model: type[Job] | type[Member], moments: Sequence[tuple[str, datetime]]
) -> list[dict[str, Any] | None]:
    """Each record as it was at a time; its first version where the time lies before that."""
    return read_as_of(folder, "id", moments, list(model.model_fields), ["updated_at"], else_first=True)


def _random(records: Path, candidates: Sequence[PairCandidate], rng: np.random.Generator) -> list[PairCandidate]:
    """Each asker once with a job drawn from those that were open then, by the job's version of then."""
    jobs = pl.DataFrame(read_table(records / "jobs", ["id", "posted_at", "expires_at", "hidden", "updated_at"]))
    ids = jobs["id"].unique(maintain_order=True)
    askers = list({(candidate.member_id, candidate.query): candidate for candidate in candidates}.values())
    drawn = ids[rng.integers(0, len(ids), (len(askers), TRIES)).ravel()]
    asker = np.repeat(np.arange(len(askers)), TRIES)
    times = pl.Series([candidate.time for candidate in askers], dtype=jobs["updated_at"].dtype)
    moments = pl.DataFrame({"id": drawn, "asker": asker, "time": times.gather(asker)})
    versions = jobs[rows_as_of(jobs, moments, ["id"], "time", ["updated_at"], else_first=True)]
    offered = moments.filter(versions.with_columns(moments["time"]).select(open_at(pl.col("time"))).to_series())
    first = offered.unique("asker", keep="first", maintain_order=True)
    return [askers[asker]._replace(job_id=job, source="random") for job, asker in first["id", "asker"].iter_rows()]


def _kind(titles: TitleReader, candidate: PairCandidate, near: float) -> Kind:
    """Aspirational: they ask for work, or a skill, that nothing they are or have been is near to."""
    member = candidate.member
    if member is None:
        return "existing"
    own = [member["headline"], *(position["title"] for position in member["positions"] or ())]
    own = [title for title in own if title]
    wishes = [candidate.query] if candidate.query else member["preferences"]["titles"] or []
    if not own or not wishes:
        return "existing"
    if candidate.query and stems(candidate.query) in {stems(skill) for skill in member["skills"] or ()}:
        return "existing"
    close = max(titles.closeness(wish, title) for wish in wishes for title in own)
    return "existing" if close >= near else "aspirational"


def _cell_sizes(available: Mapping[Any, int], total: int) -> dict[Any, int]:
    """How many pairs each cell gives: by the square root of how many it has, `total` together where there are so many.

    Between equal shares, which a rare pattern would rule, and the log's own, in which it would hardly be seen (power
    allocation: Bankier, The American Statistician 42, 1988).
    """
    sizes = dict.fromkeys(available, 0)
    while (left := total - sum(sizes.values())) > 0:
        open_ = {cell: number**0.5 for cell, number in sorted(available.items()) if sizes[cell] < number}
        if not open_:
            break
        whole = sum(open_.values())
        for cell, weight in open_.items():
            given = min(max(int(left * weight / whole), 1), available[cell] - sizes[cell], total - sum(sizes.values()))
            sizes[cell] += given
    return sizes


def _draw_cell(candidates: Sequence[PairCandidate], size: int) -> list[PairCandidate]:
    """RANDOM_SHARE random ones, and as many retrieved as logged ones, as far as there are; an asker's second pair
    comes after everybody's first."""
    times: dict[tuple[str, str, str], int] = defaultdict(int)
    places: list[tuple[int, int]] = []
    for i, candidate in enumerate(candidates):
        asker = candidate.member_id, candidate.query, candidate.source
        places.append((times[asker], i))
        times[asker] += 1
    ordered = [candidates[i] for _, i in sorted(places)]
    by_source: dict[str, list[PairCandidate]] = {"random": [], "retrieved": [], "logged": []}
    for candidate in ordered:
        by_source[candidate.source].append(candidate)
    others = [source for source in ("retrieved", "logged") if by_source[source]]
    counts = {"random": round(RANDOM_SHARE * size) if others else size}
    counts |= {source: -(-(size - counts["random"]) // len(others)) for source in others}
    first = [candidate for source, count in counts.items() for candidate in by_source[source][:count]]
    rest = [candidate for source, count in counts.items() for candidate in by_source[source][count:]]
    return (first + rest)[:size]


def _without_phrase(words: tuple[str, ...], phrases: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    """Words without the longest phrase in them that is one of `phrases`; all of them where there is none."""
    for size in range(len(words), 0, -1):
        for start in range(len(words) - size + 1):
            if words[start : start + size] in phrases:
                return words[:start] + words[start + size :]
    return words


def _phrases(texts: Iterable[str | None]) -> set[tuple[str, ...]]:
    return {words for text in texts if text and (words := stems(text))}


def _pair_id(candidate: PairCandidate) -> str:
    key = "\x00".join((candidate.member_id, candidate.query, candidate.job_id, candidate.time.isoformat()))
    return "g" + row_hash(key, 5)
