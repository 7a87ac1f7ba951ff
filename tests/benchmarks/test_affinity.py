"""The rows of the affinity file are those of a replay's served candidates, under the data's name."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.affinity import served_rows
from replay.results import Cell, Cohort, Results, Table


def test_rows_of_served_candidates_alone_stand_under_the_datas_name() -> None:
    cell = Cell(system="served order", metric="good_fits@10", value=0.3, low=0.2, high=0.4)
    served, other = (
        Table(
            name=name,
            title=title,
            about="",
            requests=1,
            systems=("served order",),
            metrics=("good_fits@10",),
            reference="",
            cells=(cell,),
        )
        for name, title in (("served_truth", "Served candidates, true fit"), ("end_to_end", "End to end, all jobs"))
    )
    results = Results(
        simulated=True,
        attribution="",
        impressions=True,
        requests=1,
        jobs=1,
        first=datetime(2026, 1, 1, tzinfo=UTC),
        last=datetime(2026, 1, 1, tzinfo=UTC),
        out_of_reach=0,
        tables=(other, served),
        cohorts=(Cohort(kind="surface", name="search", requests=1, cells=(cell,)),),
        recall={},
        reliability=(),
        versions={},
        records={},
        quarantine={},
    )
    rows = served_rows(results, "demo")
    assert [(row["case"], row["system"], row["metric"], row["value"]) for row in rows] == [
        ("demo, served candidates, true fit", "served order", "good_fits@10", 0.3),
        ("demo, served candidates, true fit: surface, search", "served order", "good_fits@10", 0.3),
    ]
