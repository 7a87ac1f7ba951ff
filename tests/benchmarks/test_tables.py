import json

from benchmarks.tables import README, RESULTS, filled


def test_the_readme_shows_what_the_result_file_says():
    text = README.read_text()
    assert filled(text, json.loads(RESULTS.read_text())["rows"]) == text


def test_a_table_is_drawn_between_its_marks():
    row = {"case": "a", "system": "s", "metric": "ratio", "value": 2.0, "low": 1.0, "high": 3.0, "unit": "ratio"}
    drawn = filled("x\n<!-- spine -->\nold\n<!-- /spine -->\ny", [row])
    assert "old" not in drawn and "| a | s | ratio | 2.000 (1.000 to 3.000) |" in drawn
