"""Who is in which arm is the same everywhere, in the stated shares; what does not fit is refused by name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from contracts.errors import BadInput
from contracts.workspace import Workspace
from ranking.objective import Wish
from serving.config import ServeConfig
from serving.engine import Engine
from serving.trials.config import Arm, Explore, Shadow, TrialsConfig
from tests.make import refused

ARMS = (Arm(name="more_policy", share=0.2, objective=Wish(weight=1.0)), Arm(name="floor", share=0.3))


def test_members_are_drawn_in_the_shares_and_stay_where_they_are() -> None:
    trials = TrialsConfig(arms=ARMS)
    arms = [trials.arm_of(f"m{i}", "r") for i in range(4_000)]
    shares = {
        name: sum(arm is not None and arm.name == name for arm in arms) / 4_000 for name in ("more_policy", "floor")
    }
    assert shares == {"more_policy": pytest.approx(0.2, abs=0.03), "floor": pytest.approx(0.3, abs=0.03)}
    assert arms == [TrialsConfig(arms=ARMS).arm_of(f"m{i}", "another") for i in range(4_000)]
    salted = [TrialsConfig(arms=ARMS, salt="another").arm_of(f"m{i}", "r") for i in range(4_000)]
    assert salted != arms


def test_lists_are_drawn_for_members_or_for_requests() -> None:
    of_members = TrialsConfig(explore=Explore(share=0.5))
    of_requests = TrialsConfig(explore=Explore(share=0.5, by="request"))
    assert len({of_members.explore_of(None, "m1", f"r{i}") for i in range(50)}) == 1
    assert len({of_requests.explore_of(None, "m1", f"r{i}") for i in range(50)}) == 2
    assert len({of_members.explore_of(None, "", f"r{i}") for i in range(50)}) == 2  # somebody unknown


def test_who_explores_does_not_hang_on_the_arm() -> None:
    trials = TrialsConfig(arms=(Arm(name="half", share=0.5),), explore=Explore(share=0.5))
    both = [(trials.arm_of(f"m{i}", ""), trials.explore_of(None, f"m{i}", "")) for i in range(2_000)]
    assert sum(arm is not None and explore is not None for arm, explore in both) / 2_000 == pytest.approx(
        0.25, abs=0.05
    )


def test_an_arms_own_drawing_goes_before() -> None:
    always = Explore(share=1.0, temperature=3.0)
    trials = TrialsConfig(arms=(Arm(name="chance", share=1.0, explore=always),))
    assert trials.explore_of(trials.arm_of("m1", ""), "m1", "") == always


@pytest.mark.parametrize(
    "knobs",
    [
        {"arms": (Arm(name="a", share=0.6), Arm(name="b", share=0.5))},
        {"arms": (Arm(name="a", share=0.1), Arm(name="a", share=0.1))},
        {"explore": {"share": 1.1}},
        {"explore": {"temperature": 0}},
        {"shadow": {"bundle": "somewhere"}},
    ],
)
def test_trials_that_do_not_fit_are_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrialsConfig.model_validate(knobs)


def test_an_arm_outside_the_bundles_bounds_stops_the_start_and_is_named(workspace: Workspace) -> None:
    trials = TrialsConfig(arms=(Arm(name="too_much", share=0.1, objective=Wish(weight=9.0)),))
    with refused(BadInput, "9", where="too_much"):
        Engine(workspace, ServeConfig(trials=trials))


def test_a_shadow_is_off_unless_it_is_named() -> None:
    assert Shadow().bundle is None and TrialsConfig().arm_of("m1", "r") is None
    assert TrialsConfig().explore_of(None, "m1", "r") is None
