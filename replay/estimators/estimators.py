"""The estimators: each turns a request into a few numbers, and sums of those into a value.

A value is a function of sums, so that a log of any length is added up part by part, on any machine, and a resample of
members is a weighted sum. What an estimator assumes of the log stands in `assumes`; where it fails the value is wrong,
however narrow its interval.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from contracts.errors import BadInput
from replay.estimators.logged import LoggedLists


@dataclass(frozen=True)
class Estimator:
    """One way to estimate the mean reward of a request under the policy in question.

    Attributes:
        name: As reports and the command line spell it.
        assumes: What has to hold of the log and of people, in words.
        needs: Fields of `LoggedLists` that may be absent and that it reads.
        random: It needs a log that was drawn at random, and so tells nothing of a deterministic one.
    """

    name: ClassVar[str]
    assumes: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    random: ClassVar[bool] = True

    def columns(self, lists: LoggedLists) -> np.ndarray:
        """(n, c) float64, the numbers of each request whose sums `value` reads.

        Raises:
            BadInput: A field that it needs is absent.
        """
        for field in self.needs:
            if getattr(lists, field) is None:
                raise BadInput(f"{self.name} needs it", where=field, cure="log it, or ask another estimator")
        return np.stack(self._columns(lists), axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """(...) float64, the estimates of (..., c) sums; by default the first column over the second."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return sums[..., 0] / sums[..., 1]

    def weights(self, lists: LoggedLists) -> np.ndarray:
        """(n, w) float64, by how much each request counts for more than it was shown; their mean is 1 where the log
        supports the policy in question. (n, 0) of an estimator without."""
        return np.zeros((len(lists), 0))

    @abstractmethod
    def _columns(self, lists: LoggedLists) -> list[np.ndarray]: ...


def _mean(values: np.ndarray) -> list[np.ndarray]:
    return [values, np.ones(len(values))]


class Match(Estimator):
    """Mean reward of the requests whose list the policy in question would have shown too.

    Source: Li et al., Unbiased offline evaluation of contextual-bandit-based news article recommendation algorithms
    (WSDM 2011); weighted by the log's probabilities, which there are uniform.
    """

    name = "match"
    assumes = "the policy in question is deterministic"

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        weight = self.weights(lists)[:, 0]
        return [weight * lists.rewards.sum(axis=1), weight]

    def weights(self, lists: LoggedLists) -> np.ndarray:
        same = (lists.target == 1).all(axis=1)
        return (same / lists.logging.prod(axis=1))[:, None]


class DirectMethod(Estimator):
    """Mean of what a model predicts of the lists of the policy in question."""

    name = "dm"
    assumes = "the model of rewards is right"
    needs = ("expected",)
    random = False

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        assert lists.expected is not None
        return _mean(lists.expected.sum(axis=1))


class InversePropensity(Estimator):
    """Rewards of lists, each weighted by how much more probable its list is under the policy in question.

    Source: Horvitz and Thompson (1952); Precup et al., Eligibility traces for off-policy policy evaluation (ICML 2000).
    """

    name = "ips"
    assumes = "every list that the policy in question shows could be shown"

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean(self.weights(lists)[:, 0] * lists.rewards.sum(axis=1))

    def weights(self, lists: LoggedLists) -> np.ndarray:
        return lists.ratios()[:, -1:]


class SelfNormalised(InversePropensity):
    """`ips` over the sum of its weights: a little biased, far steadier.

    Source: Swaminathan and Joachims, The self-normalized estimator for counterfactual learning (NeurIPS 2015).
    """

    name = "snips"

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        weight = self.weights(lists)[:, 0]
        return [weight * lists.rewards.sum(axis=1), weight]


@dataclass(frozen=True)
class Clipped(InversePropensity):
    """`ips` with weights cut at a limit: too low by what is cut.

    Source: Ionides, Truncated importance sampling (2008).
    """

    name = "clipped_ips"
    assumes = "what is cut off the weights is little"
    limit: float = 100.0

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean(np.minimum(self.weights(lists)[:, 0], self.limit) * lists.rewards.sum(axis=1))


class DoublyRobust(InversePropensity):
    """What a model predicts, corrected by the weighted error that it makes on the log.

    Source: Dudik et al., Doubly robust policy evaluation and learning (ICML 2011).
    """

    name = "dr"
    assumes = "every list that the policy in question shows could be shown, or the model of rewards is right"
    needs = ("predicted", "expected")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        assert lists.predicted is not None and lists.expected is not None
        error = (lists.rewards - lists.predicted).sum(axis=1)
        return _mean(lists.expected.sum(axis=1) + self._corrects(lists) * error)

    def _corrects(self, lists: LoggedLists) -> np.ndarray:
        """(n,) the weight of the model's error."""
        return self.weights(lists)[:, 0]


@dataclass(frozen=True)
class SwitchDoublyRobust(DoublyRobust):
    """`dr` that trusts the model alone where a weight is above a limit.

    Source: Wang et al., Optimal and adaptive off-policy evaluation in contextual bandits (ICML 2017).
    """

    name = "switch_dr"
    assumes = "the model of rewards is right where weights are above the limit"
    limit: float = 10.0

    def _corrects(self, lists: LoggedLists) -> np.ndarray:
        weight = self.weights(lists)[:, 0]
        return np.where(weight <= self.limit, weight, 0.0)


@dataclass(frozen=True)
class ShrunkDoublyRobust(DoublyRobust):
    """`dr` whose weights w are shrunk to lambda w / (w^2 + lambda).

    Source: Su et al., Doubly robust off-policy evaluation with shrinkage (ICML 2020), section 3.1.
    """

    name = "shrunk_dr"
    assumes = "the model of rewards is nearly right where weights are large"
    strength: float = 100.0

    def _corrects(self, lists: LoggedLists) -> np.ndarray:
        weight = self.weights(lists)[:, 0]
        return self.strength * weight / (weight**2 + self.strength)


class PerPlace(Estimator):
    """Each place by itself: its reward, weighted by how much more probable its job is there.

    Source: Li et al., Offline evaluation of ranking policies with click models (KDD 2018), item-position model.
    """

    name = "iips"
    assumes = "what comes of a job depends on it and its place, and not on the other jobs"
    needs = ("logging_at", "target_at")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean((self.weights(lists) * lists.rewards).sum(axis=1))

    def weights(self, lists: LoggedLists) -> np.ndarray:
        return np.asarray(lists.target_at) / np.asarray(lists.logging_at)


class Cascade(Estimator):
    """Each place by the jobs up to it.

    Source: McInerney et al., Counterfactual evaluation of slate recommendations with sequential reward interactions
    (KDD 2020), RIPS.
    """

    name = "rips"
    assumes = "what comes of a job depends on it and the jobs before it, and not on those after it"

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean((self.weights(lists) * lists.rewards).sum(axis=1))

    def weights(self, lists: LoggedLists) -> np.ndarray:
        return lists.ratios()


class CascadeDoublyRobust(Cascade):
    """`rips`, corrected place by place with what a model predicts of the rest of the list.

    Source: Kiyohara et al., Doubly robust off-policy evaluation for ranking policies under the cascade behavior model
    (WSDM 2022), equation 5.
    """

    name = "cascade_dr"
    needs = ("predicted_rest", "expected_rest")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        assert lists.predicted_rest is not None and lists.expected_rest is not None
        weight = self.weights(lists)
        before = np.concatenate([np.ones((len(lists), 1)), weight[:, :-1]], axis=1)
        return _mean((weight * (lists.rewards - lists.predicted_rest) + before * lists.expected_rest).sum(axis=1))


class PseudoInverse(Estimator):
    """The list's whole reward, weighted by the sum of its places' ratios.

    Source: Swaminathan et al., Off-policy evaluation for slate recommendation (NeurIPS 2017), for a logging policy that
    draws the places independently.
    """

    name = "pi"
    assumes = "places were drawn independently, and a list's reward is a sum over its places, whatever each of them is"
    needs = ("logging_at", "target_at")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean(self.weights(lists)[:, 0] * lists.rewards.sum(axis=1))

    def weights(self, lists: LoggedLists) -> np.ndarray:
        ratios = np.asarray(lists.target_at) / np.asarray(lists.logging_at)
        return 1.0 + (ratios - 1.0).sum(axis=1, keepdims=True)


class Families(Estimator):
    """`iips` over families of jobs instead of jobs, whose probabilities differ less.

    Source: Saito and Joachims, Off-policy evaluation for large action spaces via embeddings (ICML 2022), MIPS.
    """

    name = "mips"
    assumes = "jobs of one family bring the same at the same place"
    needs: ClassVar[tuple[str, ...]] = ("logging_family", "target_family")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean((self.weights(lists) * lists.rewards).sum(axis=1))

    def weights(self, lists: LoggedLists) -> np.ndarray:
        return np.asarray(lists.target_family) / np.asarray(lists.logging_family)


class ConjunctEffect(Families):
    """`mips` of what a model does not explain, added to what it predicts.

    Source: Saito et al., Off-policy evaluation for large action spaces via conjunct effect modeling (arXiv 2305.08062),
    OffCEM.
    """

    name = "offcem"
    assumes = "the model is right about the differences of jobs of one family"
    needs = ("logging_family", "target_family", "predicted", "expected")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        assert lists.predicted is not None and lists.expected is not None
        error = self.weights(lists) * (lists.rewards - lists.predicted)
        return _mean((error + lists.expected).sum(axis=1))


class ClickPropensity(Estimator):
    """Rewards of opened jobs, each weighted by how much more probable it is opened under the policy in question.

    Chance comes from people, who do not open every job that they are shown, so that the log may be of a policy that
    leaves nothing to it. Source: Tanaka et al., Off-policy evaluation for ranking policies under deterministic logging
    policies (ICLR 2026, arXiv 2603.21485), CIPS.
    """

    name = "cips"
    assumes = "what comes of an opened job depends on the job alone, and the model of what is opened is right"
    needs: ClassVar[tuple[str, ...]] = ("clicks", "logging_click", "target_click", "target_clicks")
    random = False

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        return _mean((self._of_clicks(lists) * lists.rewards).sum(axis=1))

    def weights(self, lists: LoggedLists) -> np.ndarray:
        weighted = (self._of_clicks(lists) * np.asarray(lists.clicks)).sum(axis=1)
        return (weighted / np.asarray(lists.target_clicks))[:, None]

    def _of_clicks(self, lists: LoggedLists) -> np.ndarray:
        """(n, K) the weight of each job if it was opened."""
        return np.asarray(lists.target_click) / np.asarray(lists.logging_click)


class ClickDoublyRobust(ClickPropensity):
    """What a model predicts of opened jobs, corrected by the error that it makes on those of the log.

    Source: as `cips`, CDR.
    """

    name = "cdr"
    needs = (*ClickPropensity.needs, "predicted_of_click", "expected_of_clicks")

    def _columns(self, lists: LoggedLists) -> list[np.ndarray]:
        assert lists.predicted_of_click is not None and lists.expected_of_clicks is not None
        error = self._of_clicks(lists) * (lists.rewards - np.asarray(lists.clicks) * lists.predicted_of_click)
        return _mean(error.sum(axis=1) + lists.expected_of_clicks)


ESTIMATORS: Mapping[str, type[Estimator]] = {
    kind.name: kind
    for kind in (
        Match, DirectMethod, InversePropensity, SelfNormalised, Clipped, DoublyRobust, SwitchDoublyRobust,
        ShrunkDoublyRobust, PerPlace, Cascade, CascadeDoublyRobust, PseudoInverse, Families, ConjunctEffect,
        ClickPropensity, ClickDoublyRobust,
    )
}  # fmt: skip
"""Name -> estimator."""


def difference_columns(lists: LoggedLists, other: LoggedLists) -> np.ndarray:
    """(n, 5) float64, the numbers of each request whose sums `difference_value` reads.

    Args:
        lists: The log with the first policy as the one in question.
        other: The same log with the second.
    """
    apart = (lists.ratios()[:, -1] - other.ratios()[:, -1])[:, None]
    reward = lists.rewards.sum(axis=1, keepdims=True)
    return np.hstack([apart * reward, apart, apart**2 * reward, apart**2, np.ones_like(apart)])


def difference_value(sums: np.ndarray) -> np.ndarray:
    """(...) float64: by how much the first policy's mean reward is above the second's, from (..., 5) sums, with the
    control variate of least variance.

    Source: Jeunen and Ustimenko, Delta-OPE: off-policy estimation with pairs of policies (arXiv 2405.10024).
    """
    squares = sums[..., 3]
    variate = np.divide(sums[..., 2], squares, out=np.zeros_like(squares), where=squares > 0)
    return (sums[..., 0] - variate * sums[..., 1]) / sums[..., 4]
