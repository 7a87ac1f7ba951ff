"""What members are encoded as when they ask, made beforehand: of their newest text and activity, each alone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest

from beam_jobs import activity, embed, loads, verbalize
from beam_jobs.encodings import asked_of
from contracts.erased import note_erased
from contracts.features import MEMBER_ENCODING, MEMBER_VECTOR
from contracts.tables import parts, read_table
from ranking.encoding import of_feature
from retrieval.encoder import TextEncoder


@pytest.fixture
def run(workspace, encoder_folder):
    """Text, activity and members' encodings of the workspace, brought up to date."""
    shutil.copytree(encoder_folder, workspace.encoder)

    def run(*flags: str):
        place = ["--workspace", str(workspace.root)]
        verbalize.run(place)
        activity.run(place)
        return embed.run([*place, "--tables", "members", *flags])

    return run


def rows_of(workspace) -> dict[str, dict]:
    """Member -> their newest row."""
    rows = read_table(workspace.features / MEMBER_ENCODING).sort_by("event_timestamp").to_pylist()
    return {row["member_id"]: row for row in rows}


def texts_of(workspace) -> dict[str, tuple[str, str]]:
    """Member -> text, and that of their activity."""
    newest = read_table(workspace.features / "member_text").sort_by("event_timestamp").to_pylist()
    done = read_table(workspace.features / "member_activity").sort_by("event_timestamp").to_pylist()
    activities = {row["member_id"]: row["activity_text"] for row in done}
    return {row["member_id"]: (row["text"], activities.get(row["member_id"], "")) for row in newest}


def test_they_are_what_the_encoder_makes_of_text_and_activity(take_in, run, workspace):
    take_in()
    run()
    encoder, texts, rows = TextEncoder(workspace.encoder), texts_of(workspace), rows_of(workspace)
    assert rows.keys() == texts.keys() and texts["m0"][1] and not texts["m3"][1]
    for member, row in rows.items():
        request = asked_of(*texts[member])
        assert request.request_text == " | ".join(filter(None, texts[member][::-1]))
        encoded = of_feature(row["encoding"], encoder.version, encoder.dim, request)
        assert encoded is not None and encoded.titles is not None
        assert np.array_equal(encoded.vector, encoder.encode([request.request_text], "request")[0])
        assert np.array_equal(encoded.titles.own, encoder.titles([f"nurse {member[1]}"]))


def test_who_was_erased_since_their_text_was_written_gets_no_vector(take_in, run, workspace):
    take_in()
    note_erased(workspace, ["m0"], datetime.now(UTC))
    run()
    assert set(texts_of(workspace)) - set(rows_of(workspace)) == {"m0"}
    assert "m0" not in read_table(workspace.features / MEMBER_VECTOR)["member_id"].to_pylist()


def test_those_alone_are_made_again_whose_activity_or_text_changed(raw, take_in, run, workspace):
    take_in()
    run()
    before = rows_of(workspace)
    raw.add("events", raw.good["events"][0] | {"id": "later", "time": "2024-03-01T00:00:00Z", "job_id": "j4"})
    take_in()
    assert run().written == 1
    raw.add("members", raw.good["members"][3] | {"headline": "pilot", "updated_at": "2024-04-01T00:00:00Z"})
    take_in()
    run()
    after = rows_of(workspace)
    assert {member for member in after if after[member] != before[member]} == {"m0", "m3"}
    assert run().written == 0


def test_rows_that_newer_ones_replaced_go_where_they_are_half_of_a_part(raw, take_in, run, workspace):
    take_in()
    run()
    for day in (1, 2):
        later = [
            event | {"id": f"{event['id']}-{day}", "time": f"2024-03-0{day}T00:00:00Z", "job_id": "j4"}
            for event in raw.good["events"]
        ]
        raw.write("events", [*raw.good["events"], *later], f"{day}.jsonl")
        take_in()
        run()
    assert read_table(workspace.features / MEMBER_ENCODING, ["member_id"]).num_rows == 4, "one a member"
    assert len(parts(workspace.features / MEMBER_ENCODING)) == 2


def test_what_is_left_of_a_load_that_is_undone_is_of_texts_that_stay(raw, take_in, run, workspace):
    raw.write("members", raw.good["members"][:2])
    take_in()
    raw.write("members", raw.good["members"], "b.jsonl")
    take_in()
    run()
    assert len(rows_of(workspace)) == 4
    loads.undo(workspace, loads.read_loads(workspace)[-1].id)
    assert rows_of(workspace).keys() == {"m0", "m1"}


def test_a_member_of_no_activity_at_all_is_encoded_too(take_in, workspace, encoder_folder):
    take_in()
    shutil.copytree(encoder_folder, workspace.encoder)
    verbalize.run(["--workspace", str(workspace.root)])
    embed.run(["--workspace", str(workspace.root)])
    assert len(rows_of(workspace)) == 4
