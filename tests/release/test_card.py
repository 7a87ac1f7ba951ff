"""The card says where a bundle fails from its figures, and never invents one."""

from __future__ import annotations

from typing import Any

from contracts.bundle import Calibration, Manifest
from policy.golden.agreement import agreement
from release.card import model_card

MAP = Calibration(logits=(0.0, 1.0), probabilities=(0.1, 0.9))
DATA = {
    "lists": 10,
    "pairs": 100,
    "first": "2026-01-01",
    "last": "2026-02-01",
    "known": {"relevance": 100, "view": 60, "hire": 60},
    "sum": {"relevance": 120.5, "view": 400, "hire": 3},
}


def card(metrics: dict[str, float], intervals: dict[str, tuple[float, float]] | None = None, **lineage: Any) -> str:
    return model_card(
        Manifest(
            text_version="1-a",
            tasks=("relevance", "view", "hire"),
            task_sentences={"view": "Will they open it?"},
            item_tokens=4,
            hidden=8,
            max_prefix_tokens=64,
            max_item_tokens=32,
            precision="int8",
            metrics=metrics,
            intervals=intervals or {},
            lineage=lineage,
            calibration={"relevance": (MAP,), "view": (MAP,)},
        )
    )


def fails(text: str) -> str:
    return text.split("## Where it fails")[1].split("\n## ")[0]


def test_it_says_what_it_was_trained_on_and_by_whom_it_was_graded() -> None:
    text = card({}, data={"train": DATA}, graders={"rubric": 100}, policy="p1", simulated=True)
    assert (
        "Simulated data" in text and "| train | 10 | 100 | 2026-01-01 | 2026-02-01 | 120.5 of 100 | 400 of 60 |" in text
    )
    assert "Graded by rubric (100 pairs), by product policy p1. The judge was not measured" in text


def test_a_measured_judge_is_told_with_its_kappa() -> None:
    judge, people, hard = (
        agreement([0, 1, 2, 3, 4] * 8, [*given, 4] * 8).as_dict()
        for given in ([0, 1, 2, 4], [0, 1, 2, 3], [4, 1, 2, 3])
    )
    golden = {"pairs": 40, "simulated": True, "judge": judge, "graders": people, "strata": {"pay": judge, "hard": hard}}
    text = card({}, graders={"rubric": 100}, judge={"golden": golden})
    assert f"adjudicated grades is {judge['quadratic']['value']:.3f} (" in text and "not measured" not in text
    assert "simulated graders agree with each other at 1.000" in text
    assert "lowest on `hard`" in text
    assert "not measured" in card({}, graders={"rubric": 100}, judge={"golden": None})


def test_a_task_without_calibration_is_named() -> None:
    assert "No probability is given for `hire`" in card({})


def test_the_student_stands_beside_its_teacher_and_what_it_lost_is_said() -> None:
    metrics = {"served_ndcg@10": 0.72, "teacher_ndcg@10": 0.8, "served_view_auc": 0.7, "teacher_view_auc": 0.7}
    text = card(metrics, {"served_ndcg@10": (0.7, 0.74)})
    assert "| NDCG@10 of `relevance` by grades | 0.7200 (0.7000 to 0.7400) | 0.8000 | 0.900 |" in text
    assert "90.0% of the teacher's" in fails(text) and "AUC, view:" not in fails(text)


def test_a_task_worse_than_a_coin_and_a_rare_one_are_said() -> None:
    text = fails(card({"served_view_auc": 0.34}, data={"train": DATA}))
    assert "`view`: AUC 0.340 on the test lists is worse than a coin" in text
    assert "`hire` is rare: 3 positives" in text and "`view` is rare" not in text


def test_the_weakest_kind_of_request_is_named_and_whether_it_is_sure() -> None:
    metrics = {
        "served_ndcg@10": 0.7,
        "served_ndcg@10/asked: query alone": 0.5,
        "served_ndcg@10/asked: member alone": 0.8,
    }
    slices = {"asked: query alone": 20, "asked: member alone": 30, "member: without history": 2}
    sure = fails(card(metrics, {"served_ndcg@10/asked: query alone": (0.4, 0.6)}, slices=slices))
    assert "asked: query alone: NDCG@10 of `relevance` by grades 0.5000 (0.4000 to 0.6000), below the 0.7000" in sure
    assert "by more than chance" in sure and "- asked: member alone" not in sure
    assert "| member: without history | 2 | - | - |" in sure, "too few lists to say"
    assert "cannot prove it" in fails(card(metrics, {"served_ndcg@10/asked: query alone": (0.4, 0.8)}, slices=slices))


def test_of_a_bundle_that_was_never_measured_no_figure_is_shown() -> None:
    text = card({})
    assert "nan" not in text.lower() and "## How good" not in text and "English only" in fails(text)


def test_the_order_that_is_served_is_told_with_its_reason_and_its_bounds() -> None:
    point = {"order": "blend", "weight": 2.0, "floor": 0.3, "behaviour": 0.38, "policy": 0.9}
    point |= {"good_fits": 0.31, "poor_fits": None}
    trial = {"outcome": "ships", "least_behaviour": 0.37, "why": "it is ahead"}
    frontier = {"lists": 300, "trials": {"search": trial}, "chosen": {"search": point}}
    text = card({}, order=frontier).split("## The order that is served")[1].split("\n## ")[0]
    assert "- search: it is ahead; of all" in text and "300 validation lists" in text and "0.370 or more" in text
    assert "| search | blend | 2.0 | 0.3 | weight 0 to 0, floor 0 to 0 | 0.380 | 0.900 | 0.310 | - |" in text
    none = card({}, order=frontier | {"chosen": {}})
    assert "No validation list could tell orders apart." in none
    assert "## The order that is served" not in card({})
