"""Before anything is loaded a profile says what can be read out of the adverts, and what was held back."""

from datetime import UTC, datetime

from contracts.records import Job, Member
from sources.adverts import Adverts

NOW = datetime(2026, 4, 30, tzinfo=UTC)


def test_what_can_be_read_is_counted() -> None:
    adverts = Adverts()
    for number in range(2):
        adverts.add(Job(id=f"{number}", title="Carer", skills=("Palliative Care",), updated_at=NOW))
    adverts.add(Member(id="m", skills=("First Rites",), updated_at=NOW))
    adverts.add(Job(id="a", title="Senior Carer", description="Palliative care. Go the extra mile.", updated_at=NOW))
    found = adverts.read_out()
    assert found.adverts == 3
    assert found.missing["skills"] == 1 and found.missing["seniority"] == 3
    assert found.read == {"skills": 1, "seniority": 1}
    assert found.held_back == {"go": 1}
