"""Which requests are held out, and what of them counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contracts.workspace import Workspace
from replay.holdout import has_impressions, held_out


def test_the_last_fifth_of_the_requests_is_held_out_with_the_gains_of_what_was_done(shown: Workspace) -> None:
    found = held_out(shown, most=10)
    assert [(r.request_id, r.member_id, dict(r.gains)) for r in found] == [
        ("r3", "m1", {"j2": 1}),
        ("r4", "m2", {"j4": 2, "j8": 1}),
    ]
    assert all(not r.viewed for r in found)


def test_what_precedes_a_request_is_no_gain_of_it_whatever_it_names(
    make_market: Callable, event: Callable, shown: Workspace, tmp_path: Path
) -> None:
    market = make_market("shown")
    for request, who in (("r3", "m1"), ("r4", "m2")):
        market.events += [event(f"p{request}{n}", 0.5, who, f"j{n}", "apply", request) for n in range(1, 9)]
    assert held_out(market.write(tmp_path), most=10) == held_out(shown, most=10)


def test_each_members_last_view_is_held_out_where_nothing_tells_what_was_shown(viewed: Workspace) -> None:
    """m1's repeated view of j1 does not count, m3 viewed one job only."""
    assert not has_impressions(viewed)
    found = held_out(viewed, most=10)
    assert [(r.request_id, dict(r.gains), set(r.viewed)) for r in found] == [
        ("qe4", {"j4": 1}, {"j3"}),
        ("qe5", {"j7": 1}, {"j1", "j2"}),
    ]


def test_a_sample_of_the_held_out_requests_is_even_and_repeatable(viewed: Workspace) -> None:
    assert held_out(viewed, most=1, seed=4) == held_out(viewed, most=1, seed=4)
    assert len({held_out(viewed, most=1, seed=seed)[0].request_id for seed in range(20)}) == 2


def test_a_log_of_one_view_holds_out_none(make_market: Callable, tmp_path: Path) -> None:
    market = make_market("viewed")
    market.events = market.events[:1]
    assert held_out(market.write(tmp_path), most=10) == []
