"""The verbaliser's exact text. A change here is a new TEXT_FORMAT: stored text and vectors are made again."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Education, Job, Member, Position, Preferences
from contracts.text.verbalizer import (
    LEAST_AMOUNTS,
    TEXT_FORMAT,
    Percentiles,
    Verbalizer,
    activity_text,
    content_hash,
    job_snippet,
    job_title,
    request_text,
)

DAY = datetime(2025, 3, 1, tzinfo=UTC)
PAY = Percentiles.fit({"salary": range(0, 100_000, 1_000)})
NURSE = Member(
    id="m1",
    headline="Registered nurse",
    summary="Ten years on a surgical ward.",
    location="Austin, TX",
    seniority="senior",
    skills=("triage", "wound care"),
    positions=(
        Position(title="Nurse", company="North Clinic", start=datetime(2010, 1, 1), end=datetime(2015, 1, 1)),
        Position(title="Ward nurse", company="City Hospital", industry="Hospitals", start=datetime(2015, 2, 1)),
    ),
    education=(Education(degree="BSc", field="Nursing", school="State College"),),
    preferences=Preferences(
        titles=("Charge nurse",), locations=("Dallas, TX",), workplace=("onsite",), salary_min=66_000
    ),
    updated_at=DAY,
)
JOB = Job(
    id="j1",
    title="Charge Nurse @ City Hospital",
    company="City Hospital",
    location="Dallas, TX",
    workplace="onsite",
    employment="full_time",
    seniority="senior",
    industry="Hospitals",
    skills=("triage",),
    description="Lead a shift of <b>six</b> nurses.",
    salary_min=61_000,
    salary_max=81_000,
    updated_at=DAY,
)


def test_member_text_is_this_text() -> None:
    assert TEXT_FORMAT == 6
    assert Verbalizer(PAY).member(NURSE) == (
        "headline: Registered nurse | seniority: senior | location: Austin, TX | wants: Charge nurse, in Dallas, TX | "
        "workplace: onsite | pay: at least p65 | skills: triage, wound care | "
        "worked: Ward nurse at City Hospital (Hospitals) current: True; Nurse at North Clinic 5 years | "
        "education: BSc, Nursing, State College | summary: Ten years on a surgical ward."
    )


def test_job_text_is_this_text() -> None:
    assert Verbalizer(PAY).job(JOB) == (
        "title: Charge Nurse | company: City Hospital | location: Dallas, TX | workplace: onsite | "
        "employment: full time | seniority: senior | industry: Hospitals | pay: p60 to p80 | skills: triage | "
        "description: Lead a shift of six nurses."
    )


def test_a_record_of_nothing_but_its_id_has_no_text() -> None:
    assert Verbalizer().member(Member(id="m", updated_at=DAY)) == ""


def test_new_break_points_are_a_new_text_version() -> None:
    assert Verbalizer(PAY).version != Verbalizer().version
    assert Verbalizer(PAY).version == Verbalizer(Percentiles.fit({"salary": range(0, 100_000, 1_000)})).version


def test_only_the_employer_is_taken_from_behind_the_at_sign() -> None:
    assert job_title(JOB) == "Charge Nurse"
    assert job_title(JOB.model_copy(update={"title": "Barista @ the airport"})) == "Barista @ the airport"
    assert job_title(JOB.model_copy(update={"title": "@ City Hospital"})) == "@ City Hospital"


def test_activity_is_grouped_by_action_newest_first_and_skips_impressions() -> None:
    entries = [("view", "A"), ("apply", "B"), ("impression", "C"), ("view", "D"), ("view", "A")]
    assert activity_text(entries) == "applied: B | viewed: A; D"


def test_a_request_is_what_was_asked_then_done_then_who_asks() -> None:
    assert (
        request_text("headline: Nurse", "viewed: A", "ward nurse") == "search: ward nurse | viewed: A | headline: Nurse"
    )
    assert request_text("headline: Nurse") == "headline: Nurse"
    assert request_text() == ""


def test_a_snippet_names_title_company_and_place() -> None:
    assert job_snippet(JOB) == "Charge Nurse, City Hospital, Dallas, TX"


def test_the_content_hash_depends_on_text_and_version() -> None:
    assert content_hash("a", "1") != content_hash("a", "2") != content_hash("b", "2")
    assert len(content_hash("a", "1")) == 32


@given(st.permutations(NURSE.positions))
def test_positions_are_the_newest_first_whatever_order_they_come_in(positions: list[Position]) -> None:
    member = Member(**{**NURSE.model_dump(), "positions": positions})
    assert [position.title for position in member.positions] == ["Ward nurse", "Nurse"]
    assert Verbalizer(PAY).member(member) == Verbalizer(PAY).member(NURSE)


def test_pay_is_compared_within_a_currency_and_by_the_year() -> None:
    dollars, yen = range(20_000, 120_000, 1_000), range(2_000_000, 12_000_000, 100_000)
    pay = Percentiles.fit_pay({"USD": [*dollars, 50_000], "JPY": yen, "CHF": [60_000] * (LEAST_AMOUNTS - 1)})

    def tag(amount: float, currency: str, period: str = "year") -> str:
        job = Job(id="j", title="Cook", salary_min=amount, currency=currency, salary_period=period, updated_at=DAY)
        return Verbalizer(pay).job(job).partition("pay: ")[2]

    assert tag(72_500, "USD") == tag(7_250_000, "JPY") == tag(72_500, "usd") == "p50"
    assert tag(72_500 / 2_080, "USD", "hour") == tag(72_500 / 12, "USD", "month") == "p50"
    assert tag(70_000, "CHF") == tag(70_000, "EUR") == ""
    assert pay.tag("salary", 72_500) == "p50"  # what a member asks for is in the main currency


def test_a_second_currency_is_a_new_text_version_even_without_tags() -> None:
    dollars = list(range(20_000, 120_000, 1_000))
    alone, beside = (Verbalizer(Percentiles.fit_pay({"USD": dollars, **more})) for more in ({}, {"EUR": [1.0]}))
    assert alone.version == Verbalizer(Percentiles.fit({"salary": dollars})).version != beside.version


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0, 1e6), st.sampled_from([4, 20, 150]))
def test_a_value_lies_above_the_least_of_its_tag(values: list[float], value: float, steps: int) -> None:
    fitted = Percentiles.fit({"salary": values}, steps)
    least = fitted.least("salary", fitted.tag("salary", value))
    assert least is None or (least < value and least in fitted.breaks["salary"])
    assert least is not None or fitted.tag("salary", value) == "p0"


def test_a_tag_that_is_never_given_has_no_least_value() -> None:
    assert [PAY.least("salary", tag) for tag in ("", "p0", "p33", "p65 x")] == [None] * 4
    assert PAY.least("salary", "p65") == 65_000 and PAY.least("height", "p65") is None


def test_the_work_comes_first_and_boilerplate_is_left_out() -> None:
    work = "Requirements: Night shifts on a ward."
    for about, told in (
        (f"We are a world leader in beds. {work}", f"We are a world leader in beds. {work}"),
        (f"{'We are a world leader in beds. ' * 14}Benefits: Dental. {work}", work),
    ):
        text = Verbalizer().job(Job(id="j", title="Nurse", description=about, updated_at=DAY))
        assert text == f"title: Nurse | description: {told}"


def test_a_sentence_says_the_same_as_summary_and_as_headline() -> None:
    for text in ("Nurse with ten years on a surgical ward", "Krankenschwester, Berlin", "看護師 東京"):
        headline, summary = (Member(id="m", updated_at=DAY, **{name: text}) for name in ("headline", "summary"))
        assert Verbalizer().member(headline) == Verbalizer().member(summary)


def test_a_summary_goes_on_behind_the_headline_that_it_gives() -> None:
    summary = "Nurse with ten years on a surgical ward. Looks for nights."
    member = Member(id="m", summary=summary, updated_at=DAY)
    assert Verbalizer().member(member) == (
        "headline: Nurse with ten years on a surgical ward. | summary: Looks for nights."
    )
    assert (
        Verbalizer().member(member.model_copy(update={"headline": "Nurse"})) == f"headline: Nurse | summary: {summary}"
    )
