import json

from benchmarks.tables import README, RESULTS, filled


def test_the_readme_shows_what_the_result_file_says():
    text = README.read_text()
    assert filled(text, json.loads(RESULTS.read_text())["rows"]) == text


def between(name: str, rows: list[dict]) -> list[str]:
    drawn = filled(f"x\n<!-- {name} -->\nold\n<!-- /{name} -->\ny", rows)
    assert drawn.startswith(f"x\n<!-- {name} -->\n") and drawn.endswith(f"<!-- /{name} -->\ny") and "old" not in drawn
    return drawn.splitlines()[4:-2]


def test_a_metric_that_is_named_stands_in_words_with_its_interval():
    row = {"case": "a", "system": "s", "metric": "of_plain_loop", "value": 2, "low": 1, "high": 30, "unit": "ratio"}
    other = row | {"metric": "of no interest"}
    assert between("spine", [row, other]) == ["| a | s | rows a second, of a plain loop's | 2.000 (1.000 to 30.0) |"]


def test_systems_stand_below_each_other_with_their_measures():
    row = {"case": "job views: End to end, all jobs", "system": "s", "metric": "nDCG@10", "value": 0.5}
    rows = [row, row | {"metric": "RR", "value": 0.25}, row | {"system": "t"}, row | {"case": "job views: other"}]
    assert between("jobviews", rows) == ["| s | 0.500 |  |  | 0.250 |", "| t | 0.500 |  |  |  |"]
    assert between("spine", rows) == []


def test_stages_stand_below_each_other_with_their_percentiles():
    rows = [
        {"case": f"r, {n} connections", "system": "s", "metric": f"p{q}_rules_ms", "value": n + q / 100, "unit": "ms"}
        for n in (1, 8)
        for q in (50, 99)
    ]
    assert between("stages", rows) == ["| rules | 1.500 ms | 1.990 ms | 8.500 ms | 8.990 ms |"]
