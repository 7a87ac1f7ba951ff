from __future__ import annotations

from benchmarks.order import frontier_rows, frontier_table

BLEND = {"order": "blend", "weight": 0.0, "floor": 0.0, "behaviour": 0.4, "policy": 0.8, "good_fits": 0.3}
FIRST = BLEND | {"poor_fits": None}
CHOSEN = FIRST | {"weight": 2.0, "floor": 0.25, "policy": 0.9}


def test_a_row_a_known_figure_and_a_table_of_simple_orders_and_what_was_chosen() -> None:
    frontier = {"points": [FIRST, CHOSEN], "chosen": {"search": CHOSEN, "recommendation": FIRST}}
    rows = list(frontier_rows(frontier, "demo"))
    assert len(rows) == 4 * 3 and {row["case"] for row in rows} == {
        "demo, validation lists",
        "demo, chosen for a search",
        "demo, chosen for a recommendation",
    }
    assert {row["system"] for row in rows} == {"blend", "blend, weight 2, floor 0.25"}
    assert frontier_table(rows).splitlines()[2:] == [
        "| blend | 0.400 | 0.800 | 0.300 |  |",
        "| chosen for a search: blend, weight 2, floor 0.25 | 0.400 | 0.900 | 0.300 |  |",
        "| chosen for a recommendation: blend | 0.400 | 0.800 | 0.300 |  |",
    ]
