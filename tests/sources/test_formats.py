"""Parquet, JSON, JSON-LD, XML feeds and résumés: the same records, and what is not read is counted in each alike."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.records import Event, Job, Member
from sources import Reject, open_source

JOB = {"id": "j1", "title": "Nurse", "salary_min": 50_000, "updated_at": "2025-05-01"}
NAN = float("nan")


def found(folder: Path, table: str = "jobs") -> Counter[tuple[str, str, str]]:
    """(field, reason, shape) of what was said of the rows of a table."""
    source = open_source(folder)
    rows = [row for shard in source.shards(table) for row in source.read(shard)]
    return Counter((f.field, f.reason, f.shape) for row in rows for f in row.findings)


def test_nan_is_missing_in_parquet_and_in_json(tmp_path: Path, read: Callable) -> None:
    day = pa.array([dt.datetime(2025, 5, 1, tzinfo=dt.UTC)] * 2, pa.timestamp("us", "UTC"))
    jobs = {"id": ["a", "b"], "title": ["Nurse"] * 2, "updated_at": day, "salary_min": [NAN, 5e4]}
    events = {"id": ["e1", "e2"], "time": day, "member_id": ["m"] * 2, "job_id": ["b"] * 2, "action": ["view"] * 2}
    pq.write_table(pa.table(jobs), tmp_path / "jobs.parquet")
    pq.write_table(pa.table(events | {"position": [1.0, NAN], "propensity": [NAN, 0.5]}), tmp_path / "events.parquet")
    (tmp_path / "members.jsonl").write_text('{"id": "m", "updated_at": "2025-05-01", "seniority": NaN}\n')
    assert [job.salary_min for job in read(tmp_path, "jobs")] == [None, 50_000]
    assert [(e.position, e.propensity) for e in read(tmp_path, "events")] == [(1, None), (None, 0.5)]
    assert [member.seniority for member in read(tmp_path, "members")] == [None]


def test_the_column_types_that_other_tools_write_are_read(tmp_path: Path, read: Callable) -> None:
    table = pa.table(
        {
            "id": pa.array([12345.0, 7.0]),
            "title": pa.array(["Nurse", "Cook"], pa.large_string()),
            "company": pa.array(["Acme", "Acme"]).dictionary_encode(),
            "location": pa.array([b"Bern", b"Z\xc3\xbcrich"], pa.binary()),
            "salary_min": pa.array([Decimal("50000.50"), None], pa.decimal128(12, 2)),
            "posted_at": pa.array([dt.date(2025, 4, 1)] * 2, pa.date32()),
            "updated_at": pa.array([dt.datetime(2025, 5, 1)] * 2, pa.timestamp("ns")),
            "skills": pa.array(["Triage; ICU", "Sauces"]),
            "hidden": pa.array([0, 1], pa.int64()),
        }
    )
    pq.write_table(table, tmp_path / "jobs.parquet")
    first, second = read(tmp_path, "jobs")
    assert (first.id, first.title, first.company, first.salary_min) == ("12345", "Nurse", "Acme", 50_000.5)
    assert (first.skills, first.posted_at.date(), first.updated_at.hour) == (("Triage", "ICU"), dt.date(2025, 4, 1), 0)
    assert (second.id, second.location, second.hidden) == ("7", "Zürich", True)
    assert found(tmp_path)["updated_at", "time_zone", "without zone"] == 1


SHAPES = [(name, "array", indent) for name in ("jobs.json", "jobs.jsonl", "jobs.ndjson") for indent in (None, 2)]
SHAPES += [("jobs/a.json", shape, indent) for shape in ("object", "deep", "one") for indent in (None, 2)]
SHAPES += [(name, "lines", None) for name in ("jobs.json", "jobs.jsonl", "jobs.ndjson")]


@pytest.mark.parametrize(("name", "shape", "indent"), SHAPES)
def test_json_is_read_in_any_shape(tmp_path: Path, read: Callable, name: str, shape: str, indent: int | None) -> None:
    rows = [JOB | {"id": f"j{n}", "skills": ["a", "b"]} for n in range(1 if shape == "one" else 3)]
    shapes = {
        "lines": "\n".join(json.dumps(row) for row in rows),
        "array": json.dumps(rows, indent=indent),
        "object": json.dumps({"total": 3, "meta": {"page": 1}, "results": rows}, indent=indent),
        "deep": json.dumps({"status": "ok", "data": {"items": rows}}, indent=indent),
        "one": json.dumps(rows[0], indent=indent),
    }
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(shapes[shape])
    jobs = read(tmp_path, "jobs")
    assert [(job.id, job.skills) for job in jobs] == [(row["id"], ("a", "b")) for row in rows]


def test_a_single_object_with_a_list_of_records_is_one_row(tmp_path: Path, read: Callable) -> None:
    member = {"id": "m1", "updated_at": "2025-05-01", "positions": [{"title": "Nurse"}, {"title": "Carer"}]}
    (tmp_path / "members.json").write_text(json.dumps(member))
    (tmp_path / "jobs.json").write_text(json.dumps([JOB]))
    [read_member] = read(tmp_path, "members")
    assert [position.title for position in read_member.positions] == ["Nurse", "Carer"]


@pytest.mark.parametrize("size", [200, 400_000])
def test_a_json_array_that_ends_in_the_middle_gives_what_is_whole(tmp_path: Path, read: Callable, size: int) -> None:
    rows = [JOB | {"id": f"j{n}", "description": "x" * size} for n in range(3)]
    (tmp_path / "jobs.json").write_text(json.dumps(rows, indent=1)[: -size // 2])
    *jobs, reject = read(tmp_path, "jobs")
    assert ([job.id for job in jobs if isinstance(job, Job)], reject.reason) in (
        (["j0", "j1"], "file_ends"),
        (["j0", "j1"], "text_too_long"),
    )
    assert reject.reason == "file_ends" and reject.line == 16 and '"id": "j2"' in reject.raw


def test_unknown_fields_are_counted_alike_and_cost_no_row(tmp_path: Path, read: Callable) -> None:
    rows = [JOB | {"colour": "red"}, JOB | {"id": "j2"}, JOB | {"id": "j3", "colour": "blue"}]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    member = {"id": "m", "updated_at": "2025-05-01", "positions": [{"title": "Nurse", "boss": "Ann"}]}
    (tmp_path / "members.jsonl").write_text(json.dumps(member) + "\n")
    assert all(isinstance(row, Job) for row in read(tmp_path, "jobs"))
    assert all(isinstance(row, Member) for row in read(tmp_path, "members"))
    assert found(tmp_path) == {("jobs", "unknown_field", "colour"): 2}
    assert found(tmp_path, "members") == {("members", "unknown_field", "positions.boss"): 1}


POSTING = {
    "@context": "https://schema.org/",
    "@type": "JobPosting",
    "identifier": {"@type": "PropertyValue", "name": "Acme", "value": "A-17"},
    "title": "Registered Nurse",
    "description": "<p>Nights on a ward.</p>",
    "qualifications": "A licence.",
    "hiringOrganization": {"@type": "Organization", "name": "Acme", "sameAs": "https://acme.example"},
    "jobLocation": {
        "@type": "Place",
        "address": {
            "@type": "PostalAddress",
            "addressLocality": "Denver",
            "addressRegion": "CO",
            "addressCountry": "US",
        },
    },
    "employmentType": ["FULL_TIME", "CONTRACTOR"],
    "jobLocationType": "TELECOMMUTE",
    "skills": "Triage, ICU",
    "baseSalary": {
        "@type": "MonetaryAmount",
        "currency": "USD",
        "value": {"@type": "QuantitativeValue", "minValue": 30, "maxValue": 40, "unitText": "HOUR"},
    },
    "datePosted": "2025-05-01",
    "validThrough": "2030-01-01T00:00:00Z",
    "directApply": True,
}


def as_page(documents: object) -> str:
    script = f'<script type="application/ld+json">{json.dumps(documents)}</script>'
    crumbs = '<script type="application/ld+json">{"@type": "BreadcrumbList"}</script>'
    return f"<!doctype html><html><head>{crumbs}<script>var a = 1 < 2;</script></head><body>{script}</body></html>"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("feed.jsonld", json.dumps(POSTING)),
        ("feed.json", json.dumps([POSTING], indent=1)),
        ("jobs.jsonl", json.dumps(POSTING) + "\n"),
        ("graph.json", json.dumps({"@context": "https://schema.org", "@graph": [{"@type": "WebPage"}, POSTING]})),
        ("list.json", json.dumps({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": POSTING}]})),
        ("page.html", as_page(POSTING)),
        ("page.htm", as_page([POSTING])),
    ],
)
def test_a_job_posting_is_a_job(tmp_path: Path, read: Callable, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    [job] = read(tmp_path, "jobs")
    assert isinstance(job, Job)
    assert (job.id, job.title, job.company, job.location) == ("A-17", "Registered Nurse", "Acme", "Denver, CO, US")
    assert (job.workplace, job.employment, job.skills) == ("remote", "full_time", ("Triage", "ICU"))
    assert (job.salary_min, job.salary_max, job.currency, job.salary_period) == (30, 40, "USD", "hour")
    assert (job.posted_at.day, job.expires_at.year, job.updated_at.day) == (1, 2030, 1)
    assert job.description == "Nights on a ward. A licence."
    assert found(tmp_path)["jobs", "unknown_field", "directApply"] == 1


def test_a_posting_without_an_id_has_the_same_made_one_every_night(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "feed.jsonld").write_text(json.dumps({n: v for n, v in POSTING.items() if n != "identifier"}))
    [job], [again] = read(tmp_path, "jobs"), read(tmp_path, "jobs")
    assert job.id == again.id
    assert found(tmp_path)["id", "missing_field", ""] == 1


ADVERT = """<job><title><![CDATA[Registered Nurse]]></title><date>2025-05-01</date><referencenumber>17</referencenumber>
<company>Acme</company><city>Denver</city><state>CO</state><country>US</country>
<description><![CDATA[<p>Nights &amp; days.</p>]]></description><jobtype>fulltime</jobtype><cpc>0.4</cpc></job>
"""


def feed(adverts: int, end: str = "</source>") -> str:
    body = "".join(ADVERT.replace(">17<", f">{n}<") for n in range(adverts))
    return f"<?xml version='1.0' encoding='utf-8'?>\n<source><publisher>Acme</publisher>\n{body}{end}"


def test_a_feed_of_adverts_is_read(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "feed.xml").write_text(feed(3))
    jobs = read(tmp_path, "jobs")
    assert [job.id for job in jobs] == ["0", "1", "2"]
    assert (jobs[0].title, jobs[0].company, jobs[0].location) == ("Registered Nurse", "Acme", "Denver, CO, US")
    assert (jobs[0].description, jobs[0].employment) == ("Nights & days.", "full_time")
    assert found(tmp_path)["jobs", "unknown_field", "cpc"] == 3


def test_a_feed_that_ends_in_the_middle_gives_what_is_whole_and_says_where(tmp_path: Path, read: Callable) -> None:
    whole = feed(5, "")
    (tmp_path / "feed.xml").write_text(whole[:-60])
    *jobs, reject = read(tmp_path, "jobs")
    assert [job.id for job in jobs] == ["0", "1", "2", "3"]
    assert (reject.reason, reject.line) == ("file_ends", whole[:-60].count("\n") + 1)
    assert "4 adverts were whole" in reject.detail and "Registered Nurse" in reject.raw


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE source [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE source [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_entities_are_refused(tmp_path: Path, read: Callable, declared: str) -> None:
    text = feed(1).replace("<source>", declared + "<source>").replace("Acme</company>", "&a;</company>")
    (tmp_path / "jobs.xml").write_text(text)
    [reject] = read(tmp_path, "jobs")
    assert isinstance(reject, Reject) and reject.reason == "unsafe_xml"


def advert(number: int, title: str = "Cook", more: str = "") -> str:
    return f"<job><id>{number}</id><title>{title}</title><date>2025-05-01</date>{more}</job>\n"


@pytest.mark.parametrize(
    ("title", "read_as"),
    [
        ("R&D cook", "R&D cook"),
        ("Cook &nbsp;&eacute; &unknown; &#11;&#169;", "Cook é &unknown; ©"),
        ("Co\x0bok\uffff", "Cook"),
        ("Cook, <5 tables", "Cook, <5 tables"),
        ("<b>C</b>ook<br>", "Cook"),
        ("<![CDATA[R&D &amp; <b>cook</b>]]>", "R&D & cook"),
        ("Cook <o:p>nights</o:p>", "Cook nights"),
    ],
)
def test_a_slip_in_a_feed_costs_nothing(tmp_path: Path, read: Callable, title: str, read_as: str) -> None:
    (tmp_path / "jobs.xml").write_text(f"<source>{advert(1, title)}{advert(2)}</source>")
    assert [(job.id, job.title) for job in read(tmp_path, "jobs")] == [("1", read_as), ("2", "Cook")]


@pytest.mark.parametrize("broken", ["<title>", "</x>", "<x y>", "<a>" * 200])
def test_what_is_no_xml_costs_its_advert_alone(tmp_path: Path, read: Callable, broken: str) -> None:
    text = f"<source xmlns:a='b'>\n{advert(1)}{advert(2, 'Cook ' + broken)}{advert(3)}<a:x/>{advert(4)}</source>"
    (tmp_path / "jobs.xml").write_text(text)
    first, reject, *others = read(tmp_path, "jobs")
    assert [job.id for job in (first, *others)] == ["1", "3", "4"]
    assert (reject.reason, reject.line) == ("bad_xml", 3) and "Cook" in reject.raw


@pytest.mark.parametrize("cut", [20, 100, 190])
def test_an_advert_is_read_wherever_a_block_ends(
    tmp_path: Path, read: Callable, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr("sources.formats.mended.BLOCK", cut)
    body = "".join(advert(n, "<![CDATA[R&D]]>", "<description><p>Grill &nbsp; R&D<br></description>") for n in range(9))
    (tmp_path / "jobs.xml").write_text(f"<source>{body}</source>")
    assert [(job.title, job.description) for job in read(tmp_path, "jobs")] == [("R&D", "Grill R&D")] * 9


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-2", "utf-16"])
def test_a_feed_is_read_in_the_encoding_that_it_states(tmp_path: Path, read: Callable, encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?><source>{advert(1, 'Łódź')}</source>"
    (tmp_path / "jobs.xml").write_bytes(text.encode(encoding))
    assert [job.title for job in read(tmp_path, "jobs")] == ["Łódź"]


def test_a_stray_byte_is_read_and_said_and_an_unknown_encoding_refused(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.xml").write_bytes(f"<source>{advert(1, 'Café')}{advert(2)}</source>".encode("latin-1"))
    assert [job.title for job in read(tmp_path, "jobs")] == ["Café", "Cook"]
    assert found(tmp_path)["jobs.xml", "encoding", "1 bytes on 1 lines are not UTF-8"] == 1
    (tmp_path / "jobs.xml").write_text(f"<?xml version='1.0' encoding='klingon'?><source>{advert(1)}</source>")
    [reject] = read(tmp_path, "jobs")
    assert reject.reason == "unreadable_file" and "klingon" in reject.detail


@pytest.mark.parametrize(
    ("places", "location"),
    [
        ("<city>Austin</city><state>TX</state><city>Boston</city><state>MA</state>", "Austin, TX; Boston, MA"),
        ("<city>Austin</city><city>Dallas</city><state>TX</state>", "Austin, TX; Dallas, TX"),
        ("<city>Austin</city><city>Dallas</city><city>Bern</city><state>TX</state><state>BE</state>", None),
        ("<location>Austin, TX</location><location>Boston, MA</location>", "Austin, TX; Boston, MA"),
        ("<location><city>Austin</city></location><location><city>Bern</city></location>", "Austin; Bern"),
        ("<address><a>Austin</a> or <a>Bern</a></address>", "Austin or Bern"),
    ],
)
def test_repeated_places_of_a_feed_are_several(
    tmp_path: Path, read: Callable, places: str, location: str | None
) -> None:
    (tmp_path / "jobs.xml").write_text(f"<source>{advert(1, more=places)}</source>")
    [job] = read(tmp_path, "jobs")
    assert job.location == (location or "Austin; Dallas; Bern")
    assert found(tmp_path)["location", "several_places", ""] == (location is None)


def test_html_in_a_description_is_its_text(tmp_path: Path, read: Callable) -> None:
    html = "<description><p>Grill</p> the <i>meat</i> well<br><ul><li>daily</ul></description>"
    (tmp_path / "jobs.xml").write_text(f"<source>{advert(1, more=html)}</source>")
    assert [job.description for job in read(tmp_path, "jobs")] == ["Grill the meat well daily"]


RESUME = {
    "basics": {
        "name": "Ann Example",
        "label": "Registered nurse",
        "email": "ann@example.org",
        "summary": "Ten years of nights.",
        "location": {"city": "Denver", "region": "CO", "countryCode": "US"},
    },
    "work": [
        {
            "name": "Acme",
            "position": "Nurse",
            "startDate": "2019-03",
            "summary": "Nights.",
            "highlights": ["Led a team."],
        },
        {"company": "City Hospital", "position": "Carer", "startDate": "2015", "endDate": "2019-02-28"},
    ],
    "education": [{"institution": "School", "area": "Nursing", "studyType": "BSc"}],
    "skills": [{"name": "Care", "keywords": ["Triage", "ICU"]}],
    "meta": {"lastModified": "2025-05-01T00:00:00Z"},
    "hobbies": ["Chess"],
}


def test_a_resume_is_a_member_without_what_names_the_person(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "ann.json").write_text(json.dumps(RESUME))
    (tmp_path / "jobs.json").write_text(json.dumps([JOB]))
    [member] = read(tmp_path, "members")
    assert isinstance(member, Member)
    assert (member.id, member.headline, member.location) == ("ann", "Registered nurse", "Denver, CO, US")
    assert member.skills == ("Care", "Triage", "ICU")
    assert [(p.title, p.company, p.end is None) for p in member.positions] == [
        ("Nurse", "Acme", True),
        ("Carer", "City Hospital", False),
    ]
    assert "Ann" not in member.model_dump_json() and "example.org" not in member.model_dump_json()
    assert found(tmp_path, "members")["members", "unknown_field", "hobbies"] == 1


def test_events_of_every_format_are_the_same(tmp_path: Path, read: Callable) -> None:
    event = {"id": "e", "time": "2025-05-01T10:00:00Z", "member_id": "m", "job_id": "j", "action": "view"}
    (tmp_path / "jobs.json").write_text(json.dumps([JOB]))
    places = [tmp_path / "events" / name for name in ("a.csv", "b.tsv", "c.json", "d.jsonl", "e.parquet")]
    places[0].parent.mkdir()
    for path, mark in zip(places[:2], ",\t", strict=True):
        path.write_text(mark.join(event) + "\n" + mark.join(event.values()) + "\n")
    places[2].write_text(json.dumps([event]))
    places[3].write_text(json.dumps(event))
    pq.write_table(pa.Table.from_pylist([event]), places[4])
    assert read(tmp_path, "events") == [Event.model_validate(event)] * 5


@pytest.mark.parametrize(("after", "reason"), [(", {bad}]", "bad_json"), ("] more", "bad_json"), ("", "file_ends")])
def test_what_is_wrong_in_an_array_is_told_after_what_is_whole(
    tmp_path: Path, read: Callable, after: str, reason: str
) -> None:
    (tmp_path / "jobs.json").write_text(f"[{json.dumps(JOB)}{after}")
    job, reject = read(tmp_path, "jobs")
    assert (job.id, reject.reason, reject.line) == ("j1", reason, 1)


CANDIDATES = {
    "2.x": """<Candidate xmlns="http://ns.hr-xml.org/2007-04-15"><CandidateRecordInfo><Id><IdValue>C7</IdValue></Id></CandidateRecordInfo>
<CandidateProfile><PersonalData><PersonName><FormattedName>Ann Example</FormattedName></PersonName>
<ContactMethod><InternetEmailAddress>ann@example.org</InternetEmailAddress><PostalAddress><CountryCode>US</CountryCode>
<Region>CO</Region><Municipality>Denver</Municipality></PostalAddress></ContactMethod></PersonalData>
<PreferredPosition><Title>Charge nurse</Title></PreferredPosition></CandidateProfile>
<Resume><StructuredXMLResume><ExecutiveSummary>Ten years of nights.</ExecutiveSummary>
<EmploymentHistory><EmployerOrg><EmployerOrgName>Acme</EmployerOrgName>
<PositionHistory currentEmployer="true"><Title>Nurse</Title><Description>Ward <b>nights</b>.</Description>
<StartDate><YearMonth>2019-03</YearMonth></StartDate><EndDate><StringDate>present</StringDate></EndDate></PositionHistory>
<PositionHistory><Title>Carer</Title><StartDate><Year>2015</Year></StartDate><EndDate><AnyDate>2019-02-28</AnyDate></EndDate>
</PositionHistory></EmployerOrg></EmploymentHistory>
<EducationHistory><SchoolOrInstitution><School><SchoolName>State</SchoolName></School><Degree degreeType="bachelors">
<DegreeName>BSc</DegreeName><DegreeMajor><Name>Nursing</Name></DegreeMajor></Degree></SchoolOrInstitution></EducationHistory>
<Qualifications><Competency name="Triage"/><Competency name="ICU"/></Qualifications><Hobbies>Chess</Hobbies>
<RevisionDate>2025-05-01</RevisionDate></StructuredXMLResume></Resume></Candidate>""",
    "3.x": """<hr:Candidate xmlns:hr="http://www.hr-xml.org/3"><hr:CandidateID>C7</hr:CandidateID>
<hr:CandidatePerson><hr:PersonName><hr:FormattedName>Ann Example</hr:FormattedName></hr:PersonName><hr:Communication>
<hr:Address><hr:CityName>Denver</hr:CityName><hr:CountrySubDivisionCode>US-CO</hr:CountrySubDivisionCode>
<hr:CountryCode>US</hr:CountryCode></hr:Address></hr:Communication></hr:CandidatePerson>
<hr:CandidateProfile><hr:ExecutiveSummary>Ten years of nights.</hr:ExecutiveSummary>
<hr:PositionPreferences><hr:PositionTitle>Charge nurse</hr:PositionTitle></hr:PositionPreferences>
<hr:EmploymentHistory><hr:EmployerHistory><hr:OrganizationName>Acme</hr:OrganizationName>
<hr:PositionHistory><hr:PositionTitle>Nurse</hr:PositionTitle><hr:EmploymentPeriod><hr:StartDate><hr:FormattedDateTime>2019-03
</hr:FormattedDateTime></hr:StartDate><hr:CurrentIndicator>true</hr:CurrentIndicator></hr:EmploymentPeriod>
<hr:Description>Ward nights.</hr:Description></hr:PositionHistory>
<hr:PositionHistory><hr:PositionTitle>Carer</hr:PositionTitle><hr:EmploymentPeriod><hr:StartDate><hr:FormattedDateTime>2015
</hr:FormattedDateTime></hr:StartDate><hr:EndDate><hr:FormattedDateTime>2019-02-28</hr:FormattedDateTime></hr:EndDate>
</hr:EmploymentPeriod></hr:PositionHistory></hr:EmployerHistory></hr:EmploymentHistory>
<hr:EducationHistory><hr:EducationOrganizationAttendance><hr:OrganizationName>State</hr:OrganizationName><hr:EducationDegree>
<hr:DegreeName>BSc</hr:DegreeName><hr:DegreeMajor><hr:ProgramName>Nursing</hr:ProgramName></hr:DegreeMajor></hr:EducationDegree>
</hr:EducationOrganizationAttendance></hr:EducationHistory><hr:Qualifications>
<hr:PersonCompetency><hr:CompetencyName>Triage</hr:CompetencyName></hr:PersonCompetency>
<hr:PersonCompetency><hr:CompetencyName>ICU</hr:CompetencyName></hr:PersonCompetency></hr:Qualifications>
<hr:Hobbies>Chess</hr:Hobbies><hr:RevisionDate>2025-05-01</hr:RevisionDate></hr:CandidateProfile></hr:Candidate>""",
}
OPENINGS = {
    "2.x": """<PositionOpening xmlns="http://ns.hr-xml.org/2007-04-15"><PositionRecordInfo><Id><IdValue>P9</IdValue></Id>
<Status validFrom="2025-04-01" validTo="2030-01-01">Active</Status></PositionRecordInfo><PositionProfile>
<Organization><OrganizationName>Acme</OrganizationName></Organization><PositionDetail><PhysicalLocation><PostalAddress>
<CountryCode>US</CountryCode><Region>CO</Region><Municipality>Denver</Municipality></PostalAddress></PhysicalLocation>
<PositionTitle>Registered Nurse</PositionTitle><PositionClassification>Direct Hire</PositionClassification>
<PositionSchedule>Full Time</PositionSchedule><Competency name="Triage"/>
<RemunerationPackage><BasePay currencyCode="USD" baseInterval="Hourly"><BasePayAmountMin>30</BasePayAmountMin>
<BasePayAmountMax>40</BasePayAmountMax></BasePay></RemunerationPackage></PositionDetail>
<FormattedPositionDescription><Name>Duties</Name><Value>Nights.</Value></FormattedPositionDescription>
<FormattedPositionDescription><Name>We ask for</Name><Value>A licence.</Value></FormattedPositionDescription>
</PositionProfile></PositionOpening>""",
    "3.x": """<PositionOpening xmlns="http://www.hr-xml.org/3"><DocumentID>P9</DocumentID>
<PositionOpeningStatusCode>Active</PositionOpeningStatusCode><PositionProfile><PostingPeriod><StartDate>2025-04-01</StartDate>
<EndDate>2030-01-01</EndDate></PostingPeriod><PositionOrganization><OrganizationName>Acme</OrganizationName></PositionOrganization>
<PositionLocation><Address><CityName>Denver</CityName><CountrySubDivisionCode>US-CO</CountrySubDivisionCode><CountryCode>US</CountryCode>
</Address></PositionLocation><PositionTitle>Registered Nurse</PositionTitle>
<PositionScheduleTypeCode>FullTime</PositionScheduleTypeCode>
<PositionFormattedDescription><Content>Nights.</Content></PositionFormattedDescription>
<PositionFormattedDescription><Content>A licence.</Content></PositionFormattedDescription>
<PositionCompetency><CompetencyName>Triage</CompetencyName></PositionCompetency>
<OfferedRemunerationPackage><RemunerationRange><MinimumAmount currencyID="USD">30</MinimumAmount>
<MaximumAmount currencyID="USD">40</MaximumAmount><RemunerationIntervalCode>Hour</RemunerationIntervalCode>
</RemunerationRange>
</OfferedRemunerationPackage></PositionProfile></PositionOpening>""",
}


@pytest.mark.parametrize("spelling", CANDIDATES)
def test_hr_xml_candidates_are_members_without_what_names_the_person(
    tmp_path: Path, read: Callable, spelling: str
) -> None:
    (tmp_path / "export.xml").write_text(f"<Envelope><Package>{CANDIDATES[spelling]}</Package></Envelope>")
    (tmp_path / "jobs.json").write_text(json.dumps([JOB]))
    [member] = read(tmp_path, "members")
    assert isinstance(member, Member)
    assert (member.id, member.location, member.summary) == ("C7", "Denver, CO, US", "Ten years of nights.")
    assert (member.skills, member.preferences.titles) == (("Triage", "ICU"), ("Charge nurse",))
    assert [(p.title, p.company, p.start and p.start.date(), p.end and p.end.date()) for p in member.positions] == [
        ("Nurse", "Acme", dt.date(2019, 3, 1), None),
        ("Carer", "Acme", dt.date(2015, 1, 1), dt.date(2019, 2, 28)),
    ]
    assert member.positions[0].description == "Ward nights."
    assert [(e.school, e.degree, e.field) for e in member.education] == [("State", "BSc", "Nursing")]
    assert member.updated_at.date() == dt.date(2025, 5, 1)
    assert "Ann" not in member.model_dump_json() and "example.org" not in member.model_dump_json()
    assert found(tmp_path, "members")["members", "unknown_field", "hobbies"] == 1


@pytest.mark.parametrize("spelling", OPENINGS)
def test_hr_xml_openings_are_jobs(tmp_path: Path, read: Callable, spelling: str) -> None:
    closed = OPENINGS[spelling].replace("P9", "P10").replace("Active", "Closed")
    (tmp_path / "openings.xml").write_text(f"<Batch>{OPENINGS[spelling]}{closed}</Batch>")
    job, other = read(tmp_path, "jobs")
    assert isinstance(job, Job)
    assert (job.id, job.title, job.company, job.location) == ("P9", "Registered Nurse", "Acme", "Denver, CO, US")
    assert (job.employment, job.skills, job.description) == ("full_time", ("Triage",), "Nights. A licence.")
    assert (job.salary_min, job.salary_max, job.currency, job.salary_period) == (30, 40, "USD", "hour")
    assert job.posted_at and job.posted_at.date() == dt.date(2025, 4, 1)
    assert job.expires_at and job.expires_at.date() >= dt.date(2030, 1, 1)
    assert (job.hidden, other.id, other.hidden) == (False, "P10", True)


def test_an_hr_xml_file_that_ends_in_the_middle_gives_what_is_whole(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "people.xml").write_text(f"<Batch>{CANDIDATES['2.x']}{CANDIDATES['3.x'][:-40]}")
    (tmp_path / "jobs.json").write_text(json.dumps([JOB]))
    member, reject = read(tmp_path, "members")
    assert member.id == "C7" and reject.reason == "file_ends" and "1 candidates were whole" in reject.detail


def test_a_candidate_without_an_id_is_called_by_the_file_and_one_among_jobs_is_told(
    tmp_path: Path, read: Callable
) -> None:
    bare = "<Resume><Objective>Nurse</Objective><RevisionDate>2025-05-01</RevisionDate></Resume>"
    (tmp_path / "ann.xml").write_text(f"<a>{bare}{bare}</a>")
    (tmp_path / "jobs.xml").write_text(bare)
    assert [member.id for member in read(tmp_path, "members")] == ["ann", "ann-2"]
    [reject] = read(tmp_path, "jobs")
    assert reject.reason == "other_table" and "members" in reject.detail


@pytest.mark.parametrize("between", [",\n", "\n", ",\r\n"])
def test_lines_of_json_may_end_in_commas_and_the_file_in_a_mark(tmp_path: Path, read: Callable, between: str) -> None:
    lines = [json.dumps({"id": str(i), "title": "Cook", "updated_at": "2025-01-01T00:00:00Z"}) for i in range(3)]
    (tmp_path / "jobs.jsonl").write_text(between.join([*lines, "\x1a"]), newline="")
    assert [job.id for job in read(tmp_path, "jobs")] == ["0", "1", "2"]
