"""The printed reference of knobs holds them all."""

from __future__ import annotations

from collections.abc import Callable

from rolecall.knobs import knobs

KNOBS = list(knobs())


def test_the_reference_names_every_knob_with_its_default_and_its_bounds(rolecall: Callable[..., str]) -> None:
    printed = rolecall("params", "--reference")
    assert [knob.name for knob in KNOBS if f"`{knob.name}`" not in printed] == []
    assert "| `ingest.max_reject_share` | `0.05` | " in printed and "(>= 0, <= 1)" in printed


def test_a_judge_s_knobs_stand_under_its_kind() -> None:
    assert {"label.judge (llm).model", "label.judge (local).folder"} <= {knob.name for knob in KNOBS}
