"""A delimited file is read in any dialect and encoding; a row that cannot be read loses no other."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadInput
from contracts.records import Job
from sources import Reject, delimited, open_source
from sources.dialect import dialect_of
from tests.make import refused

NAMES = ["id", "title", "location", "updated_at"]
ROWS = [["j1", "Krankenpfleger für Zürich", "Zürich, ZH", "2025-05-01"], ["j2", "Ingénieur", "Orléans", "2025-05-02"]]


def table(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> str:
    """Rows as text, every cell quoted that has to be."""
    marks = (delimiter, '"', "\n", "\r")

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in marks) else text

    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


def notes(folder: Path) -> set[str]:
    source = open_source(folder)
    return {found.reason for shard in source.shards("jobs") for row in source.read(shard) for found in row.findings}


def jobs(records: list) -> list[tuple[str, ...]]:
    assert all(isinstance(record, Job) for record in records), records
    return [(job.id, job.title, job.location, job.updated_at.date().isoformat()) for job in records]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_separator_and_line_end_gives_the_same_records(
    tmp_path: Path, read: Callable, delimiter: str, end: str
) -> None:
    (tmp_path / "jobs.csv").write_bytes(table([NAMES, *ROWS], delimiter, end).encode())
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]
    assert notes(tmp_path) == (set() if delimiter == "," else {"separator"})


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_any_encoding_gives_the_same_records_and_what_was_assumed_is_said(
    tmp_path: Path, read: Callable, encoding: str
) -> None:
    (tmp_path / "jobs.csv").write_bytes(table([NAMES, *ROWS], ";").encode(encoding))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]
    assert ("encoding" in notes(tmp_path)) == (not encoding.startswith("utf-8"))


def test_a_file_put_together_from_two_encodings_is_read_whole(tmp_path: Path, read: Callable) -> None:
    first, second = (table([row]) for row in ROWS)
    (tmp_path / "jobs.csv").write_bytes(table([NAMES]).encode() + first.encode() + second.encode("cp1252"))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]
    source = open_source(tmp_path)
    [found] = [found for shard in source.shards("jobs") for row in source.read(shard) for found in row.findings]
    assert (found.field, found.reason) == ("jobs.csv", "encoding") and "2 bytes on 1 lines" in found.shape


@pytest.mark.parametrize(
    "names",
    [
        ["ID", "Title", "LOCATION", "Updated_At"],
        [" id ", "title", "location", "Updated At"],
        ["'id'", "title", "Location", "updated-at"],
        ["id", "title", "location", "updatedAt"],
    ],
)
def test_a_heading_is_known_in_any_dress(tmp_path: Path, read: Callable, names: list[str]) -> None:
    (tmp_path / "jobs.csv").write_text(table([names, *ROWS]))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_the_line_by_which_excel_states_the_separator_is_no_heading(tmp_path: Path, read: Callable, line: str) -> None:
    (tmp_path / "jobs.csv").write_text(f"{line}\n" + table([NAMES, *ROWS], ";"))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]


def test_two_columns_of_one_field_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("id,Title,title,updated_at\n1,a,b,2025-05-01\n")
    with refused(BadInput, "Title", "title", where="jobs.csv"):
        open_source(tmp_path).shards("jobs")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_compressed_file_is_read(tmp_path: Path, read: Callable, suffix: str) -> None:
    path, data = tmp_path / f"jobs.csv.{suffix}", table([NAMES, *ROWS]).encode()
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("export/board.csv", data)
    elif suffix == "zst":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(data)
    else:
        path.write_bytes({"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[suffix](data))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]


@pytest.mark.parametrize(("suffix", "count"), [("gz", 5_000), ("bz2", 30_000), ("xz", 5_000), ("zst", 5_000)])
def test_a_compressed_file_that_ends_early_says_so_after_the_rows_that_are_whole(
    tmp_path: Path, read: Callable, suffix: str, count: int
) -> None:
    """A block of bzip2 is 900 kB; of zst that is cut Arrow gives no row."""
    rows = [[f"j{n}", f"Nurse {n * 7919 % 10007}", "Bern", "2025-05-01"] for n in range(count)]
    path, data = tmp_path / f"jobs.csv.{suffix}", table([NAMES, *rows]).encode()
    if suffix == "zst":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(data)
    else:
        path.write_bytes({"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[suffix](data))
    path.write_bytes(path.read_bytes()[:-100])
    *whole, last = read(tmp_path, "jobs")
    assert (whole or suffix == "zst") and isinstance(last, Reject) and last.reason in ("unreadable_file", "file_ends")


def test_an_archive_of_several_files_is_refused_in_a_row(tmp_path: Path, read: Callable) -> None:
    with zipfile.ZipFile(tmp_path / "jobs.csv.zip", "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
        archive.writestr("b.csv", "id\n2\n")
    [reject] = read(tmp_path, "jobs")
    assert reject.reason == "unreadable_file"


ROW = "j{},Nurse,Bern,2025-05-0{}\n"


@pytest.mark.parametrize(
    "after", ["", 'j9,"Help, me",Bern,2025-05-01\n', 'j9,Nurse,"",2025-05-01\n', 'j9,Care",Bern,2025-05-01\n']
)
def test_an_open_quote_costs_its_own_row_and_names_its_line(tmp_path: Path, read: Callable, after: str) -> None:
    text = ",".join(NAMES) + "\n" + ROW.format(1, 1) + 'j2,"Care,Bern,2025-05-02\n'
    (tmp_path / "jobs.csv").write_text(text + "".join(ROW.format(n, n) for n in range(3, 8)) + after)
    found = read(tmp_path, "jobs")
    [reject] = [row for row in found if isinstance(row, Reject)]
    assert (reject.reason, reject.line, reject.row) == ("open_quote", 3, 2)
    assert "line 3" in reject.detail and "title" in reject.detail and "lines 4 to" in reject.detail
    assert reject.raw == 'j2,"Care,Bern,2025-05-02'
    ids = [row.id for row in found if isinstance(row, Job)]
    assert ids == ["j1", "j3", "j4", "j5", "j6", "j7", *(["j9"] if after else [])]


def test_an_open_quote_does_not_hold_a_long_file_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.csv").write_text('id,title,updated_at\nj0,"Care,2025-05-01\n' + "j1,Nurse,2025-05-01\n" * 500)
    most = 0

    class Watched(delimited._Lines):
        def __next__(self) -> str:
            nonlocal most
            most = max(most, len(self.taken))
            return super().__next__()

    monkeypatch.setattr(delimited, "_Lines", Watched)
    found = list(delimited.lines(tmp_path / "jobs.csv"))
    assert [line.reason for line in found] == ["open_quote", *[""] * 500]
    assert most <= delimited.SWALLOWED + 1


def test_a_cell_of_several_lines_is_one_cell(tmp_path: Path, read: Callable) -> None:
    title = 'Nurse,\nnights, and "days"\n\n2, 3 and 4'
    (tmp_path / "jobs.csv").write_text(table([NAMES, ["j1", title, "Bern", "2025-05-01"], ROWS[1]]))
    assert [job.id for job in read(tmp_path, "jobs")] == ["j1", "j2"]
    assert read(tmp_path, "jobs")[0].title == " ".join(title.split())


def test_quotes_that_are_not_doubled_are_read_as_they_stand_and_said(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(",".join(NAMES) + '\nj1,"A "good" nurse, nights",Bern,2025-05-01\n')
    assert read(tmp_path, "jobs")[0].title == 'A "good" nurse, nights'
    assert notes(tmp_path) == {"quotes"}


def test_quotes_behind_backslashes_are_read_and_said(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(",".join(NAMES) + '\nj1,"A \\"good\\" nurse, nights",Bern,2025-05-01\n')
    assert read(tmp_path, "jobs")[0].title == 'A "good" nurse, nights'
    assert notes(tmp_path) == {"quotes"}


def test_ragged_rows_are_filled_or_cut_where_nothing_is_lost(tmp_path: Path, read: Callable) -> None:
    names = ["id", "title", "updated_at", "company", "location"]
    text = ",".join(names) + "\nj1,Nurse,2025-05-01\nj2,Nurse,2025-05-01,Acme,Bern,,\nj3,Nurse,2025-05-01,A,B,C\n,,,,\n"
    (tmp_path / "jobs.csv").write_text(text)
    short, long, lost = read(tmp_path, "jobs")
    assert (short.location, long.location, lost.reason) == ("", "Bern", "wrong_column_count")
    assert notes(tmp_path) == {"wrong_column_count"}


def test_a_file_that_ends_in_the_middle_of_a_row_says_so(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(table([NAMES, ROWS[0]]) + "j2,Nur")
    _, reject = read(tmp_path, "jobs")
    assert (reject.reason, reject.line, reject.raw) == ("file_ends", 3, "j2,Nur")


def test_the_header_again_in_the_middle_is_no_row(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(table([NAMES, ROWS[0], NAMES, ROWS[1]]))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]


@pytest.mark.parametrize(
    "cell", ["Triage; ICU", "Triage;ICU", "Triage|ICU", "Triage, ICU", "Triage\nICU", '["Triage", "ICU"]']
)
def test_skills_are_parted_by_any_separator(tmp_path: Path, read: Callable, cell: str) -> None:
    (tmp_path / "jobs.csv").write_text(table([[*NAMES, "skills"], [*ROWS[0], cell]]))
    assert read(tmp_path, "jobs")[0].skills == ("Triage", "ICU")


def test_a_comma_inside_a_skill_stays_where_the_column_has_another_separator(tmp_path: Path, read: Callable) -> None:
    rows = [[*ROWS[0], "Planning, budgets"], [*ROWS[1], "Triage;ICU"]]
    (tmp_path / "jobs.csv").write_text(table([[*NAMES, "skills"], *rows]))
    assert [job.skills for job in read(tmp_path, "jobs")] == [("Planning, budgets",), ("Triage", "ICU")]


@pytest.mark.parametrize(
    ("cell", "read_as", "reason"), [("12345.0", "12345", "id_as_number"), ("1.23E+11", "1.23E+11", "id_cut")]
)
def test_ids_that_a_spreadsheet_took_for_numbers_are_said(
    tmp_path: Path, read: Callable, cell: str, read_as: str, reason: str
) -> None:
    (tmp_path / "jobs.csv").write_text(table([NAMES, [cell, *ROWS[0][1:]]]))
    assert read(tmp_path, "jobs")[0].id == read_as
    assert notes(tmp_path) == {reason}


@pytest.mark.parametrize("name", ["jobs.tsv", "jobs.txt", "JOBS.CSV", "Jobs.tab"])
def test_the_other_names_of_delimited_files_are_known(tmp_path: Path, read: Callable, name: str) -> None:
    (tmp_path / name).write_text(table([NAMES, *ROWS], "\t"))
    assert jobs(read(tmp_path, "jobs")) == [tuple(row) for row in ROWS]


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from('",;|\n\t'), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(",;|\t"))
def test_what_is_written_in_a_dialect_is_read_from_it(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("dialect") / "jobs.csv"
    rows = [[f"j{n}", first, second, "2025-05-01"] for n, (first, second) in enumerate(cells)]
    text = "".join(delimiter.join('"' + c.replace('"', '""') + '"' for c in row) + "\n" for row in [NAMES, *rows])
    path.write_bytes(text.encode())
    found = list(delimited.lines(path, dialect_of(path, NAMES.__contains__)))
    assert [line.cells for line in found] == rows


def test_a_quote_left_open_in_the_header_loses_no_row(tmp_path: Path, read: Callable) -> None:
    text = ",".join(NAMES).replace("title", '"title') + "\n" + ROW.format(1, 1) + ROW.format(2, 2)
    (tmp_path / "jobs.csv").write_text(text)
    assert [job.id for job in read(tmp_path, "jobs")] == ["j1", "j2"]


def test_a_quote_left_open_in_the_last_row_is_told_as_any(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(",".join(NAMES) + "\n" + ROW.format(1, 1) + 'j2,"Care,Bern,2025-05-02\n')
    _, reject = read(tmp_path, "jobs")
    assert (reject.reason, reject.line) == ("open_quote", 3) and "title" in reject.detail


def test_one_name_on_two_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("id,title,title,updated_at\n1,a,b,2025-05-01\n")
    with refused(BadInput, "title", where="jobs.csv"):
        open_source(tmp_path).shards("jobs")


@pytest.mark.parametrize(("head", "said"), [(b"PK\x03\x04", "Excel"), (b"\x1f\x8b\x08", ".gz"), (b"PAR1", ".parquet")])
def test_a_file_that_is_no_text_is_called_by_what_it_is(tmp_path: Path, read: Callable, head: bytes, said: str) -> None:
    (tmp_path / "jobs.csv").write_bytes(head + bytes(range(256)))
    [reject] = read(tmp_path, "jobs")
    assert reject.reason == "unreadable_file" and said in reject.detail


@pytest.mark.parametrize(
    "above", ["Open jobs of May\n", "# exported by hand\n# twice\n", "Board;;\n\n", "sep=,\nTitle\n"]
)
def test_lines_above_the_names_are_passed_over_and_said(tmp_path: Path, read: Callable, above: str) -> None:
    (tmp_path / "jobs.csv").write_text(above + table([NAMES, *ROWS]))
    assert [job.id for job in read(tmp_path, "jobs")] == ["j1", "j2"]
    assert "above_names" in notes(tmp_path)


def test_spaces_before_quotes_are_none_of_the_cell(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text(
        'id, title, company, updated_at\n1, "Cook, ""B""", "Acme", 2025-01-01\n'.replace('\\"\\"', '""')
    )
    [job] = read(tmp_path, "jobs")
    assert (job.id, job.title, job.company) == ("1", 'Cook, "B"', "Acme")


def test_no_break_spaces_are_none_of_a_heading(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text("\xa0id,title\xa0,updated\xa0at\nj1,Cook,2025-01-01\n")
    assert [job.title for job in read(tmp_path, "jobs")] == ["Cook"]


def write(folder: Path, text: str) -> Path:
    (folder / "jobs.csv").write_text(text)
    return folder


JOB = "updated_at,id,title,hidden\n2025-01-01,1,Cook,{}\n"


@pytest.mark.parametrize(
    ("word", "hidden"), [("FAUX", False), ("Ja", True), ("nein", False), ("sí", True), ("да", True), ("0", False)]
)
def test_yes_and_no_are_read_in_several_languages(tmp_path: Path, read: Callable, word: str, hidden: bool) -> None:
    [job] = read(write(tmp_path, JOB.format(word)), "jobs")
    assert job.hidden is hidden


def test_what_old_systems_end_a_file_with_is_no_row(tmp_path: Path, read: Callable) -> None:
    [job] = read(write(tmp_path, JOB.format("no") + "\x1a"), "jobs")
    assert job.title == "Cook"


def test_a_mark_of_the_end_in_the_middle_ends_nothing(tmp_path: Path, read: Callable) -> None:
    jobs = read(write(tmp_path, JOB.format("no") + "\x1a\n2025-01-01,2,Baker,no\n"), "jobs")
    assert [job.title for job in jobs] == ["Cook", "Baker"]


def test_a_row_of_totals_is_set_aside_and_a_job_of_that_name_is_not(tmp_path: Path, read: Callable) -> None:
    rows = JOB.format("no") + "Total,1,,\n2025-01-01,2,Total,no\n"
    cook, sums, job = read(write(tmp_path, rows), "jobs")
    assert (cook.title, job.title) == ("Cook", "Total")
    assert isinstance(sums, Reject) and sums.reason == "row_of_totals"
