"""The page on the filter language shows what the code takes."""

import re
from pathlib import Path

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.filters.attributes import NUMBER_ATTRIBUTES, REPOST_ATTRIBUTES, TEXT_ATTRIBUTES, build_attributes
from retrieval.filters.filters import parse_filter

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "filter-language.md").read_text()


def test_the_filter_of_the_page_is_one_and_passes_what_the_page_says():
    [written] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found = parse_filter(written)
    assert parse_filter(found.to_json()) == found
    fits = {
        "title": "Developer",
        "skills": ["SQL"],
        "company": "Initech",
        "salary_max": 90_000,
        "location": "Austin, Texas",
        "posted_at": "2026-01-02T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
    }
    others = {
        "skills": ["care"],
        "company": "ACME",
        "salary_max": 1,
        "location": "",
        "posted_at": "2025-12-01T00:00:00Z",
    }
    jobs = [fits, *({**fits, name: value} for name, value in others.items())]
    table = build_attributes(to_table([Job.model_validate({"id": f"j{i}", **job}) for i, job in enumerate(jobs)], Job))
    assert found.mask(table).tolist() == [True, *(False for _ in others)]


def test_the_page_names_all_attributes():
    text, numbers = re.findall(r"Attributes of text: (.*?)\. Of numbers and times: (.*?)\.", PAGE, re.DOTALL)[0]
    assert re.findall(r"`(\w+)`", text) == list(TEXT_ATTRIBUTES)
    assert re.findall(r"`(\w+)`", numbers) == [*NUMBER_ATTRIBUTES, *REPOST_ATTRIBUTES]
