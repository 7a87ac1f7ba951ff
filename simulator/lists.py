"""A market of six jobs and lists of three: all lists can be counted, so that the true value of a policy is known.

It tests estimators of replay: what each of them assumes of people can be made true or false.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Literal

import numpy as np

JOBS, PLACES, KINDS = 6, 3, 12
"""KINDS: of members, each with an attraction of its own to each job."""
FAMILIES = np.array([0, 0, 1, 1, 2, 2])
SEEN = np.array([1.0, 0.7, 0.5])
"""How often a place is looked at."""

People = Literal["alone", "cascade", "whole list", "family", "clicks"]
"""What a reward depends on: the job and its place; the jobs before it too; all jobs; the job's family and its place;
whether the job was opened, for which alone its place matters, and the job."""
Drawing = Literal["without replacement", "independent"]


@dataclass(frozen=True)
class Drawn:
    """n requests and what came of them.

    Attributes:
        members: (n,) int64.
        kinds: (n,) int64, of the members.
        lists: (n,) int64, which of `Market.lists` was shown.
        rewards: (n, PLACES) float64, 0 or 1.
        clicks: (n, PLACES) float64, 0 or 1: whether the job was opened; as the rewards where opening is no matter.
    """

    members: np.ndarray
    kinds: np.ndarray
    lists: np.ndarray
    rewards: np.ndarray
    clicks: np.ndarray


class Market:
    """Kinds of members, and the mean reward of every list at every place.

    Attributes:
        lists: (L, PLACES) int64, all lists that may be drawn.
        means: (KINDS, L, PLACES) float64, mean rewards.
        attraction: (KINDS, JOBS) float64.
        once_opened: (KINDS, JOBS) float64, the reward of an opened job in the mean.
        openings: (KINDS, L, PLACES) float64, how often the job at a place is opened; where that is no matter, `means`.
    """

    def __init__(self, people: People, drawing: Drawing = "without replacement", seed: int = 0) -> None:
        """Make the market of a seed."""
        rng = np.random.default_rng(seed)
        drawn = product(range(JOBS), repeat=PLACES) if drawing == "independent" else permutations(range(JOBS), PLACES)
        self.lists, self._drawing = np.array(list(drawn)), drawing
        attraction = rng.uniform(0.1, 0.8, (KINDS, JOBS))
        if people == "family":
            attraction = attraction[:, ::2].repeat(2, axis=1)
        self.attraction = attraction
        means = attraction[:, self.lists] * SEEN
        families = FAMILIES[self.lists]
        if people in ("cascade", "whole list"):
            before = np.stack([(families[:, :k] == families[:, [k]]).sum(axis=1) for k in range(PLACES)], axis=1)
            means = means * 0.4**before
        if people == "whole list":
            means = means * np.where(families[:, [-1]] == 0, 0.4, 1.0)
        self.openings = self.means = means
        self.once_opened = np.ones_like(attraction)
        if people == "clicks":
            self.once_opened = rng.uniform(0.1, 0.9, (KINDS, JOBS))
            self.means = means * self.once_opened[:, self.lists]

    def policy(self, greed: float, scores: np.ndarray) -> np.ndarray:
        """(KINDS, L, PLACES) float64: probabilities of the job at each place given those before (Plackett-Luce).

        Args:
            greed: 0 draws all jobs alike; the larger, the surer the best come first.
            scores: (KINDS, JOBS) float64.
        """
        strength = np.exp(greed * (scores - scores.max(axis=1, keepdims=True)))
        steps = np.empty((KINDS, *self.lists.shape))
        left = np.ones((len(self.lists), JOBS))
        for k in range(PLACES):
            here = self.lists[:, k]
            steps[:, :, k] = strength[:, here] / (strength @ left.T)
            if self._drawing == "without replacement":
                left[np.arange(len(here)), here] = 0
        return steps

    def value(self, policy: np.ndarray) -> float:
        """The mean reward of a request under a policy."""
        return float((policy.prod(axis=2) * self.means.sum(axis=2)).sum(axis=1).mean())

    def at(self, policy: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """(KINDS, L, PLACES) float64: the probability that a list's job, or one of its group, stands at its place.

        groups: (JOBS,) int64, such as `FAMILIES`; None: each job by itself.
        """
        group = np.arange(JOBS) if groups is None else groups
        whole, found = policy.prod(axis=2), np.empty_like(policy)
        for k in range(PLACES):
            of_list = group[self.lists[:, k]]
            each = np.stack([whole[:, of_list == g].sum(axis=1) for g in range(group.max() + 1)], axis=1)
            found[:, :, k] = each[:, of_list]
        return found

    def opened(self, policy: np.ndarray) -> np.ndarray:
        """(KINDS, JOBS) float64: the probability that a job is shown and opened under a policy."""
        weighted, found = policy.prod(axis=2)[:, :, None] * self.openings, np.zeros((KINDS, JOBS))
        for job in range(JOBS):
            found[:, job] = (weighted * (self.lists == job)).sum(axis=(1, 2))
        return found

    def rest(self, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two (KINDS, L, PLACES) float64: mean rewards of place k and after it, given the jobs up to place k, and given
        those before it."""
        whole = policy.prod(axis=2)
        given, before = np.empty_like(policy), np.empty_like(policy)
        for k in range(PLACES):
            after = self.means[:, :, k:].sum(axis=2)
            given[:, :, k] = self._mean_given(whole, after, k + 1)
            before[:, :, k] = self._mean_given(whole, after, k)
        return given, before

    def _mean_given(self, whole: np.ndarray, values: np.ndarray, places: int) -> np.ndarray:
        """(KINDS, L) float64: the mean of values over the lists that begin alike."""
        _, prefix = np.unique(self.lists[:, :places], axis=0, return_inverse=True) if places else (0, None)
        prefix = np.zeros(len(self.lists), np.int64) if prefix is None else prefix.ravel()
        begins = np.eye(prefix.max() + 1)[prefix]
        weighted, total = (whole * values) @ begins, whole @ begins
        return (weighted / np.maximum(total, 1e-300))[:, prefix]

    def draw(self, policy: np.ndarray, requests: int, seed: int, requests_each: float = 2.0) -> Drawn:
        """Draw a log. requests_each: of a member, in the mean."""
        rng = np.random.default_rng(seed)
        members = rng.integers(0, max(2, int(requests / requests_each)), requests)
        kinds = members % KINDS
        edges = policy.prod(axis=2).cumsum(axis=1)
        lists = (rng.uniform(size=(requests, 1)) * edges[kinds, -1:] > edges[kinds]).sum(axis=1)
        chance = rng.uniform(size=(requests, PLACES))
        rewards, clicks = chance < self.means[kinds, lists], chance < self.openings[kinds, lists]
        return Drawn(members, kinds, lists, rewards.astype(np.float64), clicks.astype(np.float64))
