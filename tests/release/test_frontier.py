"""The plot of the frontier shows every point that was measured, and rings what was chosen."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from release.frontier import frontier_svg
from release.order import Frontier, Trial
from release.orders import Point

TRIAL = Trial(outcome="ships", weights=3, positives=90, lists=40, least_behaviour=0.38, why="it is ahead of <all>")
NAN = float("nan")


def point(weight: float, floor: float, behaviour: float, policy: float = 0.8) -> Point:
    return Point(
        order="blend",
        weight=weight,
        floor=floor,
        behaviour=behaviour,
        policy=policy,
        good_fits=0.3 + weight / 10,
        poor_fits=0.2 - floor / 10,
    )


POINTS = (point(0, 0, 0.4), point(0, 0.3, 0.38, 0.85), point(1, 0, 0.39, 0.84), point(1, 0.3, 0.37, 0.9))


def drawn(points: tuple[Point, ...], **chosen: Point) -> list[ElementTree.Element]:
    frontier = Frontier(lists=40, points=points, trials={"search": TRIAL}, chosen=chosen)  # type: ignore[arg-type]
    assert frontier_svg(frontier) == frontier_svg(frontier)
    return list(ElementTree.fromstring(frontier_svg(frontier)).iter())


def of_kind(marks: list[ElementTree.Element], kind: str) -> list[ElementTree.Element]:
    return [mark for mark in marks if mark.get("class") == kind]


def test_a_dot_a_point_and_measure_and_a_ring_around_what_was_chosen() -> None:
    marks = drawn(POINTS, search=POINTS[3], recommendation=POINTS[3])
    assert len(of_kind(marks, "blend")) == 2 * len(POINTS) + 1, "grades and good fits, and one for the legend"
    assert len(of_kind(marks, "poor blend")) == len(POINTS)
    rings = {(mark.get("cx"), mark.get("cy")) for mark in of_kind(marks, "chosen")}
    dots = {(mark.get("cx"), mark.get("cy")) for kind in ("blend", "poor blend") for mark in of_kind(marks, kind)}
    assert len(rings) == 3 and rings < dots, "both surfaces took one point"
    assert len(of_kind(drawn(POINTS, search=POINTS[0], recommendation=POINTS[3]), "chosen")) == 6
    assert len(of_kind(marks, "least")) == 2 and len(of_kind(marks, "weight")) == 3 * 2


def test_every_dot_lies_within_its_panel() -> None:
    for mark in drawn(POINTS, search=POINTS[0]):
        if mark.get("class") in ("blend", "poor blend") and mark.get("r") == "3":
            assert 80 <= float(mark.get("cx") or NAN) <= 830 and 40 <= float(mark.get("cy") or NAN) <= 330


@pytest.mark.parametrize("points", [(), (point(0, 0, NAN),), (point(0, 0, 0.4, NAN),), (point(0, 0, 0.0, 0.0),)])
def test_what_nobody_could_measure_is_not_drawn(points: tuple[Point, ...]) -> None:
    known = [p for p in points if p.behaviour == p.behaviour and p.policy == p.policy]
    assert len(of_kind(drawn(points), "poor blend")) == len(known)
