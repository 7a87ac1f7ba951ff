"""What adverts say in their text is read into empty fields alone, and marked."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.records import Job
from contracts.text.adverts.reader import as_said, read_advert, read_out
from contracts.text.adverts.skills import gazetteer

SKILLS = gazetteer({})
NOW = datetime(2026, 4, 30, tzinfo=UTC)


def told(field: str, title: str = "Advert", description: str = "") -> object:
    return read_advert({"title": title, "description": description}, SKILLS).values.get(field)


@pytest.mark.parametrize(
    ("title", "level"),
    [
        ("Senior Accountant", "senior"),
        ("Sr. Java Developer", "senior"),
        ("Pulse Engineering Intern", "intern"),
        ("Jr Data Analyst", "entry"),
        ("Vice President, Sales", "executive"),
        ("Director of Nursing", "director"),
        ("Executive Assistant to the CEO", None),
        ("Senior Living Caregiver", None),
        ("Lead Generation Specialist", None),
        ("Teamleiterin Pflege (m/w/d)", "lead"),
        ("Desenvolvedor Pleno", "mid"),
        ("Stagiaire marketing", "intern"),
        ("Nurse", None),
    ],
)
def test_a_title_tells_the_level(title: str, level: str | None) -> None:
    assert told("seniority", title) == level


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Entry level role in our lab.", "entry"),
        ("No experience necessary, we train you.", "entry"),
        ("Experience level: Mid-Senior level. Apply now.", "senior"),
        ("You report to the director.", None),
        ("A mid-level or senior level resource.", None),
    ],
)
def test_a_description_tells_the_level(text: str, level: str | None) -> None:
    assert told("seniority", description=text) == level


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("This is a fully remote position.", "remote"),
        ("Location: Remote", "remote"),
        ("You will work from home.", "remote"),
        ("This is not a remote position.", "onsite"),
        ("Remote work is not available.", "onsite"),
        ("There is no remote work.", "onsite"),
        ("Trabajo remoto no disponible.", None),
        ("Homeoffice ist bei uns ausgeschlossen, wir arbeiten in Berlin.", None),
        ("Nous recherchons un serveur. Télétravail non disponible.", None),
        ("Thuiswerken is voor deze functie niet mogelijk.", None),
        ("A hybrid role: work remotely on two days.", "hybrid"),
        ("Must work on site.", "onsite"),
        ("You provide remote support to remote sites.", None),
        ("Experience with hybrid cloud.", None),
        ("We are a remote-first company.", "remote"),
        ("We are a remote-first company. This is an on-site position.", "onsite"),
        ("About us: our people work remotely. Requirements: on-site position in Austin.", "onsite"),
        ("Arbeiten Sie im Homeoffice, deutschlandweit.", "remote"),
        ("Kein Homeoffice.", "onsite"),
        ("Pas de télétravail.", "onsite"),
        ("Vaga remota para todo o Brasil.", "remote"),
    ],
)
def test_the_way_of_working_is_told(text: str, way: str | None) -> None:
    assert told("workplace", description=text) == way


@pytest.mark.parametrize(
    ("title", "text", "kind"),
    [
        ("Driver (Part-Time)", "", "part_time"),
        ("Driver", "Type of hire: Contract. Start in May.", "contract"),
        ("Driver", "A full-time contract position.", "contract"),
        ("Driver", "This is a full-time position.", "full_time"),
        (
            "Driver",
            "Full-time and part-time positions, full-time position preferred, part-time position possible.",
            None,
        ),
        ("Driver", "Full-Time/Part-Time Job Requirements", None),
        ("Driver", "We offer a temporary position.", "temporary"),
        ("Fahrer", "Wir suchen in Vollzeit.", "full_time"),
        ("Conductor", "Contrato temporal de seis meses.", "temporary"),
    ],
)
def test_employment_is_told(title: str, text: str, kind: str | None) -> None:
    assert told("employment", title, text) == kind


@pytest.mark.parametrize(
    ("text", "low", "high", "period"),
    [
        ("Pay Rate: $28 - $31/hr. Contract.", 28, 31, "hour"),
        ("Compensation: $9.55 to $12.28 per hourData Entry Specialist Opportunity", 9.55, 12.28, "hour"),
        ("The salary range is $90,000 - $120,000 per year.", 90_000, 120_000, "year"),
        ("Salary: $90k-$120k plus equity.", 90_000, 120_000, "year"),
        ("Gehalt: 3.000 € bis 3.500 € pro Monat.", 3_000, 3_500, "month"),
        ("Compensation: $40.", None, None, None),
        ("A $500 referral bonus per hour of joy.", None, None, None),
        ("We grew to $5.5 billion in sales a year.", None, None, None),
        ("Our salary cap is a secret; revenue of $600,000 per year.", None, None, None),
        ("You manage a budget: $200,000 a year.", None, None, None),
    ],
)
def test_pay_is_told(text: str, low: float | None, high: float | None, period: str | None) -> None:
    values = read_advert({"title": "A", "description": text}, SKILLS).values
    assert (values.get("salary_min"), values.get("salary_max"), values.get("salary_period")) == (low, high, period)


@pytest.mark.parametrize(
    ("title", "text", "place"),
    [
        ("Clerk", "Location: Warren, MI Pay Rate: $30", "Warren, MI"),
        ("Clerk", "Standort: Berlin. Wir suchen Sie.", "Berlin"),
        ("Nurse - Austin, TX", "", "Austin, TX"),
        ("Data Analyst in New York, NY", "", "New York, NY"),
        ("Clerk", "The office lies in Ann Arbor, MI and is bright.", "Ann Arbor, MI"),
        ("Clerk", "We have offices in Austin, TX and in Warren, MI.", None),
        ("Clerk", "About us: we are at home in Austin, TX.", None),
        ("Clerk", "You work in New Jersey or in Virginia, North Carolina.", None),
        ("Clerk", "City: Salina State / Province: Kansas", None),
        ("Clerk", "Location: Remote", None),
        ("Clerk", "Experience in Excel, in or out.", None),
    ],
)
def test_the_place_is_told(title: str, text: str, place: str | None) -> None:
    assert told("location", title, text) == place


def test_what_is_given_stays_and_what_is_read_is_marked() -> None:
    job = Job(
        id="a",
        title="Senior Nurse",
        description="Location: Austin, TX. Pay: $40 per hour. Skills: Python, SQL.",
        seniority="entry",
        salary_min=1.0,
        updated_at=NOW,
    )
    read = read_out(job, SKILLS)
    assert read.read_out == ("skills", "location")
    assert (read.seniority, read.salary_min, read.salary_max) == ("entry", 1.0, None)
    assert (read.location, read.skills) == ("Austin, TX", ("Python", "SQL"))
    assert Job.model_validate(as_said(dict(read))) == job


_TEXT = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [
                *(
                    "no",
                    "not",
                    "remote",
                    "senior",
                    "hybrid",
                    "Location:",
                    "Austin, TX",
                    "Pay:",
                    "$40",
                    "per hour",
                    "- $50",
                ),
                *(
                    "Python",
                    "Java",
                    "R",
                    "Go",
                    ",",
                    ";",
                    ".",
                    "and",
                    "or",
                    "远程",
                    "职位",
                    "ภาษา",
                    "عن",
                    "remoto",
                    "não",
                ),
                *("ohne", "Requirements:", "About us:", "equal opportunity", "€", "kr"),
            ]
        ),
        max_size=40,
    ).map(" ".join),
)


@settings(max_examples=150)
@given(
    title=_TEXT.filter(lambda text: text.strip() and len(text.strip()) > 0),
    description=_TEXT,
    skills=st.sampled_from([(), ("Welding",)]),
    workplace=st.sampled_from([None, "onsite"]),
    salary_max=st.sampled_from([None, 12.0]),
    location=st.sampled_from(["", "Paris"]),
)
@example("R", "no R", (), None, None, "")
def test_reading_loses_nothing_and_says_the_same_twice(
    title: str,
    description: str,
    skills: tuple[str, ...],
    workplace: str | None,
    salary_max: float | None,
    location: str,
) -> None:
    given_ = {"skills": skills, "workplace": workplace, "salary_max": salary_max, "location": location}
    raw = {"id": "a", "title": f"x{title}", "description": description, "updated_at": NOW}
    job = Job.model_validate(raw | {name: value for name, value in given_.items() if value})
    read = read_out(job, SKILLS)
    for name, value in given_.items():
        assert not value or getattr(read, name) == getattr(job, name)
    assert read_out(read, SKILLS) == read == read_out(job, SKILLS)
    assert as_said(dict(read)) == dict(job)
    assert Job.model_validate(read.model_dump()) == read
