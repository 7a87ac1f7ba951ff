"""HR-XML (HR Open Standards): candidates and résumés as rows of members, position openings as rows of jobs.

Both spellings are read: 2.x (`StructuredXMLResume`, `PositionOpening` with `PostalAddress`, 1.x's `JobPositionPosting`)
and 3.x (`CandidateProfile`, `PositionProfile` with `Address`). Elements come without namespaces and in lower case.
What names the person or tells how to reach them is no field of a record, and is left out. https://www.hropenstandards.org
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from sources.findings import Finding
from sources.schemas.resume import day

MEMBERS = ("candidate", "resume", "structuredxmlresume")
JOBS = ("positionopening", "jobpositionposting")
"""Names of the elements that are a record, of which the outermost counts."""
_PROFILES = ("candidateprofile", "structuredxmlresume")
_READ = {
    *("personaldata", "personname", "candidateperson", "contactinfo", "contactmethod", "communication", "profileid"),
    *(
        "candidateobjective",
        "objective",
        "executivesummary",
        "professionalsummary",
        "employmenthistory",
        "revisiondate",
    ),
    *("educationhistory", "qualifications", "preferredposition", "positionpreferences", "profilename"),
}
"""Sections of a profile that are read, or left out because they name the person."""
_CLOSED = {"inactive", "closed", "cancelled", "canceled", "filled", "deleted", "expired"}
_CITY = ("municipality", "cityname", "city")
_REGION = ("region", "countrysubdivisioncode", "countrysubdivisionname", "state")
_COUNTRY = ("countrycode", "country")


def member(candidate: Element, else_id: str) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The row of a candidate; else_id: where the document gives none."""
    findings = []
    member_id = _id(candidate, "candidaterecordinfo", "candidateid", "profileid", "resumeid", "documentid", "id")
    if not member_id:
        member_id = else_id
        findings.append(Finding("id", "missing_field", "", "taken from the file's name"))
    positions = [
        _position(employer, held)
        for employer in _all(candidate, "employerorg", "employerhistory")
        for held in (_all(employer, "positionhistory") or [employer])
    ]
    if untitled := sum("title" not in position for position in positions):
        positions = [position for position in positions if "title" in position]
        findings += [Finding("positions.title", "missing_field", "", "position left out")] * untitled
    preferred = _all(candidate, "preferredposition", "positionpreferences")
    wished = [title for one in preferred for title in _texts(one, "title", "positiontitle")]
    row = {
        "id": member_id,
        "headline": _text(candidate, "profilename", "professionaltitle"),
        "summary": _joined(
            _texts(candidate, "executivesummary", "professionalsummary", "candidateobjective", "objective")
        ),
        "location": _place(_one(candidate, "personaldata", "candidateperson", "contactinfo")),
        "skills": _skills(candidate),
        "positions": positions,
        "education": [
            _education(one) for one in _all(candidate, "schoolorinstitution", "educationorganizationattendance")
        ],
        "preferences": {"titles": wished} if wished else None,
        "updated_at": _date(candidate, "revisiondate", "revisiondatetime", "lastmodifieddatetime"),
    }
    sections = [part for name in _PROFILES for profile in candidate.iter(name) for part in profile]
    left = {part.tag: _own(part) for part in sections if part.tag not in _READ and _own(part)}
    return {name: value for name, value in row.items() if value} | left, tuple(findings)


def job(opening: Element) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The row of a position opening."""
    status = _one(opening, "status", "positionopeningstatuscode")
    posting = _one(opening, "postingperiod", "postingduration")
    told = {} if status is None else {name: status.get(name) for name in ("validfrom", "validto")}
    row = {
        "id": _id(opening, "positionrecordinfo", "jobpositionpostingid", "documentid", "positionid", "id"),
        "title": _text(opening, "positiontitle", "jobpositiontitle", "title"),
        "company": _text(opening, "organizationname", "hiringorgname", "orgname"),
        "location": "; ".join(dict.fromkeys(_places(opening))),
        "employment": _text(opening, "positionschedule", "positionscheduletypecode", "schedule")
        or _text(opening, "positionclassification", "positionofferingtypecode", "classification"),
        "industry": _text(opening, "industryname", "industrycode"),
        "skills": _skills(opening),
        "description": _joined(_description(opening)),
        "posted_at": (None if posting is None else _date(posting, "startdate")) or told.get("validfrom"),
        "expires_at": (None if posting is None else _date(posting, "enddate")) or told.get("validto"),
        "updated_at": _date(opening, "revisiondate", "lastmodifieddatetime"),
        "hidden": status is not None and _own(status).casefold() in _CLOSED,
    }
    findings = []
    if row["posted_at"] and not row["updated_at"]:
        row["updated_at"] = row["posted_at"]
        findings.append(Finding("updated_at", "missing_field", "", "taken from posted_at"))
    return {name: value for name, value in (row | _pay(opening)).items() if value}, tuple(findings)


def _position(employer: Element, held: Element) -> dict[str, Any]:
    """A position of an employer; its period stands with it, or with the employer."""
    is_held = held.get("currentemployer") or _text(held, "currentindicator")
    found = {
        "title": _text(held, "title", "positiontitle"),
        "company": _text(employer, "employerorgname", "organizationname", "employername"),
        "start": _date(held, "startdate") or _date(employer, "startdate"),
        "end": None if is_held.casefold() in ("true", "1") else _date(held, "enddate") or _date(employer, "enddate"),
        "description": _joined(_texts(held, "description")),
    }
    return {name: value for name, value in found.items() if value}


def _education(one: Element) -> dict[str, Any]:
    degree = _one(one, "degree", "educationdegree")
    found = {
        "school": _text(one, "schoolname", "organizationname", "educationorganization"),
        "degree": _text(degree, "degreename") or (degree.get("degreetype", "") if degree is not None else ""),
        "field": _text(_one(one, "degreemajor", "degreeconcentration"), "name", "programname"),
    }
    return {name: value for name, value in found.items() if value}


def _skills(record: Element) -> list[str]:
    named = [
        one.get("name") or _text(one, "competencyname", "skillname")
        for name in ("competency", "personcompetency", "positioncompetency")
        for one in record.iter(name)
    ]
    return list(dict.fromkeys(filter(None, named)))


def _description(opening: Element) -> Iterator[str]:
    whole = ("formattedpositiondescription", "positionformatteddescription", "jobpositiondescription")
    for one in _all(opening, *whole):
        yield _text(one, "value", "content", "description") or _own(one)
    if not _all(opening, *whole):
        yield from _texts(opening, "positiondescription", "description")


def _pay(opening: Element) -> dict[str, Any]:
    pay = _one(opening, "basepay", "remunerationrange", "offeredremunerationpackage", "remunerationpackage", "payrange")
    if pay is None:
        return {}
    low = _one(pay, "basepayamountmin", "remunerationminimumamount", "minimumamount", "minimum")
    high = _one(pay, "basepayamountmax", "remunerationmaximumamount", "maximumamount", "maximum")
    attributes = {name: value for one in (pay, low, high) if one is not None for name, value in one.attrib.items()}
    return {
        "salary_min": None if low is None else _own(low),
        "salary_max": None if high is None else _own(high),
        "currency": next(
            (attributes[name] for name in ("currencycode", "currencyid", "currency") if name in attributes), ""
        )
        or _text(pay, "currencycode"),
        "salary_period": attributes.get("baseinterval", "")
        or _text(pay, "remunerationintervalcode", "payintervalcode", "intervalcode"),
    }


def _places(opening: Element) -> Iterator[str]:
    for one in _all(opening, "physicallocation", "positionlocation", "jobpositionlocation", "locationsummary"):
        if place := _place(one) or _text(one, "locationname", "name"):
            yield place


def _place(inside: Element | None) -> str:
    """ "City, Region, Country" of the first address; a region's code loses its country's, as in US-CO."""
    parts = [_text(inside, *names) for names in (_CITY, _REGION, _COUNTRY)]
    parts[1] = parts[1].removeprefix(f"{parts[2]}-")
    return ", ".join(filter(None, parts))


def _date(inside: Element, *names: str) -> str | None:
    text = _text(inside, *names)
    return None if text.casefold() in ("notknown", "notapplicable") else day(text)


def _id(record: Element, *names: str) -> str:
    """The id in the first of some elements: 2.x keeps it in `IdValue` below it, 3.x as its own text."""
    for name in names:
        for one in record.iter(name):
            if text := _text(one, "idvalue", "id") or ("" if len(one) else _own(one)):
                return text
    return ""


def _one(inside: Element | None, *names: str) -> Element | None:
    """The first element of the first name that there is, at any depth."""
    if inside is None:
        return None
    return next((found for name in names if (found := next(inside.iter(name), None)) is not None), None)


def _all(inside: Element, *names: str) -> list[Element]:
    """The outermost elements of some names below an element, in order."""
    return [found for part in inside for found in ([part] if part.tag in names else _all(part, *names))]


def _text(inside: Element | None, *names: str) -> str:
    """The text of the first of some names that has one; the own text of an element where it is said by a child."""
    if inside is None:
        return ""
    return next((text for name in names for one in inside.iter(name) if (text := _own(one))), "")


def _texts(inside: Element, *names: str) -> list[str]:
    return [text for one in _all(inside, *names) if (text := _own(one))]


def _own(one: Element) -> str:
    return " ".join("".join(one.itertext()).split())


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(filter(None, texts)))
