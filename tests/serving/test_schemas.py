"""What a client may send is what the records hold."""

from __future__ import annotations

from contracts.records import Event, Member
from contracts.text.verbalizer import Verbalizer
from serving.http.routes import PostedEvent
from serving.intake import OF_THE_ANSWER
from serving.schemas import Profile, profile_text
from tests import make


def test_a_profile_has_the_fields_of_a_member_but_the_id_and_the_time() -> None:
    stored = {name: field for name, field in Member.model_fields.items() if name not in ("id", "updated_at")}
    assert {n: (f.annotation, f.metadata, f.default) for n, f in Profile.model_fields.items()} == {
        n: (f.annotation, f.metadata, f.default) for n, f in stored.items()
    }


def test_a_posted_event_has_the_fields_of_an_event_but_those_of_its_answer() -> None:
    assert list(PostedEvent.model_fields) == [name for name in Event.model_fields if name not in OF_THE_ANSWER]
    required = {name for name, field in PostedEvent.model_fields.items() if field.is_required()}
    assert required == {"job_id", "action"}


def test_a_profile_reads_as_the_member_does_whatever_the_order_of_its_positions() -> None:
    positions = [
        {"title": "Cashier", "start": "2010-01-01", "end": "2014-01-01"},
        {"title": "Nurse", "start": "2020-01-01"},
    ]
    member = make.member("m", positions=positions)
    fields = member.model_dump(exclude={"id", "updated_at"}) | {"positions": positions}
    text, _ = profile_text(Profile.model_validate(fields), Verbalizer())
    assert text == Verbalizer().member(member)
