"""A line of requests: nobody is served late, no place is idle, and who is turned away is told soon."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.admission import Granted, Line, Refused, Waiter, Window
from serving.concurrency import ConcurrencyLimit

DEPTHS = (200, 100, 50, 0)
DEADLINE, PATIENCE = 1.0, 0.015


@dataclass(eq=False)
class Request:
    """A simulated request: when it came, and what it was told when."""

    came: float
    outcome: Granted | Refused | None = None
    told_at: float = 0.0
    done_at: float = 0.0


def line_of(places: int, most: int = 256) -> Line:
    limit = ConcurrencyLimit(places, places, places)
    return Line(limit, most, bearable=0.5 * DEADLINE, patience=PATIENCE, depths=DEPTHS)


def simulate(line: Line, arrivals: Sequence[float], service: dict[int, float]) -> list[Request]:
    """Send requests into a line whose work takes `service[depth]` seconds, on a clock of its own."""
    requests: list[Request] = []
    running: list[tuple[float, Request]] = []
    now = 0.0

    def enter(came: float) -> None:
        request = Request(came)
        requests.append(request)

        def told(outcome: Granted | Refused) -> None:
            assert request.outcome is None, "told twice"
            request.outcome, request.told_at = outcome, now
            if isinstance(outcome, Granted):
                request.done_at = now + service[outcome.depth]
                running.append((request.done_at, request))

        line.enter(Waiter(came + DEADLINE - min(line.service, DEADLINE / 2), told), came)

    waiting = sorted(arrivals)
    tick = 0.0
    while waiting or running or line.waiting:
        nexts = [*waiting[:1], *(end for end, _ in running), *([tick] if line.waiting else [])]
        now = max(now, min(nexts))
        tick = now + 0.001  # the timer that a waiting request has in the service
        for end, request in [one for one in running if one[0] <= now]:
            running.remove((end, request))
            assert isinstance(request.outcome, Granted)
            line.leave(request.outcome, now)
        while waiting and waiting[0] <= now:
            enter(waiting.pop(0))
        line.expire(now)
        assert line.running <= line.limit.value
        assert line.running == line.limit.value or not line.waiting, "a place is idle while somebody waits"
    return requests


def poisson(rate: float, seconds: float, seed: int = 0, start: float = 0.0) -> list[float]:
    rng = random.Random(seed)
    times, now = [], start
    while (now := now + rng.expovariate(rate)) < start + seconds:
        times.append(now)
    return times


SERVICE = {200: 0.06, 100: 0.04, 50: 0.03, 0: 0.02}
"""Two places: 33 a second of full depth, 100 a second without the student."""


@pytest.mark.parametrize("rate", [300.0, 1_000.0], ids=["3 times", "10 times"])
def test_over_capacity_no_place_idles_and_everybody_else_is_told_soon(rate: float) -> None:
    requests = simulate(line_of(2), poisson(rate, 20), SERVICE)
    served = [r for r in requests if isinstance(r.outcome, Granted)]
    refused = [r for r in requests if isinstance(r.outcome, Refused)]
    assert len(served) >= 0.95 * 20 * 2 / SERVICE[0]
    assert all(r.done_at - r.came <= DEADLINE for r in served)
    assert all(r.told_at - r.came <= PATIENCE + 0.002 for r in refused)
    depths = [r.outcome.depth for r in served[len(served) // 2 :] if isinstance(r.outcome, Granted)]
    assert set(depths) == {0}, "all of the depth is given up before anyone is refused"


def test_between_the_capacities_of_full_and_no_depth_nobody_is_refused() -> None:
    requests = simulate(line_of(2), poisson(60, 20), SERVICE)
    assert all(isinstance(r.outcome, Granted) and r.done_at - r.came <= DEADLINE for r in requests)
    depths = {r.outcome.depth for r in requests if isinstance(r.outcome, Granted)}
    assert {200, 100} <= depths


def test_under_capacity_everybody_is_served_at_full_depth_in_the_order_of_coming() -> None:
    requests = simulate(line_of(2), poisson(20, 20), SERVICE)
    assert {r.outcome.depth for r in requests if isinstance(r.outcome, Granted)} == {200}
    assert [r.told_at for r in requests] == sorted(r.told_at for r in requests)


def test_after_an_overload_full_answers_are_back_within_two_seconds() -> None:
    arrivals = poisson(1_000, 5) + poisson(20, 10, seed=1, start=5.0)
    requests = simulate(line_of(2), arrivals, SERVICE)
    later = [r for r in requests if r.came > 7.0]
    assert len(later) > 100
    assert all(isinstance(r.outcome, Granted) and r.outcome.depth == 200 for r in later)


def test_a_congested_line_serves_the_newest_and_those_who_waited_before_first() -> None:
    line, told = line_of(1, most=2), []

    def waiter(name: str, until: float = 10.0) -> Waiter:
        return Waiter(until, lambda outcome: told.append((name, type(outcome).__name__)))

    first: list[Granted | Refused] = []
    line.enter(Waiter(10.0, first.append), 0.0)
    for name in ("a", "b", "c", "d"):  # two are promised their turn, then the line is congested
        line.enter(waiter(name), 0.0)
    assert told == [("c", "Refused")], "of a full congested line the oldest is refused for the newest"
    told.clear()
    [granted] = first
    assert isinstance(granted, Granted)
    line.leave(granted, 0.01)
    assert told == [("a", "Granted")]
    for now in (0.011, 0.012):
        [running] = line._running
        line.leave(running, now)
    assert told == [("a", "Granted"), ("b", "Granted"), ("d", "Granted")]


def test_whoever_waits_in_a_congested_line_is_told_within_its_patience() -> None:
    line, told = line_of(1, most=1), []
    for name in "abc":
        line.enter(Waiter(10.0, lambda outcome, name=name: told.append((name, outcome))), 0.0)
    line.expire(PATIENCE + 0.001)
    assert told[1:] == [("c", Refused("patience"))]


def test_who_has_gone_is_not_told_and_takes_no_place() -> None:
    line, told = line_of(1), []
    granted: list[Granted | Refused] = []
    line.enter(Waiter(10.0, granted.append), 0.0)
    gone = Waiter(10.0, told.append)
    line.enter(gone, 0.0)
    line.withdraw(gone)
    assert isinstance(granted[0], Granted)
    line.leave(granted[0], 1.0)
    assert (told, line.running, line.waiting) == ([], 0, 0)


def test_a_line_without_patience_says_so_before_anything_of_a_request_is_read() -> None:
    line = Line(ConcurrencyLimit(1, 1, 1), 1)
    assert not line.closed
    for _ in range(2):
        line.enter(Waiter(10.0, lambda _: None), 0.0)
    assert line.closed
    line.turn_away(0.0)
    assert line.shed_share(0.0) == 0.0, "too few to say"
    for _ in range(30):
        line.turn_away(0.1)
    assert line.shed_share(0.1) > 0.9
    assert line.shed_share(20.0) == 0.0


def test_a_place_that_hangs_makes_no_promises() -> None:
    line = line_of(1)
    simulate(line, [0.1 * n for n in range(50)], SERVICE)  # what a request takes is known
    told: list[tuple[float, Granted | Refused]] = []
    line.enter(Waiter(100.0, lambda _: None), 10.0)  # hangs
    for n in range(1, 40):
        now = 10.0 + n * 0.1
        line.enter(Waiter(now + DEADLINE, lambda outcome, now=now: told.append((now, outcome))), now)
        line.expire(now + PATIENCE + 0.001)
    promised = 39 - len([one for one in told if one[1] == Refused("patience")])
    assert promised <= 10


@given(
    rate=st.floats(1, 400),
    places=st.integers(1, 4),
    most=st.integers(1, 20),
    seed=st.integers(0, 1_000),
    slow=st.floats(0.2, 20),
)
@settings(max_examples=40, deadline=None)
def test_whatever_comes_each_is_told_once_and_nobody_begins_past_the_deadline(
    rate: float, places: int, most: int, seed: int, slow: float
) -> None:
    service = {depth: seconds * slow for depth, seconds in SERVICE.items()}
    requests = simulate(line_of(places, most), poisson(rate, 3, seed), service)
    for request in requests:
        assert request.outcome is not None
        assert request.told_at - request.came <= DEADLINE + 0.002


# --- the limit ---


def rounds(limit: ConcurrencyLimit, seconds: float, times: int) -> int:
    for _ in range(times):
        limit.observe(seconds, "search", limit.value)
    return limit.value


def test_the_limit_grows_where_more_at_once_take_no_longer() -> None:
    assert rounds(ConcurrencyLimit(2, 8), 0.05, 200) == 8


def test_the_limit_stays_near_the_start_where_requests_share_a_processor() -> None:
    limit = ConcurrencyLimit(2, 16)
    values = []
    for _ in range(500):
        limit.observe(0.05 * max(1.0, limit.value / 2), "search", limit.value)
        values.append(limit.value)
    assert max(values[100:]) <= 5


def test_the_limit_shrinks_where_requests_take_longer_than_alone_and_comes_back() -> None:
    limit = ConcurrencyLimit(4, 8)
    for _ in range(600):
        limit.observe(0.05, "search", running=1)
    assert rounds(limit, 0.5, 20) <= 2
    assert rounds(limit, 0.05, 200) >= 4


def test_kinds_of_requests_are_compared_with_their_own_alone() -> None:
    limit = ConcurrencyLimit(2, 8)
    for _ in range(200):
        limit.observe(0.001, "explain", limit.value)
        limit.observe(0.05, "search", limit.value)
    assert limit.value == 8


def test_a_fixed_limit_stays() -> None:
    assert rounds(ConcurrencyLimit(3, 3, 3), 5.0, 100) == 3


def test_a_window_forgets() -> None:
    window = Window(1.0)
    for _ in range(10):
        window.add(0.5)
    assert window.count(0.9) == 10
    assert 0 < window.count(1.5) < 10
    assert window.count(2.5) == 0
