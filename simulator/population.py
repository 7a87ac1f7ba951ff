"""Who lives in the market: the latent state of members and jobs, as arrays.

Latent means true and hidden: the records (`simulator.prose`) show parts of it in words, the fit (`simulator.truth`) and
the clicks (`simulator.behaviour`) read all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import pyarrow as pa

from simulator.catalogue import Catalogue

MEMBER_SKILLS, JOB_SKILLS = 12, 7
"""Most skills of a member and of a job; shorter lists are padded with -1."""
PAY_OF_LEVEL = np.array([0.55, 0.78, 1.0, 1.25, 1.5, 1.9, 2.6])
WORKPLACES = ("onsite", "hybrid", "remote")
LIFETIME_DAYS = 21.0
NEVER = np.iinfo(np.int64).max
"""The expiry of a job that is open until filled; times are microseconds since 1970."""
DAY = 86_400_000_000
_LEVEL_SHARES = np.array([0.02, 0.25, 0.36, 0.24, 0.08, 0.04, 0.01])


class _Arrays:
    """Arrays over the same rows, to and from an Arrow table: a two-dimensional one is a fixed-size list column."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def to_table(self) -> pa.Table:
        """One column an array."""
        columns = {}
        for item in fields(self):  # type: ignore[arg-type]
            array = getattr(self, item.name)
            flat = pa.array(array.reshape(-1))
            columns[item.name] = flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
        return pa.table(columns)

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The arrays that `to_table` wrote."""
        arrays = {}
        for item in fields(cls):  # type: ignore[arg-type]
            column = table[item.name].combine_chunks()
            if pa.types.is_fixed_size_list(column.type):
                arrays[item.name] = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
            else:
                arrays[item.name] = column.to_numpy(zero_copy_only=False)
        return cls(**arrays)


@dataclass(frozen=True)
class Members(_Arrays):
    """One row a member.

    Attributes:
        occupation: the work that they do.
        wish: the work that they look for, often the same.
        curious: work that they click on besides; -1 for none.
        level: rung of the seniority ladder.
        city: where they live.
        other_city: where they would work besides; -1 for none.
        workplace: bit mask over WORKPLACES; 0 for no wish.
        salary_min: dollars a year.
        industry: the one that they like.
        activity: relative number of visits.
        skills: numbers of skills, padded with -1.
    """

    occupation: np.ndarray  # int16
    wish: np.ndarray  # int16
    curious: np.ndarray  # int16
    level: np.ndarray  # int8, rung of the seniority ladder
    city: np.ndarray  # int16
    other_city: np.ndarray  # int16
    workplace: np.ndarray  # uint8
    salary_min: np.ndarray  # float32, dollars a year
    industry: np.ndarray  # int16, a number among the catalogue's industries
    activity: np.ndarray  # float32
    skills: np.ndarray  # (members, MEMBER_SKILLS) int16


@dataclass(frozen=True)
class Jobs(_Arrays):
    """One row a job, in the order of `posted`."""

    occupation: np.ndarray  # int16
    level: np.ndarray  # int8
    city: np.ndarray  # int16
    workplace: np.ndarray  # uint8, place in WORKPLACES
    salary_min: np.ndarray  # float32
    salary_max: np.ndarray  # float32
    company: np.ndarray  # int16
    industry: np.ndarray  # int16
    popularity: np.ndarray  # float32, of the company: mean 0, variance about 1
    posted: np.ndarray  # int64, microseconds
    expires: np.ndarray  # int64, NEVER where open until filled
    hidden: np.ndarray  # bool
    skills: np.ndarray  # (jobs, JOB_SKILLS) int16


def industries(catalogue: Catalogue) -> tuple[str, ...]:
    """All industries of a catalogue; an industry's number is its place here."""
    return tuple(dict.fromkeys(name for occupation in catalogue.occupations for name in occupation.industries))


def draw_members(rng: np.random.Generator, n: int, catalogue: Catalogue) -> Members:
    """Draw n members."""
    occupation = _occupations(rng, n, catalogue)
    wish = np.where(rng.random(n) < 0.25, draw_related(rng, occupation, related_steps(catalogue)), occupation)
    curious = np.where(rng.random(n) < 0.5, _occupations(rng, n, catalogue), -1)
    level = _levels(rng, occupation, catalogue)
    city = _cities(rng, n, catalogue)
    other_city = np.where(rng.random(n) < 0.2, _cities(rng, n, catalogue), -1)
    workplace = np.where(rng.random(n) < 0.6, rng.integers(1, 8, n), 0)
    salary = _pay(wish, level, catalogue) * rng.uniform(0.7, 1.0, n)
    return Members(
        occupation=occupation.astype(np.int16),
        wish=wish.astype(np.int16),
        curious=curious.astype(np.int16),
        level=level.astype(np.int8),
        city=city.astype(np.int16),
        other_city=other_city.astype(np.int16),
        workplace=workplace.astype(np.uint8),
        salary_min=(np.round(salary / 500) * 500).astype(np.float32),
        industry=_industries(rng, wish, catalogue),
        activity=rng.gamma(0.8, size=n).astype(np.float32) + np.float32(0.05),
        skills=_skills(rng, occupation, catalogue, MEMBER_SKILLS, (5, 10), stray=0.15),
    )


def draw_jobs(rng: np.random.Generator, n: int, catalogue: Catalogue, start: int, days: int) -> Jobs:
    """Draw n jobs, posted evenly from one lifetime before the start of the market until its end.

    Args:
        rng: of the draw.
        n: number of jobs.
        catalogue: of the market.
        start: microseconds since 1970.
        days: length of the market.
    """
    occupation = _occupations(rng, n, catalogue)
    level = _levels(rng, occupation, catalogue)
    remote = np.array([o.remote for o in catalogue.occupations])[occupation]
    workplace = np.where(rng.random(n) < remote, 2, np.where(rng.random(n) < remote, 1, 0))
    pay = _pay(occupation, level, catalogue) * rng.lognormal(0.0, 0.12, n)
    companies = len(catalogue.companies)
    fame = np.random.default_rng(companies).normal(size=companies)  # the same company is as popular in every market
    company = np.minimum((companies * rng.random(n) ** 2.5).astype(np.int64), companies - 1)  # a few post most
    first = start - int(LIFETIME_DAYS * DAY)
    posted = np.sort(first + ((start + days * DAY - first) * rng.random(n)).astype(np.int64))
    lifetime = np.maximum(rng.normal(LIFETIME_DAYS, 6.0, n), 3.0) * DAY
    second = 1_000_000
    expires = np.where(rng.random(n) < 0.15, NEVER, (posted + lifetime.astype(np.int64)) // second * second)
    return Jobs(
        occupation=occupation.astype(np.int16),
        level=level.astype(np.int8),
        city=_cities(rng, n, catalogue).astype(np.int16),
        workplace=workplace.astype(np.uint8),
        salary_min=(np.round(pay * 0.92 / 500) * 500).astype(np.float32),
        salary_max=(np.round(pay * 1.12 / 500) * 500).astype(np.float32),
        company=company.astype(np.int16),
        industry=_industries(rng, occupation, catalogue),
        popularity=fame[company].astype(np.float32),
        posted=posted // second * second,
        expires=expires,
        hidden=rng.random(n) < 0.01,
        skills=_skills(rng, occupation, catalogue, JOB_SKILLS, (4, 6), stray=0.05),
    )


def _occupations(rng: np.random.Generator, n: int, catalogue: Catalogue) -> np.ndarray:
    """Zipf-like: a market has few large occupations and many small ones, the same ones in every market."""
    size = len(catalogue.occupations)
    rank = np.random.default_rng(size).permutation(size)
    return _draw(rng, 1.0 / (rank + 8.0), n)


def related_steps(catalogue: Catalogue) -> np.ndarray:
    """(occupations^2,) float64 ascending: per occupation the cumulative squared relatedness to the others, normalised,
    plus the occupation's number. An occupation without relatives relates to itself."""
    weights = np.square(catalogue.relatedness.astype(np.float64))
    np.fill_diagonal(weights, 0.0)
    np.fill_diagonal(weights, weights.sum(axis=1) == 0.0)
    steps = np.cumsum(weights, axis=1)
    return (steps / steps[:, -1:] + np.arange(len(steps))[:, None]).ravel()


def draw_related(rng: np.random.Generator, occupation: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """For each occupation another one, in proportion to its squared relatedness; steps: from `related_steps`."""
    size = round(len(steps) ** 0.5)
    return np.searchsorted(steps, occupation + rng.random(occupation.shape), "right") % size


def _levels(rng: np.random.Generator, occupation: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    lowest = np.array([o.lowest for o in catalogue.occupations])[occupation]
    highest = np.array([o.highest for o in catalogue.occupations])[occupation]
    return np.clip(_draw(rng, _LEVEL_SHARES, len(occupation)), lowest, highest)


def _pay(occupation: np.ndarray, level: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    return np.array([o.pay for o in catalogue.occupations])[occupation] * PAY_OF_LEVEL[level]


def _cities(rng: np.random.Generator, n: int, catalogue: Catalogue) -> np.ndarray:
    return _draw(rng, np.array([city.weight**1.5 for city in catalogue.cities]), n)


def _industries(rng: np.random.Generator, occupation: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    numbers = {name: i for i, name in enumerate(industries(catalogue))}
    width = max(len(o.industries) for o in catalogue.occupations)
    table = np.array(
        [[numbers[o.industries[k % len(o.industries)]] for k in range(width)] for o in catalogue.occupations]
    )
    return table[occupation, rng.integers(0, width, len(occupation))].astype(np.int16)


def _skills(
    rng: np.random.Generator,
    occupation: np.ndarray,
    catalogue: Catalogue,
    width: int,
    count: tuple[int, int],
    stray: float,
) -> np.ndarray:
    """(rows, width) int16: `count` skills of the occupation, and with probability `stray` each one or two of any."""
    numbers = {name: i for i, name in enumerate(catalogue.skills)}
    most = max(len(o.skills) for o in catalogue.occupations)
    table = np.full((len(catalogue.occupations), most), -1, np.int64)
    for i, o in enumerate(catalogue.occupations):
        table[i, : len(o.skills)] = [numbers[skill] for skill in o.skills]
    own = table[occupation]
    keys = np.where(own >= 0, rng.random(own.shape), 2.0)
    shuffled = np.take_along_axis(own, np.argsort(keys, axis=1), axis=1)[:, :width]
    skills = np.full((len(occupation), width), -1, np.int64)
    skills[:, : shuffled.shape[1]] = shuffled
    wanted = rng.integers(count[0], count[1] + 1, len(occupation))
    skills[np.arange(width) >= wanted[:, None]] = -1
    for column in (width - 1, width - 2):
        mask = (rng.random(len(occupation)) < stray) & (skills[:, column] < 0)
        found = rng.integers(0, len(numbers), len(occupation))
        mask &= ~(skills == found[:, None]).any(axis=1)
        skills[mask, column] = found[mask]
    return skills.astype(np.int16)


def _draw(rng: np.random.Generator, weights: np.ndarray, n: int) -> np.ndarray:
    steps = np.cumsum(weights, dtype=np.float64)
    return np.searchsorted(steps, rng.random(n) * steps[-1], "right")
