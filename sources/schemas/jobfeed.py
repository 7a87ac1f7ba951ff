"""The element `<job>` of the XML feeds that job boards give to aggregators, as a row of jobs.

There is no standard; these are the names that most feeds share. A name that is not here keeps its own, so a mapping may
still use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sources.findings import Finding

_NAMES = """
id            referencenumber reference id jobid job_id job-id partnerjobid guid requisitionid
title         title jobtitle job_title job-title name position
company       company company.name companyname employer employer.name advertiser hiringorganization
description   description body jobdescription job_description job-description content encoded
industry      industry category jobcategory sector
employment    jobtype job_type job-type employmenttype employment_type contracttype type
workplace     remotetype workplace workplacetype workplace_type
seniority     seniority experiencelevel joblevel level
skills        skills skills.skill keywords
salary_min    salary_min salarymin minsalary salary.min salary.minimum salaryfrom salary
salary_max    salary_max salarymax maxsalary salary.max salary.maximum salaryto
currency      currency salary.currency salarycurrency salary_currency
salary_period salary_period salary.period salaryperiod salarytype salary.unit salary.type
posted_at     date dateposted posted_at posteddate postdate pubdate publishdate created published
expires_at    expirationdate expiration_date expires_at expirydate expires validthrough enddate
updated_at    updated_at datemodified lastmodified last_modified updated modified lastactivitydate
"""
NAMES: dict[str, tuple[str, ...]] = {
    field: tuple(names) for field, *names in map(str.split, _NAMES.strip().splitlines())
}
"""Field -> the names that feeds give it, the best first."""
PLACE = (
    ("city", "town", "location.city"),
    ("state", "region", "location.state", "location.region"),
    ("country", "location.country"),
)
WHOLE_PLACE = ("location", "location.name", "place", "address", "joblocation")


def row(fields: dict[str, Any]) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """A row of jobs of the fields of an advert by their path, and what was assumed."""
    left = dict(fields)
    found = {field: value for field, names in NAMES.items() if (value := _take(left, names)) is not None}
    findings = []
    places, are_unclear = _places(left)
    if are_unclear:
        findings.append(Finding("location", "several_places", "", "cities without regions: they do not pair"))
    whole = _take(left, WHOLE_PLACE) if not places else None
    if place := places or whole:
        found["location"] = "; ".join(map(str, place)) if isinstance(place, list) else place
    if "posted_at" in found and "updated_at" not in found:
        found["updated_at"] = found["posted_at"]
        findings.append(Finding("updated_at", "missing_field", "", "taken from posted_at"))
    return found | left, tuple(findings)


def _places(fields: dict[str, Any]) -> tuple[list[str], bool]:
    """The places of cities, regions and countries, which leave the fields, and whether it is unclear how they pair.

    One region or country holds for all cities; several pair with the cities in order where they are as many.
    """
    parts = [list(_texts(_take(fields, names))) for names in PLACE]
    number = max(map(len, parts))
    if all(len(part) in (0, 1, number) for part in parts):
        columns = [part * number if len(part) == 1 else part for part in parts if part]
        return list(dict.fromkeys(map(", ".join, zip(*columns, strict=True)))), False
    return parts[0] or next(filter(None, parts)), True


def _texts(value: Any) -> Iterator[str]:
    if value is not None:
        yield from map(str, value if isinstance(value, list) else [value])


def _take(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The value of the first name that is there, which leaves the fields."""
    name = next((name for name in names if name in fields), None)
    return None if name is None else fields.pop(name)
