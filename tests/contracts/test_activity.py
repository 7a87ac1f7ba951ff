"""Activity is a fold: a stream that repeats or reorders itself ends in the same value."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.activity import RECENT, Activity
from contracts.records import Event

START = datetime(2025, 1, 1, tzinfo=UTC)


def _event(number: int, action: str, microseconds: int = 0, reason: str | None = None) -> Event:
    time = START + timedelta(seconds=number, microseconds=microseconds)
    why = reason if action == "dismiss" else None
    return Event(id=f"e{number}", time=time, member_id="m", job_id=f"j{number}", action=action, reason=why)


EVENTS = st.lists(
    st.builds(
        _event,
        st.integers(0, 60),
        st.sampled_from(["impression", "view", "apply", "save", "dismiss", "hire"]),
        st.integers(0, 999_999),
        st.sampled_from([None, "too_far", "bad_company"]),
    ),
    max_size=50,
)


def _fold(events: list[Event]) -> Activity:
    activity = Activity()
    for event in events:
        activity = activity.add(event, f"snippet of {event.job_id}")
    return activity


@given(EVENTS)
def test_an_event_posted_twice_counts_once(events: list[Event]) -> None:
    once = _fold(events)
    assert _fold([e for event in events for e in (event, event)]) == once


@given(EVENTS)
def test_activity_survives_json(events: list[Event]) -> None:
    activity = _fold(events)
    assert Activity.from_json(activity.to_json()) == activity


@given(EVENTS)
def test_entries_are_newest_first_and_bounded(events: list[Event]) -> None:
    entries = _fold(events).entries
    assert len(entries) <= RECENT
    assert [e.time for e in entries] == sorted((e.time for e in entries), reverse=True)


@given(st.lists(st.integers(0, 1_000), unique=True, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(numbers: list[int], random: object) -> None:
    events = [_event(number, "view") for number in numbers]
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _fold(shuffled).entries == _fold(events).entries


def test_impressions_are_no_activity() -> None:
    assert _fold([_event(1, "impression")]) == Activity()


def test_an_applied_job_is_remembered_after_its_entry_is_gone() -> None:
    events = [_event(0, "apply"), *(_event(n, "view") for n in range(1, RECENT + 5))]
    activity = _fold(events)
    assert activity.applied == ("j0",)
    assert all(entry.job_id != "j0" for entry in activity.entries)


def test_a_dismissal_is_remembered_with_its_reason_after_its_entry_is_gone() -> None:
    events = [_event(0, "dismiss", reason="too_far"), _event(1, "dismiss")]
    activity = _fold([*events, *(_event(n, "view") for n in range(2, RECENT + 5))])
    assert activity.dismissed == (("j1", ""), ("j0", "too_far"))
    assert all(entry.job_id not in ("j0", "j1") for entry in activity.entries)


def test_a_reason_is_no_part_of_the_text() -> None:
    assert _fold([_event(1, "dismiss", reason="too_far")]).text() == _fold([_event(1, "dismiss")]).text() != ""


def test_activity_from_before_dismissals_were_kept_is_read() -> None:
    before = '{"entries":[[1735689601000,"dismiss","j1","Nurse"]],"applied":["j2"]}'
    assert Activity.from_json(before)[1:] == (("j2",), ())


def test_no_text_is_no_activity() -> None:
    assert Activity.from_json(None) == Activity.from_json("") == Activity()
