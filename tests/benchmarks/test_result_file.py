from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import result_file
from benchmarks.result_file import in_words

ROW = {"case": "1M x 128", "system": "exact", "metric": "p50_ms", "value": 1.9, "low": 1.7, "high": 2.2, "unit": "ms"}


def write(folder, *rows, command="python -m benchmarks.one", simulated=False):
    return result_file.read(result_file.write("spine", command, rows, simulated, publish=False, folder=folder))


def test_a_run_of_ones_own_is_not_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(result_file, "PUBLISHED", tmp_path / "results")
    own = result_file.write("spine", "python -m benchmarks.one", [ROW], simulated=False, publish=False)
    assert own == Path("artifacts/benchmarks/spine.json") and not result_file.PUBLISHED.exists()
    published = result_file.write("spine", "python -m benchmarks.one", [ROW], simulated=False, publish=True)
    assert published == tmp_path / "results" / "spine.json"


def test_the_published_files_are_as_the_writer_writes_them():
    for path in result_file.PUBLISHED.glob("*.json"):
        document = result_file.read(path)
        head = {name: value for name, value in document.items() if name not in ("simulated", "rows")}
        assert result_file.to_json(head, document["rows"]) == path.read_text(), path.name


def test_a_command_is_named_without_where_its_result_went(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmarks/one.py", "--rows", "9", "--publish"])
    assert result_file.command_line("benchmarks.one") == "python -m benchmarks.one --rows 9"


def test_file_says_what_was_measured_where_and_with_what(tmp_path):
    document = write(tmp_path, ROW)
    assert document["name"] == "spine"
    run = {"command": "python -m benchmarks.one", "date": document["date"], "machine": in_words(document["machine"])}
    assert document["rows"] == [ROW | {"simulated": False} | run]
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["memory_gb"] > 0
    assert document["versions"]["python"]
    assert document["versions"]["pyarrow"]


def test_second_program_adds_to_the_file_of_the_first(tmp_path):
    write(tmp_path, ROW)
    other = ROW | {"system": "faiss"}
    document = write(tmp_path, other, command="python -m benchmarks.two", simulated=True)
    assert [row["system"] for row in document["rows"]] == ["exact", "faiss"]
    assert document["command"] == "python -m benchmarks.one && python -m benchmarks.two"
    assert [row["simulated"] for row in document["rows"]] == [False, True]
    assert document["simulated"]


def test_row_measured_again_replaces_the_earlier_one(tmp_path):
    write(tmp_path, ROW)
    document = write(tmp_path, ROW | {"value": 2.5})
    assert [row["value"] for row in document["rows"]] == [2.5]


def test_a_row_that_the_same_command_no_longer_makes_is_gone(tmp_path):
    write(tmp_path, ROW, ROW | {"case": "a case of before"})
    write(tmp_path, ROW | {"case": "another program's"}, command="python -m benchmarks.two")
    document = write(tmp_path, ROW)
    assert [row["case"] for row in document["rows"]] == [ROW["case"], "another program's"]  # where it stood


def test_a_row_keeps_the_date_and_the_machine_of_its_own_run(tmp_path):
    """Of a file of before rows said so, the file's own."""
    document = write(tmp_path, ROW)
    row = {name: value for name, value in document["rows"][0].items() if name not in ("date", "machine")}
    old = document | {"rows": [row], "date": "2020-01-01T00:00:00+00:00", "machine": {"cpu": "abacus", "cores": 1}}
    (tmp_path / "spine.json").write_text(json.dumps(old))
    for system in ("faiss", "terms"):
        document = write(tmp_path, ROW | {"system": system}, command=f"python -m benchmarks.{system}")
        first = document["rows"][0]
        assert (first["date"], first["machine"]) == ("2020-01-01T00:00:00+00:00", "abacus, 1 cores")
        assert document["rows"][-1]["date"] == document["date"] > first["date"]


def test_row_without_a_value_is_refused_and_the_file_stays(tmp_path):
    before = write(tmp_path, ROW)
    with pytest.raises(ValueError, match="lacks value"):
        write(tmp_path, ROW | {"value": None})
    assert result_file.read(tmp_path / "spine.json") == before


def test_table_shows_value_and_interval():
    assert result_file.as_table([ROW]).splitlines()[1] == "1M x 128  exact   p50_ms  1.9 ms  [1.7, 2.2]"
