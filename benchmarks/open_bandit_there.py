"""What Open Bandit Pipeline says of the arrays of one log; `benchmarks.open_bandit` runs it with a Python that has obp.

    python open_bandit_there.py ARRAYS.npz

It imports NumPy and obp alone, and prints one JSON object: name of an estimator of ours to the value of theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import numpy as np
from obp import ope

LIMIT = 2.0
"""Of weights, so low that some of the log's are above it."""


def values(log: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Estimates of the fields of a `LoggedLists`."""
    n, places = log["rewards"].shape
    list_logging, list_target = log["logging"].prod(axis=1), log["target"].prod(axis=1)
    predicted, expected = log["predicted"].sum(axis=1), log["expected"].sum(axis=1)
    # A list is an action; all others are one more action, of which only the mean prediction matters.
    whole = {
        "reward": log["rewards"].sum(axis=1),
        "action": np.zeros(n, int),
        "pscore": list_logging,
        "action_dist": np.stack([list_target, 1 - list_target], axis=1)[:, :, None],
        "estimated_rewards_by_reg_model": _two_actions(list_target, predicted, expected)[:, :, None],
        "position": np.zeros(n, int),
    }
    slates = {
        "slate_id": np.repeat(np.arange(n), places),
        "reward": log["rewards"].ravel(),
        "position": np.tile(np.arange(places), n),
    }
    joint_logging, joint_target = (np.cumprod(log[name], axis=1).ravel() for name in ("logging", "target"))
    step = log["target"].ravel()
    return {
        "ips": ope.InverseProbabilityWeighting().estimate_policy_value(**whole),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**whole),
        "clipped_ips": ope.InverseProbabilityWeighting(lambda_=LIMIT).estimate_policy_value(**whole),
        "dm": ope.DirectMethod().estimate_policy_value(**whole),
        "dr": ope.DoublyRobust().estimate_policy_value(**whole),
        "switch_dr": ope.SwitchDoublyRobust(lambda_=LIMIT).estimate_policy_value(**whole),
        "shrunk_dr": ope.DoublyRobustWithShrinkage(lambda_=LIMIT).estimate_policy_value(**whole),
        "iips": ope.SlateIndependentIPS(len_list=places).estimate_policy_value(
            **slates,
            pscore_item_position=log["logging_at"].ravel(),
            evaluation_policy_pscore_item_position=log["target_at"].ravel(),
        ),
        "rips": ope.SlateRewardInteractionIPS(len_list=places).estimate_policy_value(
            **slates, pscore_cascade=joint_logging, evaluation_policy_pscore_cascade=joint_target
        ),
        "cascade_dr": ope.SlateCascadeDoublyRobust(len_list=places, n_unique_action=2).estimate_policy_value(
            **slates,
            action=np.zeros(n * places, int),
            pscore_cascade=joint_logging,
            evaluation_policy_pscore_cascade=joint_target,
            q_hat=_two_actions(step, log["predicted_rest"].ravel(), log["expected_rest"].ravel()).ravel(),
            evaluation_policy_action_dist=np.stack([step, 1 - step], axis=1).ravel(),
        ),
    }


def _two_actions(probability: np.ndarray, of_shown: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(n, 2): the prediction of what was shown, and of all else, so that their mean is `mean` ((n,) each)."""
    rest = 1 - probability
    others = np.divide(mean - probability * of_shown, rest, out=np.zeros_like(rest), where=rest > 1e-12)
    return np.stack([of_shown, others], axis=1)


if __name__ == "__main__":
    with np.load(sys.argv[1], allow_pickle=False) as arrays:
        print(json.dumps({name: float(value) for name, value in values(dict(arrays)).items()}))
