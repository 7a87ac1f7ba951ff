"""What a member says of themselves is looked for wherever they say it."""

from datetime import UTC, datetime

import pytest

from contracts.activity import Activity
from contracts.records import Member
from contracts.text.verbalizer import Verbalizer
from retrieval.filters.filters import Filter
from retrieval.request import build_request

NOW = datetime(2026, 4, 30, tzinfo=UTC)
SENTENCE = "Welder with ten years in shipyards"


@pytest.mark.parametrize("others", [{}, {"skills": ("TIG",), "location": "Kiel"}])
def test_a_sentence_asks_for_the_same_as_headline_and_as_summary(others: dict) -> None:
    asked = [
        build_request(Verbalizer().member(member), Activity(), "", "", Filter(), NOW)
        for member in (
            Member(id="m", headline=SENTENCE, updated_at=NOW, **others),
            Member(id="m", summary=SENTENCE, updated_at=NOW, **others),
        )
    ]
    assert asked[0] == asked[1]
    assert "shipyards" in asked[1].words and "shipyards" in asked[1].titles


def test_the_words_of_a_summary_count_beside_a_headline() -> None:
    member = Member(id="m", headline="Welder", summary=SENTENCE, updated_at=NOW)
    assert "shipyards" in build_request(Verbalizer().member(member), Activity(), "", "", Filter(), NOW).words
