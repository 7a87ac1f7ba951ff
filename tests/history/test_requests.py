"""Which past requests are drawn, into which split, and what the log tells of their jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from history.requests import PastRequest, ShownJob, end_of_training, past_requests

START = datetime(2024, 1, 1, tzinfo=UTC)
ALL = {"train": 10_000, "valid": 10_000, "test": 10_000}
SCHEMA = {
    "id": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "request_id": pl.String,
    "member_id": pl.String,
    "query": pl.String,
    "job_id": pl.String,
    "position": pl.Int64,
    "action": pl.String,
    "propensity": pl.Float64,
}


def event(minute: float, member: str, job: str, action: str = "view", request: str = "", position: int | None = None):
    return {
        "time": START + timedelta(minutes=minute),
        "request_id": request,
        "member_id": member,
        "query": "",
        "job_id": job,
        "position": position,
        "action": action,
        "propensity": 0.5 if position else None,
    }


def drawn(events: list[dict], lists: dict[str, int] = ALL, seed: int = 0) -> dict[str, PastRequest]:
    numbered = [{"id": f"e{i:05d}", **row} for i, row in enumerate(events)]
    return {request.list_id: request for request in past_requests(pl.DataFrame(numbered, SCHEMA), lists, seed)}


def end(events: list[dict]) -> datetime | None:
    return end_of_training(pl.DataFrame([{"id": f"e{i:05d}", **row} for i, row in enumerate(events)], SCHEMA))


def shown_log(requests: int) -> list[dict]:
    return [
        event(10 * r + k / 10, f"m{r % 7}", f"j{(r + k) % 11}", "impression", f"r{r:03d}", k + 1)
        for r in range(requests)
        for k in range(3)
    ]


# --- a log with impressions ------------------------------------------------------------------------------------------


def test_the_last_fifth_of_requests_is_test_and_the_tenth_before_valid() -> None:
    found = drawn(shown_log(100))
    splits = [found[f"r{r:03d}"].split for r in range(100)]
    assert splits == ["train"] * 70 + ["valid"] * 10 + ["test"] * 20


def test_training_ends_at_the_first_request_that_is_held_out() -> None:
    assert end(shown_log(100)) == min(one.time for one in drawn(shown_log(100)).values() if one.split != "train")
    later = [*shown_log(100), event(5_000, "m1", "j1", "hire", "r001"), event(6_000, "m1", "j2", "view")]
    assert end(later) == end(shown_log(100)), "what is done later moves no request"
    assert end([]) is None


def test_a_shown_job_is_labelled_by_what_was_done_with_it_in_that_request() -> None:
    events = [
        *(event(0, "m", job, "impression", "r", k + 1) for k, job in enumerate("abcd")),
        event(1, "m", "a", "view", "r"),
        event(2, "m", "a", "apply", "r"),
        event(900, "m", "a", "hire", "r"),
        event(3, "m", "b", "save", "r"),
        event(4, "m", "c", "dismiss", "r"),
        event(5, "m", "d", "dismiss", "another occasion"),
    ]
    shown = drawn(events)["r"].shown
    assert [(one.job_id, one.position, one.view, one.apply, one.dismiss, one.hire) for one in shown] == [
        ("a", 1, 1, 1, 0, 1),
        ("b", 2, 1, 0, 0, 0),
        ("c", 3, 0, 0, 1, 0),
        ("d", 4, 0, 0, 0, 0),
    ]
    assert {one.propensity for one in shown} == {0.5}


def test_what_precedes_an_impression_is_no_outcome_of_it() -> None:
    events = [
        *(event(10, "m", job, "impression", "r", k + 1) for k, job in enumerate("ab")),
        event(12, "m", "c", "impression", "r", 3),
        event(10, "m", "a", "view", "r"),
        event(9, "m", "b", "apply", "r"),
        event(11, "m", "c", "view", "r"),
        event(9, "m", "never shown", "view", "r"),
    ]
    shown = drawn(events)["r"].shown
    assert [(one.job_id, one.view, one.apply) for one in shown] == [("a", 1, 0), ("b", 0, 0), ("c", 0, 0)]


def test_what_precedes_its_impression_leads_a_request_to_nothing() -> None:
    planted = event(0, "m", "j5", "view", "r095")
    found = drawn([*shown_log(100), planted], {"train": 0, "valid": 0, "test": 5})
    assert set(found) == set(drawn(shown_log(100), {"train": 0, "valid": 0, "test": 5}))


def test_training_lists_know_nothing_from_the_first_held_out_request_on() -> None:
    """Its request is named by each planted outcome; valid and test keep theirs, which are what they are measured by."""
    names = {"train": "r010", "valid": "r075", "test": "r090"}
    log = shown_log(100)
    jobs = {split: next(row["job_id"] for row in log if row["request_id"] == name) for split, name in names.items()}
    actions = ("view", "apply", "dismiss", "hire")

    def planted(minute: float) -> dict[str, PastRequest]:
        outcomes = [event(minute, "m", jobs[split], action, names[split]) for split in names for action in actions] + [
            event(minute, "m", "shown later", "impression", "r010", 4)
        ]
        return drawn(log + outcomes)

    plain, boundary = drawn(log), 700
    later, before = planted(1_000), planted(boundary - 1)
    assert {name for name in plain if later[name] != plain[name]} == {"r075", "r090"}
    assert planted(boundary)["r010"] == plain["r010"]
    assert before["r010"].shown[0][3:7] == (1, 1, 1, 1)


def test_test_lists_that_led_to_something_come_first_and_train_lists_are_drawn_regardless() -> None:
    events = shown_log(200)
    led = {f"r{r:03d}" for r in range(0, 200, 10)}
    events += [event(10 * int(r[1:]) + 1, f"m{int(r[1:]) % 7}", f"j{int(r[1:]) % 11}", "view", r) for r in led]
    found = drawn(events, {"train": 60, "valid": 1, "test": 4})
    by_split = {split: {r for r, one in found.items() if one.split == split} for split in ALL}
    assert by_split["test"] <= led
    assert len(by_split["test"]) == 4
    assert len(by_split["train"] & led) < 15


def test_a_request_is_drawn_whatever_else_is_in_the_log() -> None:
    lists = {"train": 20, "valid": 5, "test": 5}
    few = {r for r, one in drawn(shown_log(100), lists).items() if one.split == "train"}
    more = shown_log(100) + [event(5, "m9", f"k{i}", "dismiss") for i in range(50)]
    assert {r for r, one in drawn(more, lists).items() if one.split == "train"} == few
    assert few != {r for r, one in drawn(shown_log(100), lists, seed=1).items() if one.split == "train"}


# --- a log without request ids, and one of both kinds ----------------------------------------------------------------


def test_impressions_without_a_request_are_one_list_for_a_member_and_a_half_hour() -> None:
    events = [
        event(0, "ann", "a", "impression", position=1),
        event(0, "ann", "b", "impression", position=2),
        event(0, "bob", "a", "impression", position=1),
        event(5, "ann", "b", "view"),
        event(60, "ann", "b", "impression", position=1),
        event(90_000, "ann", "b", "hire"),
        event(61, "", "a", "impression", position=1),  # of nobody, so of no list
    ]
    found = drawn(events)
    assert {name: [job.job_id for job in one.shown] for name, one in found.items()} == {
        "e00000": ["a", "b"],
        "e00002": ["a"],
        "e00004": ["b"],
    }
    assert all(one.complete for one in found.values())
    assert [job.view for job in found["e00000"].shown] == [0, 1]
    assert [(job.view, job.apply, job.hire) for job in found["e00004"].shown] == [(1, 1, 1)]


def test_one_list_that_was_shown_hides_no_view_and_views_hide_no_list() -> None:
    views = [event(1_440 * day, "ann", f"j{day}") for day in range(6)]
    log = [*views, event(10_000, "ann", "j7", "impression", "r1", 1)]
    alone, both = drawn(views), drawn(log)
    assert {name: one.split for name, one in both.items()} == {
        **{name: one.split for name, one in alone.items()},
        "r1": "test",  # it came after the view that is held out
    }
    assert [name for name, one in both.items() if one.complete] == ["r1"]
    mostly = drawn(shown_log(90) + [event(10 * r + 5, "far", f"k{r}") for r in range(10)])
    assert sum(not one.complete for one in mostly.values()) == 10
    latest = {split: max(one.time for one in mostly.values() if one.split == split) for split in ALL}
    assert latest["train"] < latest["valid"] < latest["test"]


def test_applications_alone_are_requests_that_led_to_them() -> None:
    log = [event(1_440 * day, "ann", f"j{day}", "apply") for day in range(4)] + [event(9_000, "ann", "j1", "interview")]
    found = drawn(log)
    assert sorted(one.split for one in found.values()) == ["test", "train", "train", "train"]
    assert [(job.view, job.apply, job.interview) for job in found["e00000"].shown] == [(1, 1, 0)]
    assert found["e00001"].shown[0].interview == 0  # it came after the application that is held out
    assert found["e00003"].viewed == {"j0", "j1", "j2"}


def test_views_and_applications_without_a_list_teach_both() -> None:
    log = [event(day, "ann", f"j{day}") for day in range(5)] + [event(1.5, "ann", "j1", "apply")]
    train = [one for one in drawn(log).values() if one.split == "train"]
    assert sorted((one.shown[0].view, one.shown[0].apply) for one in train) == [(1, 0), (1, 0), (1, 0), (1, 1)]
    assert all(one.shown[0].hire is None and one.shown[0].offer is None for one in train)


def test_what_an_employer_did_is_known_of_shown_jobs_where_the_log_speaks_of_it() -> None:
    shown = [event(0, "ann", job, "impression", "r", k + 1) for k, job in enumerate("abc")]
    rejected = [event(1, "ann", "a", "apply", "r"), event(9_000, "ann", "a", "reject")]
    (found,) = drawn([*shown, *rejected]).values()
    assert [(job.apply, job.reject, job.interview) for job in found.shown] == [(1, 1, None), (0, 0, None), (0, 0, None)]


def test_of_four_lists_one_is_held_out() -> None:
    assert [one.split for one in drawn(shown_log(4)).values()].count("test") == 1


# --- a log without impressions ---------------------------------------------------------------------------------------


def test_the_last_view_of_a_member_with_two_viewed_jobs_is_test() -> None:
    events = [
        event(0, "ann", "a", request="v1"),
        event(1, "ann", "b", request="v2"),
        event(2, "ann", "a", request="v3"),  # seen again: not a view of its own
        event(3, "bob", "c", request="v4"),
        event(4, "cy", "a", request="v5"),
        event(5, "cy", "a", request="v6"),
        event(6, "dee", "d", request="v7"),
        event(7, "dee", "e", request="v8"),
        event(8, "dee", "f", request="v9"),
    ]
    found = drawn(events)
    assert set(found) == {"v1", "v2", "v4", "v5", "v7", "v8", "v9"}
    assert {name for name, one in found.items() if one.split == "test"} == {"v2", "v9"}


def test_training_on_a_log_of_views_ends_at_the_first_of_the_held_out_views() -> None:
    views = [event(i, f"m{i % 5}", f"j{i}") for i in range(15)]
    assert end(views) == min(one.time for one in drawn(views).values() if one.split != "train")


def test_only_the_view_is_known_of_an_opened_job() -> None:
    (one,) = drawn([event(0, "ann", "a", request="v1")])["v1"].shown
    assert one == ShownJob("a", view=1)


def test_jobs_viewed_before_are_no_candidates() -> None:
    events = [event(i, "ann", job, request=f"v{i}") for i, job in enumerate("abc")]
    assert [drawn(events)[f"v{i}"].viewed for i in range(3)] == [set(), {"a"}, {"a", "b"}]


def test_the_held_out_view_is_not_spared_as_a_negative() -> None:
    """What is held out must not be told from what training lists leave out."""
    events = [event(i, "ann", job, request=f"v{i}") for i, job in enumerate("abc")]
    assert drawn(events)["v0"].other_views == {"b"}


def test_a_tenth_of_the_members_is_valid_with_all_but_their_last_views() -> None:
    events = [event(i, f"m{i % 300}", f"j{i}", request=f"v{i}") for i in range(900)]
    found = drawn(events).values()
    members = {split: {one.member_id for one in found if one.split == split} for split in ALL}
    assert 15 <= len(members["valid"]) <= 50
    assert not members["valid"] & members["train"]
    assert len(members["test"]) == 300


def test_views_of_one_request_get_names_of_their_own() -> None:
    found = drawn([event(0, "ann", "a", request="same"), event(1, "ann", "b", request="same")])
    assert set(found) == {"e00000", "e00001"}


views = st.lists(st.tuples(st.integers(0, 50), st.sampled_from("abc"), st.sampled_from("uvwxyz")), max_size=40)


@settings(max_examples=40, deadline=None)
@given(views)
def test_no_view_is_both_held_out_and_learned_from(rows: list[tuple[int, str, str]]) -> None:
    events = [event(minute, member, job, request=f"v{i}") for i, (minute, member, job) in enumerate(rows)]
    found = list(drawn(events).values()) if events else []
    pairs = [(one.member_id, one.shown[0].job_id) for one in found]
    assert len(pairs) == len(set(pairs)) == len({(member, job) for _, member, job in rows})
    for one in found:
        latest = max(other.time for other in found if other.member_id == one.member_id)
        assert one.split != "test" or one.time == latest
        assert one.shown[0].job_id not in one.viewed | one.other_views
