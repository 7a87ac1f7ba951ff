"""The policy that shows the lists of the simulated log: a pool by crude retrieval, then a Plackett-Luce draw.

Its propensities are exact and conditional, as a service would log them: the probability of the job at its position,
given the pool and the jobs above it. Relevance enters crudely (occupation, region, freshness), so the log holds good
jobs that stand low and bad ones that stand high.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.catalogue import Catalogue
from simulator.population import DAY, NEVER, Jobs

LIST_LENGTH = 10
LOCAL, WORK, RELATED, CURIOUS, ANY = 9, 8, 10, 3, 20
"""Slots of a pool: target occupation in the region, target occupation, a related one, a curiosity, any job."""
POOL = LOCAL + WORK + RELATED + CURIOUS + ANY
OLDEST_DAYS = 40
"""A job this old is no longer drawn, even where it is open until filled."""
W_FUNCTION, W_REGION, W_CITY, W_FRESH = 1.8, 1.2, 0.4, 0.3
"""Weights of the crude score; its softmax is the policy."""


class Shelf:
    """Jobs sorted by group and time of posting, so that a random live job of a group is found by bisection."""

    def __init__(self, group: np.ndarray, posted: np.ndarray) -> None:
        self._order = np.lexsort((posted, group))
        self._base = int(posted.min()) - 1
        self._span = int(posted.max()) - self._base + 1 + OLDEST_DAYS * DAY
        if (int(group.max()) + 2) * float(self._span) > np.iinfo(np.int64).max:
            raise OverflowError(f"{int(group.max()) + 1} groups over {self._span / DAY:.0f} days do not fit 64 bits")
        self._keys = group[self._order].astype(np.int64) * self._span + (posted[self._order] - self._base)

    def draw(self, rng: np.random.Generator, group: np.ndarray, time: np.ndarray) -> np.ndarray:
        """For each group and time a job that was posted in the OLDEST_DAYS before, each with equal probability.

        Args:
            rng: of the draw.
            group: (n, k) int.
            time: (n,) int64 microseconds since 1970.

        Returns:
            (n, k) int64 rows of jobs; -1 where the group has none.
        """
        offset = group.astype(np.int64) * self._span
        since = np.maximum(time - self._base - OLDEST_DAYS * DAY, 0)
        first = np.searchsorted(self._keys, offset + since[:, None], "left")
        last = np.searchsorted(self._keys, offset + np.clip(time - self._base, 0, self._span - 1)[:, None], "right")
        place = first + ((last - first) * rng.random(group.shape)).astype(np.int64)
        return np.where(last > first, self._order[np.minimum(place, len(self._order) - 1)], -1)


class Shelves(NamedTuple):
    """The jobs of a market on shelves by group: all in one, by occupation, and by occupation and region."""

    everything: Shelf
    by_occupation: Shelf
    by_place: Shelf


class Requests(NamedTuple):
    """(n,) each. time: microseconds; target: occupation looked for; region: number; curious: occupation or -1."""

    time: np.ndarray
    member: np.ndarray
    target: np.ndarray
    region: np.ndarray
    city: np.ndarray
    curious: np.ndarray


class Lists(NamedTuple):
    """(n, LIST_LENGTH) each, best position first; a short list is padded with -1 and nan."""

    jobs: np.ndarray
    propensity: np.ndarray


def shelves(jobs: Jobs, catalogue: Catalogue) -> Shelves:
    """Sort the jobs of a market for `pools`."""
    regions = catalogue.regions
    place = jobs.occupation.astype(np.int64) * (int(regions.max()) + 1) + regions[jobs.city]
    return Shelves(
        Shelf(np.zeros(len(jobs), np.int64), jobs.posted),
        Shelf(jobs.occupation, jobs.posted),
        Shelf(place, jobs.posted),
    )


def pools(
    rng: np.random.Generator, requests: Requests, jobs: Jobs, shelf: Shelves, catalogue: Catalogue, related: np.ndarray
) -> np.ndarray:
    """The candidates of each request: jobs that are open at its time, each once.

    Args:
        rng: of the draw.
        requests: n of them.
        jobs: of the market.
        shelf: from `shelves`.
        catalogue: of the market.
        related: (n, RELATED) int, occupations near the target.

    Returns:
        (n, POOL) int64 rows of jobs; -1 in an empty slot.
    """
    n = len(requests.time)
    region_count = int(catalogue.regions.max()) + 1
    local = requests.target.astype(np.int64) * region_count + requests.region
    drawn = [
        shelf.by_place.draw(rng, np.repeat(local[:, None], LOCAL, 1), requests.time),
        shelf.by_occupation.draw(rng, np.repeat(requests.target[:, None], WORK, 1), requests.time),
        shelf.by_occupation.draw(rng, related, requests.time),
        shelf.by_occupation.draw(rng, np.repeat(np.maximum(requests.curious, 0)[:, None], CURIOUS, 1), requests.time),
        shelf.everything.draw(rng, np.zeros((n, ANY), np.int64), requests.time),
    ]
    drawn[3][requests.curious < 0] = -1
    pool = np.sort(np.concatenate(drawn, axis=1), axis=1)
    pool[:, 1:][pool[:, 1:] == pool[:, :-1]] = -1
    expires = np.where(pool >= 0, jobs.expires[pool], NEVER)
    pool[(expires <= requests.time[:, None]) | jobs.hidden[pool]] = -1
    return pool


def crude_scores(requests: Requests, pool: np.ndarray, jobs: Jobs, catalogue: Catalogue) -> np.ndarray:
    """The logging policy's scores: (n, POOL) float64, -inf in an empty slot."""
    city = jobs.city[pool]
    age = (requests.time[:, None] - jobs.posted[pool]) / (7.0 * DAY)
    score = (
        W_FUNCTION * catalogue.relatedness[requests.target[:, None], jobs.occupation[pool]].astype(np.float64)
        + W_REGION * (catalogue.regions[city] == requests.region[:, None])
        + W_CITY * (city == requests.city[:, None])
        + W_FRESH * np.exp(-age)
    )
    return np.where(pool >= 0, score, -np.inf)


def draw_lists(rng: np.random.Generator, pool: np.ndarray, scores: np.ndarray, length: int = LIST_LENGTH) -> Lists:
    """Plackett-Luce lists: the job of each position is drawn in proportion to exp(score) among those not yet placed.

    The propensity at a position is exp(score) / sum of exp(scores) not yet placed.

    Args:
        rng: of the draw.
        pool: (n, candidates) int64 rows of jobs.
        scores: (n, candidates) float64; -inf is never drawn.
        length: positions of a list.

    Source: Gumbel noise and a sort draw from the same distribution (Yellott, Journal of Mathematical Psychology 1977).
    """
    with np.errstate(divide="ignore"):
        noisy = scores - np.log(-np.log(rng.random(scores.shape)))
    order = np.argsort(-noisy, axis=1, kind="stable")[:, :length]
    shown = np.take_along_axis(scores, order, axis=1)
    present = np.isfinite(shown)
    top = np.where(np.isfinite(scores), scores, -np.inf).max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.exp(scores - top).sum(axis=1, keepdims=True)
    weight = np.where(present, np.exp(np.where(present, shown, 0.0) - top), 0.0)
    left = total - np.cumsum(weight, axis=1) + weight
    with np.errstate(invalid="ignore", divide="ignore"):
        propensity = np.where(present, np.minimum(weight / np.maximum(left, weight), 1.0), np.nan)
    return Lists(np.where(present, np.take_along_axis(pool, order, axis=1), -1), propensity)
