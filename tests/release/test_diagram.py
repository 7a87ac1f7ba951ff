"""The reliability diagram is an SVG that says in words what it shows."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from models.training.metrics import reliability
from release.diagram import reliability_svg


def test_a_dot_a_bin_and_the_same_bytes_again() -> None:
    p = np.repeat([0.1, 0.2, 0.4], 50)
    bins = reliability(p, np.tile([0.0, 1.0], 75), bins=3)
    drawn = reliability_svg("view <1>", bins)
    root = ElementTree.fromstring(drawn)
    dots = [float(dot.get("cy", "nan")) for dot in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 3 and max(dots) - min(dots) < 0.2, "half of each bin"
    assert "predicted 0.400, observed 0.500, 50 pairs" in drawn
    assert drawn == reliability_svg("view <1>", bins)
