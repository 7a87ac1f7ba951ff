"""The verbaliser: records in, text out. The same pure functions serve Beam, the stream and the request.

Every field has a token budget, numbers become percentile tags, booleans are spelled out, a missing field leaves no
trace, the newest comes first; of a long description the sentences that tell of the work come first, and boilerplate is
left out (`contracts.text.adverts.sections`). Knows nothing of files, models or clocks.

Source of these rules: the semantic job search of LinkedIn (arXiv 2602.07309).

A token here is a run of letters and digits or a single other visible character: close to a word piece, needs no
tokenizer, and never changes with one.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from contracts.cleaning import clean_text
from contracts.records import Education, Job, Member, Position
from contracts.text.adverts.sections import told_of_work
from contracts.text.form import MEMBER_BUDGET, TextForm
from contracts.text.sentences import sentences
from contracts.text.words import words

TEXT_FORMAT = 6
"""To be raised with any change that alters one byte of a stored text: text and vectors are then made again."""

SNIPPET_BUDGET = 16
READ_WHOLE = 400
"""Characters of a description up to which it is read as it is: an encoder of 128 tokens reads all of it."""
QUERY_BUDGET = 32
ACTIVITY_PER_ACTION: Mapping[str, int] = {
    "hire": 2,
    "offer": 2,
    "interview": 3,
    "shortlist": 3,
    "apply": 5,
    "save": 3,
    "view": 6,
    "dismiss": 3,
    "reject": 3,
}

LEAST_AMOUNTS = 20
"""Amounts of pay in a currency that make break points: one for each step of 5%."""

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]|_")
ACTION_WORDS = {
    "hire": "hired",
    "offer": "offered",
    "interview": "interviewed",
    "shortlist": "shortlisted",
    "apply": "applied",
    "save": "saved",
    "view": "viewed",
    "dismiss": "dismissed",
    "reject": "rejected",
}


class Percentiles(BaseModel):
    """Break points that turn a number into a percentile tag: for each name, ascending values at even steps.

    They are fixed when a workspace is first verbalised and are part of the text version, so that a tag means the
    same in training, in a back-fill and in a request. Pay is compared within a currency: "salary" are the break points
    of the main one, which members' wishes are read by, and "salary:EUR" those of another.
    """

    model_config = ConfigDict(frozen=True)
    breaks: Mapping[str, tuple[float, ...]] = {}
    currency: str = "USD"
    """The main currency, in upper case: that of most of the pay."""

    @classmethod
    def fit(cls, values: Mapping[str, Sequence[float]], steps: int = 20, currency: str = "USD") -> Self:
        """Break points at every `100 / steps` percent of each sequence; a name without values gets no tag."""
        breaks = {}
        for name, numbers in sorted(values.items()):
            ordered = sorted(numbers)
            if ordered:
                breaks[name] = tuple(ordered[len(ordered) * i // steps] for i in range(1, steps))
        return cls(breaks=breaks, currency=currency)

    @classmethod
    def fit_pay(cls, amounts: Mapping[str, Sequence[float]]) -> Self:
        """Break points of each currency's pay; a currency with fewer than LEAST_AMOUNTS has none, and gets no tag.

        Args:
            amounts: currency in upper case -> yearly amounts.
        """
        if not amounts:
            return cls()
        main = max(sorted(amounts), key=lambda currency: len(amounts[currency]))
        names = {currency: "salary" if currency == main else f"salary:{currency}" for currency in amounts}
        enough = {names[c]: numbers for c, numbers in amounts.items() if len(numbers) >= LEAST_AMOUNTS}
        fitted = cls.fit(enough, currency=main)
        # A currency without break points is named too: other text of its jobs is another text version.
        return fitted.model_copy(update={"breaks": dict.fromkeys(sorted(names.values()), ()) | dict(fitted.breaks)})

    def pay_tag(self, currency: str, yearly: float | None) -> str:
        """The tag of a yearly amount in a currency."""
        currency = currency.upper()
        return self.tag("salary" if currency == self.currency else f"salary:{currency}", yearly)

    @property
    def digest(self) -> str:
        """8 hex digits of all break points."""
        plain = self.model_dump_json(exclude={"currency"} if self.currency == "USD" else None)
        return hashlib.sha256(plain.encode()).hexdigest()[:8]

    def tag(self, name: str, value: float | None) -> str:
        """The tag "p65" for a value above 65% of those seen; empty where value or break points are missing."""
        marks = self.breaks.get(name)
        if value is None or not marks:
            return ""
        return f"p{round(100 * bisect_left(marks, value) / (len(marks) + 1))}"

    def least(self, name: str, tag: str) -> float | None:
        """The break point that every value of a tag lies above; None for the lowest tag and for an unknown one."""
        marks = self.breaks.get(name, ())
        steps = (i for i in range(len(marks) + 1) if f"p{round(100 * i / (len(marks) + 1))}" == tag)
        step = next(steps, 0)
        return marks[step - 1] if step else None


class Verbalizer:
    """Turns records into text with a workspace's percentile break points, in its form."""

    def __init__(self, percentiles: Percentiles | None = None, form: TextForm | None = None) -> None:
        self.percentiles, self.form = percentiles or Percentiles(), form or TextForm()
        self.version = "-".join(filter(None, (str(TEXT_FORMAT), self.percentiles.digest, self.form.digest)))
        """The text version: the format, the break points and a form that was chosen. Bundles, indexes and feature rows
        carry it."""

    def member(self, member: Member) -> str:
        """The text of a member: "headline: ... | location: ... | ...", each field within the form's budget.

        Of a member without a headline the summary begins as one, and goes on behind.
        """
        wish = member.preferences
        headline = member.headline or limit_tokens(next(iter(sentences(member.summary)), ""), MEMBER_BUDGET["headline"])
        return _join(
            self.form.member,
            headline=headline,
            seniority=member.seniority or "",
            location=member.location,
            wants=_list(wish.titles, _prefixed("in", _list(wish.locations))),
            workplace=_list(wish.workplace),
            pay=_prefixed("at least", self.percentiles.tag("salary", wish.yearly_pay)),
            skills=_list(member.skills),
            worked=_list(map(_position, member.positions), separator="; "),
            education=_list(map(_education, member.education), separator="; "),
            summary=member.summary if member.headline else member.summary.removeprefix(headline).strip(),
        )

    def job(self, job: Job) -> str:
        """The text of a job, each field within the form's budget; of a long description what tells of the work."""
        low, high = (self.percentiles.pay_tag(job.currency, amount) for amount in job.yearly_pay)
        return _join(
            self.form.job,
            title=job_title(job),
            company=job.company,
            location=job.location,
            workplace=job.workplace or "",
            employment=(job.employment or "").replace("_", " "),
            seniority=job.seniority or "",
            industry=job.industry,
            pay=f"{low} to {high}" if low and high and low != high else low or high,
            skills=_list(job.skills),
            description=self._description(job.description),
        )

    def _description(self, description: str) -> str:
        if self.form.telling:
            return most_telling_first(description, self.form.telling)
        return description if len(description) <= READ_WHOLE else told_of_work(description)


def most_telling_first(description: str, telling: Mapping[str, float]) -> str:
    """The sentences of a description, those with the most telling words first: the mean weight of a sentence's words.

    Args:
        description: Of a job.
        telling: Word -> weight (`TextForm.telling`); other words weigh 0.
    """

    def weight(sentence: str) -> float:
        said = words(sentence)
        return sum(telling.get(word, 0.0) for word in said) / max(1, len(said))

    return " ".join(sorted(sentences(description), key=weight, reverse=True))


def job_title(job: Job) -> str:
    """The title without the employer that adverts append after "@": there it matches for the wrong reason."""
    title, separator, employer = job.title.partition("@")
    repeated = separator and (not job.company or employer.strip().casefold() == job.company.casefold())
    return title.strip() if repeated and title.strip() else job.title


def title_of_text(job_text: str) -> str:
    """The title that a job's text begins with: `job_title`, cut to its budget; vectors of titles are made from it."""
    return job_text.removeprefix("title: ").partition(" | ")[0]


def job_snippet(job: Job) -> str:
    """A job in a few words, for lists of past activity: title, company, location."""
    return limit_tokens(_list((job_title(job), job.company, job.location)), SNIPPET_BUDGET)


def activity_text(entries: Iterable[tuple[str, str]]) -> str:
    """A member's recent activity: "applied: ...; ... | viewed: ...", by action in the order of ACTIVITY_PER_ACTION.

    Args:
        entries: (action, job snippet), newest first; impressions are left out, and so is what exceeds the action's
            number in ACTIVITY_PER_ACTION.
    """
    groups: dict[str, list[str]] = {action: [] for action in ACTIVITY_PER_ACTION}
    for action, snippet in entries:
        group = groups.get(action)
        if group is not None and snippet not in group and len(group) < ACTIVITY_PER_ACTION[action]:
            group.append(snippet)
    return " | ".join(f"{ACTION_WORDS[a]}: {'; '.join(snippets)}" for a, snippets in groups.items() if snippets)


def request_text(member_text: str = "", activity: str = "", query: str = "") -> str:
    """The text of a request: "search: ... | activity | member". Empty parts leave no trace."""
    query = limit_tokens(clean_text(query), QUERY_BUDGET)
    return " | ".join(part for part in (_prefixed("search:", query), activity, member_text) if part)


def limit_tokens(text: str, budget: int) -> str:
    """`text` cut after its first `budget` tokens."""
    if len(text) <= budget:  # a token has at least one character
        return text
    for count, match in enumerate(_TOKEN.finditer(text), start=1):
        if count > budget:
            return text[: match.start()].rstrip()
    return text


def content_hash(text: str, version: str = "") -> str:
    """128-bit hex digest of a text under a text version: equal means that nothing has to be embedded again."""
    return hashlib.blake2b(f"{version}\x00{text}".encode(), digest_size=16).hexdigest()


def _join(budgets: Mapping[str, int], **fields: str) -> str:
    kept = ((name, limit_tokens(fields[name], budget)) for name, budget in budgets.items())
    return " | ".join(f"{name}: {text}" for name, text in kept if text)


def _list(items: Iterable[str], *more: str, separator: str = ", ") -> str:
    return separator.join(item for item in (*items, *more) if item)


def _prefixed(word: str, text: str) -> str:
    return f"{word} {text}" if text else ""


def _position(position: Position) -> str:
    role = _list((position.title, position.company), separator=" at ")
    industry = f"({position.industry})" if position.industry else ""
    years = "current: True" if position.start and position.end is None else _years(position)
    return " ".join(part for part in (role, industry, years, limit_tokens(position.description, 12)) if part)


def _years(position: Position) -> str:
    if position.start is None or position.end is None:
        return ""
    years = round((position.end - position.start).days / 365.25)
    return f"{years} years" if years > 1 else ""


def _education(education: Education) -> str:
    return _list((education.degree, education.field, education.school))
