"""What a reading does to a search: chips filter, demote or exclude, give way, and are turned off."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.activity import Activity
from contracts.workspace import Workspace
from retrieval.filters.filters import Filter, any_of
from retrieval.index import searching
from retrieval.index.job_index import JobIndex
from retrieval.index.searching import open_to
from retrieval.queries import relax
from retrieval.queries.read import read_query
from retrieval.queries.relax import Found, asked, relaxed_note, search_read
from retrieval.request import build_request
from retrieval.rules.rules import load_rules
from retrieval.search import search
from tests.make import NOW
from tests.retrieval.queries.conftest import read_cases

QUERIES = [query for query, _ in read_cases("cases.yaml", "cases")]


def found(board: JobIndex, query: str, given: Filter | None = None, **how: object) -> Found:
    reading = read_query(query, board, NOW, **how)  # type: ignore[arg-type]
    request = build_request("", Activity(), reading.query, "", given or Filter(), NOW, words=reading.words)
    return search_read(board, asked(request, reading, given or Filter()), reading, given or Filter(), None, 50, ())


def titles(board: JobIndex, one: Found) -> list[str]:
    return board.jobs.titles(one.candidates.rows)


@pytest.fixture
def one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board has few jobs of any words: filters give way where none of them passes, and not where nine do."""
    monkeypatch.setattr(relax, "FEW", 1)


@pytest.mark.parametrize(
    "query", ["part time nurse in Denver", "night truck driver in Boston", "nurse", "-junior nurse"]
)
def test_what_may_be_returned_is_looked_up_once_and_as_for_the_request_in_the_end(
    board: JobIndex, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, looked = load_rules().enabled, list[object]()
    monkeypatch.setattr(searching, "open_to", lambda *given: looked.append(given) or open_to(*given))
    reading = read_query(query, board, NOW)
    request = build_request("", Activity(), reading.query, "", Filter(), NOW, words=reading.words)
    one = search_read(board, asked(request, reading, Filter()), reading, Filter(), None, 50, rules)
    assert len(looked) == 1
    again = board.search(one.request, None, 50, rules)
    assert (one.candidates.ids, one.candidates.removed) == (again.ids, again.removed)


@pytest.mark.usefixtures("one_is_enough")
def test_filters_leave_other_jobs_out(board: JobIndex) -> None:
    one = found(board, "part time nurse in Denver")
    assert titles(board, one) == ["Registered Nurse - ICU Night Shift"]
    assert one.reading.words == "nurse" and one.reading.query == "part time nurse in Denver"


@pytest.mark.usefixtures("one_is_enough")
def test_a_place_takes_remote_jobs_in_unless_a_way_of_working_is_named(board: JobIndex) -> None:
    places = {
        board.display(int(row))["workplace"] for row in found(board, "developer in San Francisco").candidates.rows
    }
    assert places == {"hybrid", "remote"}
    assert titles(board, found(board, "hybrid developer in San Francisco")) == ["Mobile Developer"]


def test_a_level_puts_jobs_that_state_one_far_from_it_after_the_others(board: JobIndex) -> None:
    one = found(board, "junior software developer")
    levels = [board.display(int(row))["seniority"] for row in one.candidates.rows]
    last = [level in ("senior", "lead", "director", "executive") for level in levels]
    assert any(last) and last == sorted(last)
    assert set(one.candidates.demoted.values()) == {("asked_seniority",)}


def test_what_is_denied_is_left_out(board: JobIndex) -> None:
    assert "Sales Manager" not in titles(board, found(board, "manager not sales"))
    assert "Sales Manager" in titles(board, found(board, "manager sales"))
    assert all(
        board.display(int(row))["company"] != "Acme" for row in found(board, "developer not at Acme").candidates.rows
    )
    assert "Junior Software Developer" not in titles(board, found(board, "software developer -junior"))


def test_an_operator_leaves_out_jobs_that_hold_the_word_anywhere(board: JobIndex) -> None:
    assert titles(board, found(board, "nurse -night")) == ["Director of Nursing"]


def test_filters_give_way_where_no_job_passes_and_say_so(board: JobIndex) -> None:
    one = found(board, "onsite part time truck driver in Seattle")
    relaxed = {chip.id: chip.kind for chip in one.reading.chips if chip.relaxed}
    assert relaxed and set(relaxed.values()) == {"demotion"} and len(one.candidates)
    [note] = relaxed_note(one.reading)
    assert all(chip.label in note for chip in one.reading.chips if chip.relaxed)


def test_as_few_filters_give_way_as_it_takes(board: JobIndex) -> None:
    one = found(board, "part time in Houston today")
    assert [chip.id for chip in one.reading.chips if chip.relaxed] == ["recency:1"]
    assert titles(board, one)[0] == "Warehouse Associate"  # the one part-time job in Houston


def test_jobs_of_other_words_do_not_take_the_place_of_those_asked_for(board: JobIndex) -> None:
    one = found(board, "part time truck driver in Houston")
    assert {chip.field for chip in one.reading.chips if chip.relaxed} and titles(board, one)[0] == "Truck Driver"


def test_where_few_jobs_of_the_words_pass_they_come_first_and_others_of_the_words_follow(board: JobIndex) -> None:
    one = found(board, "hybrid developer in San Francisco")
    relaxed = [chip.field for chip in one.reading.chips if chip.relaxed]
    fits = [not one.candidates.demoted.get(int(row)) for row in one.candidates.rows]
    first = titles(board, one)[: sum(fits)]
    assert relaxed and fits == sorted(fits, reverse=True)
    assert first and all("Developer" in title for title in first)
    assert any("Developer" in title for title in titles(board, one)[len(first) :])


def test_a_place_alone_keeps_out_what_is_elsewhere(board: JobIndex) -> None:
    one = found(board, "jobs in Denver")
    assert [chip.kind for chip in one.reading.chips] == ["filter"] and not one.candidates.demoted


def test_the_filter_that_was_given_and_exclusions_never_give_way(board: JobIndex) -> None:
    assert not len(found(board, "nurse in Denver", any_of("city", "nowhere")).candidates)
    assert "Truck Driver" not in titles(board, found(board, "driver -truck in Seattle"))


@pytest.mark.parametrize("query", QUERIES)
def test_a_chip_that_is_ignored_is_gone(board: JobIndex, query: str) -> None:
    for chip in read_query(query, board, NOW).chips:
        assert chip.id not in {other.id for other in read_query(query, board, NOW, ignore={chip.id}).chips}


def test_ignored_conditions_are_searched_for_and_ignored_exclusions_are_dropped(
    board: JobIndex,
) -> None:
    assert read_query("nurse in Denver", board, NOW, ignore={"place:denver"}).words == "nurse in Denver"
    assert read_query("manager not sales", board, NOW, ignore={"-words:sales"}).words == "manager"
    assert read_query("nurse -night", board, NOW, ignore={"-words:night"}).words == "nurse"
    assert read_query("registred nurse", board, NOW, ignore={"spelling:registered"}).words == "registred nurse"


@pytest.mark.parametrize("query", [*QUERIES, '"nurse in Denver"'])
def test_a_query_as_typed_is_not_read(board: JobIndex, query: str) -> None:
    reading = read_query(query, board, NOW, as_typed=True)
    assert (reading.query, reading.words, reading.chips) == (query, query, ())


def test_one_phrase_in_quotes_is_exact(board: JobIndex) -> None:
    assert read_query('"remote nurse in Denver"', board, NOW).words == '"remote nurse in Denver"'


def test_recency_counts_back_from_now(board: JobIndex) -> None:
    for days in (3, 7):
        rows = found(board, f"posted in the last {days} days").candidates.rows
        assert (
            len(rows) and (board.attributes.number("posted_at")[rows] >= (NOW - timedelta(days=days)).timestamp()).all()
        )


def test_a_field_that_few_jobs_state_demotes(market: Workspace) -> None:
    index = JobIndex.load(market.index)  # no job states its way of working
    [chip] = read_query("remote nurse", index, NOW).chips
    assert chip.kind == "demotion" and read_query("remote nurse", index, NOW).words == "remote nurse"


def test_the_command_reads_as_the_service(board_workspace: Workspace, board: JobIndex) -> None:
    from_command = search(board_workspace.index, "remote developer at Initech", 10, Filter()).reading
    chips = read_query("remote developer at Initech", board, NOW).chips
    assert [chip.id for chip in from_command.chips] == [chip.id for chip in chips]


_PARTS = st.sampled_from(
    ["nurse", "not", "in", "Denver", "remote", '"', "-", "NOT", "80k", "$", "last", "3", "days", ",", "at", "Acme",
     "ohne", "över", "護士", "\U0001f600", "over", "€", "/h", "(", "within", "miles", "of", "\u202e", "\0"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.one_of(_PARTS, st.text(max_size=8)), max_size=15))
def test_any_text_is_read_and_searched(board: JobIndex, parts: list[str]) -> None:
    query = " ".join(parts)
    reading = read_query(query, board, NOW)
    assert len({chip.id for chip in reading.chips}) == len(reading.chips)
    again = read_query(query, board, NOW, ignore={chip.id for chip in reading.chips})
    assert not {chip.id for chip in again.chips} & {chip.id for chip in reading.chips}
    if query.strip():
        assert np.isfinite(found(board, query).candidates.fused).all()
