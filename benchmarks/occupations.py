"""Related occupations of O*NET: what reading whole and learning add, by judgements that nobody here made up.

    python -m benchmarks.occupations --onet ../shared/data/onet

A request is an occupation that experts named related ones of; all the other occupations of that kind are candidates.
NDCG@10 has linear gains: 3, 2 and 1 for the three tiers of relatedness, 0 for any other. An occupation has one text
(its title and its definition), its tasks, and the other titles that it is known by.

What is learned is learned in five folds: no pair in which an occupation of the held-out fold stands, as either of the
two, is learned from, and a fold holds whole broad occupations (six digits), whose detailed ones are each other's
relatives. Every occupation is measured once, by the training that did not see its judgements; a learned system is the
mean over seeds of folds and training. Intervals are 95% over broad occupations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks import result_file
from benchmarks.markdown import Rows, made_by, markdown_table, with_interval
from benchmarks.onet_pairs import CODE, titles_of
from contracts.arrow import to_table
from contracts.machine import cores
from contracts.records import Job
from examples.sources.onet import OCCUPATIONS, RELATED, RELEASED, TIERS, lines, tasks
from models.config import HeadTraining
from models.encoder.export import export_encoder
from models.encoder.head import train_head
from models.encoder.positives import Positives
from replay.measures import mean_estimates
from retrieval.encoder import TextEncoder, mapped
from retrieval.words.terms import build_terms
from retrieval.words.tokens import job_words

NAME, CASE = "occupations", "related occupations"
FOLDS, SHOWN = 5, 10
KNOBS = HeadTraining(epochs=5, batch=512)
BM25, ONE_TEXT, PARTS, LEARNED = "BM25", "MiniLM, one text", "MiniLM, sum of parts", "sum of parts, learned"
RANDOM = "any order"
ABOVE = {ONE_TEXT: BM25, PARTS: ONE_TEXT, LEARNED: PARTS}
"""System -> the one that it is compared with."""


class Occupations(NamedTuple):
    """n occupations with judgements.

    Attributes:
        codes: n.
        texts: Title and definition.
        tasks: Of each.
        titles: Other titles of each.
        gains: (n, n) float32, row: the one that asks.
    """

    codes: list[str]
    texts: list[str]
    tasks: list[list[str]]
    titles: list[list[str]]
    gains: np.ndarray

    @property
    def broad(self) -> np.ndarray:
        """(n,) the six digits that detailed occupations share."""
        return np.array([code[:7] for code in self.codes])


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--onet", type=Path, required=True, help="a folder of O*NET tables")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each learned system")
    options = parser.parse_args(argv)
    occupations = read_occupations(options.onet)
    with TemporaryDirectory() as scratch:
        export_encoder(Path(scratch) / "encoder")
        values = measured(occupations, TextEncoder(Path(scratch) / "encoder", cores()).titles, options.seeds)
    case = f"{CASE}: {len(occupations.codes):,} held out in turn, as many candidates"
    rows = list(rows_of(values, occupations, case))
    command = result_file.command_line("benchmarks.occupations")
    result_file.write(NAME, command, rows, simulated=False, publish=options.publish)


def read_occupations(folder: Path) -> Occupations:
    """The occupations that experts named related ones of, with the texts and judgements of a folder of O*NET tables."""
    judged = [
        (line[CODE], line["Related O*NET-SOC Code"], TIERS[line["Relatedness Tier"]]) for line in lines(folder, RELATED)
    ]
    codes = sorted({code for code, _, _ in judged})
    row = {code: i for i, code in enumerate(codes)}
    gains = np.zeros((len(codes), len(codes)), np.float32)
    for code, other, gain in judged:
        if other in row:
            gains[row[code], row[other]] = gain
    about = {line[CODE]: f"{line['Title']}. {line['Description']}" for line in lines(folder, OCCUPATIONS)}
    duties, other_titles = tasks(folder), titles_of(folder, "Alternate Titles.txt", "Alternate Title")
    return Occupations(
        codes,
        [about[code] for code in codes],
        [list(duties.get(code, ())) for code in codes],
        [other_titles[code] for code in codes],
        gains,
    )


def measured(
    occupations: Occupations, encode: Callable[[Sequence[str]], np.ndarray], seeds: int
) -> dict[str, np.ndarray]:
    """System -> (n,) NDCG@10 of each occupation. encode: texts to unit vectors."""
    one = encode(occupations.texts)
    whole = _unit(one + _means(occupations.tasks, encode) + _means(occupations.titles, encode))
    values = {
        RANDOM: _any_order(occupations.gains),
        BM25: ndcg(_words(occupations), occupations.gains),
        ONE_TEXT: ndcg(one @ one.T, occupations.gains),
        PARTS: ndcg(whole @ whole.T, occupations.gains),
    }
    by_seed = [_held_out(whole, occupations, seed) for seed in range(seeds)]
    values |= {f"{LEARNED}, seed {seed}": found for seed, found in enumerate(by_seed)}
    return values | {LEARNED: np.mean(by_seed, axis=0)}


def ndcg(scores: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """(n,) NDCG@10 of each row of (n, n) scores without its own column; of equal scores the lowest gain comes first."""
    discounts = 1 / np.log2(np.arange(2, SHOWN + 2))
    values = np.zeros(len(scores))
    for i, (row, gain) in enumerate(zip(scores, gains, strict=True)):
        others = np.arange(len(row)) != i
        order = np.lexsort((gain[others], -row[others]))[:SHOWN]
        ideal = np.sort(gain[others])[::-1][:SHOWN]
        values[i] = gain[others][order] @ discounts[: len(order)] / (ideal @ discounts[: len(ideal)])
    return values


def folds(broad: np.ndarray, seed: int) -> np.ndarray:
    """(n,) the fold of each occupation; occupations of one broad one share it."""
    names, which = np.unique(broad, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[which]


def _held_out(vectors: np.ndarray, occupations: Occupations, seed: int) -> np.ndarray:
    """(n,) NDCG@10 of each occupation by a head that learned from pairs without its fold."""
    fold = folds(occupations.broad, seed)
    values = np.zeros(len(vectors))
    for held in range(FOLDS):
        known = np.flatnonzero(fold != held)
        positives = related_pairs(occupations.gains, known)
        requests, jobs = ([int(name) for name in names] for names in (positives.requests, positives.jobs))
        head = train_head(vectors[requests], vectors[jobs], positives, KNOBS.model_copy(update={"seed": seed}))
        learned = mapped(vectors, head)
        asks = np.flatnonzero(fold == held)
        values[asks] = ndcg(learned @ learned.T, occupations.gains)[asks]
    return values


def related_pairs(gains: np.ndarray, known: np.ndarray) -> Positives:
    """The judged pairs whose occupations are both known, by their row numbers as text; the weight is the gain.

    No occupation that is related to one is a negative of it, nor is itself.
    """
    asks, other = np.nonzero(gains[np.ix_(known, known)])
    names = [str(row) for row in known]
    pairs = [(names[a], names[b]) for a, b in zip(asks, other, strict=True)]
    weights = gains[known[asks], known[other]].tolist()
    requests, jobs = zip(*pairs, strict=True)
    return Positives.of(requests, jobs, weights, requests, names, [(name, name) for name in names])


def rows_of(values: Mapping[str, np.ndarray], occupations: Occupations, case: str) -> Iterator[dict[str, Any]]:
    """A row a system, and one of what it adds to the system that `ABOVE` names."""
    columns = {(system, "nDCG@10"): found for system, found in values.items()}
    columns |= {(system, f"nDCG@10 above {base}"): values[system] - values[base] for system, base in ABOVE.items()}
    estimates = mean_estimates(np.stack(list(columns.values()), axis=1), seed=0, groups=occupations.broad)
    for (system, metric), estimate in zip(columns, estimates, strict=True):
        about = {"case": case, "system": system, "metric": metric, "unit": ""}
        yield about | {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def occupations_tables(rows: Rows) -> dict[str, str]:
    """The table of the documentation: systems down, with what each adds to the one before it."""
    values = {row["system"]: row for row in rows if row["metric"] == "nDCG@10"}
    above = {row["system"]: row for row in rows if row["metric"].startswith("nDCG@10 above")}
    lines = [
        [system, with_interval(values[system]), with_interval(above[system]) if system in above else ""]
        for system in (RANDOM, BM25, ONE_TEXT, PARTS, LEARNED)
    ]
    head = ["system", "NDCG@10", "above the one before it"]
    return {"occupations": markdown_table(head, lines), "made": made_by(rows)}


def _means(texts: Sequence[Sequence[str]], encode: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    """(n, dim) the mean direction of each occupation's texts, zeros where it has none; a text is encoded once."""
    place = {text: i for i, text in enumerate(dict.fromkeys(text for own in texts for text in own))}
    vectors = encode(list(place))
    sums = [vectors[[place[text] for text in own]].sum(axis=0) for own in texts]
    return _unit(np.stack(sums))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _words(occupations: Occupations) -> np.ndarray:
    """(n, n) BM25 of each occupation's title and definition over those of all."""
    jobs = [
        Job(id=code, title=title, description=definition, updated_at=RELEASED)
        for code, (title, _, definition) in zip(
            occupations.codes, (text.partition(". ") for text in occupations.texts), strict=True
        )
    ]
    terms = build_terms(list(job_words(to_table(jobs, Job))))
    return np.stack([terms.scores(text) for text in occupations.texts])


def _any_order(gains: np.ndarray) -> np.ndarray:
    """(n,) the expected NDCG@10 of an order that knows nothing."""
    discounts = 1 / np.log2(np.arange(2, SHOWN + 2))
    expected = gains.sum(axis=1) / (len(gains) - 1) * discounts.sum()
    return expected / (np.sort(gains, axis=1)[:, ::-1][:, :SHOWN] @ discounts)


if __name__ == "__main__":
    main()
