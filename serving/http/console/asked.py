"""What somebody asks in the form: a search, a profile or a member; as a request, and as the one that a pair is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self
from urllib.parse import urlencode

from contracts.errors import BadInput
from contracts.records import Member
from serving.engine import Engine
from serving.http.problems import validated
from serving.schemas import JobsRequest, RecommendRequest, SearchRequest
from serving.suggesting import Suggestion

SHOWN = 20
MOST_SKILLS = 200
TABS = ("search", "profile", "member")


class Asked(NamedTuple):
    """What stands in the form.

    Attributes:
        tab: Of `TABS`.
        q: Of a search.
        where: "City, Region".
        workplace: A `Workplace`, or empty.
        employment: An `Employment`, or empty.
        headline: Of a profile.
        skills: Of a profile, with commas between them.
        summary: Of a profile; a pasted résumé does.
        member: An id.
        ignore: Ids of conditions in the words that are taken as typed, a line each.
        narrow: Further filters, a line each: an attribute, a colon and its value.
    """

    tab: str = "search"
    q: str = ""
    where: str = ""
    workplace: str = ""
    employment: str = ""
    headline: str = ""
    skills: str = ""
    summary: str = ""
    member: str = ""
    ignore: str = ""
    narrow: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """That of a form; where no tab is known, of what is filled in."""
        asked = cls(**{name: fields[name].strip() for name in cls._fields if name in fields})
        if fields.get("tab") in TABS:
            return asked
        profile = asked.headline + asked.skills + asked.summary
        return asked._replace(tab="profile" if profile else "member" if asked.member else "search")

    @property
    def empty(self) -> bool:
        """Whether nothing is asked yet."""
        told = {"search": self.q, "member": self.member, "profile": self.headline + self.skills + self.summary}
        return not told[self.tab]

    @property
    def method(self) -> str:
        """How its form is sent: a profile in the body of a post, so that no log of addresses holds it."""
        return "post" if self.tab == "profile" else "get"

    @property
    def told(self) -> dict[str, str]:
        """The fields that are filled in."""
        return {name: value for name, value in self._asdict().items() if value}

    @property
    def address(self) -> str:
        """Its fields in an address; a profile's are left out."""
        return urlencode({"tab": self.tab} if self.tab == "profile" else self.told)

    def without(self, chip: str) -> str:
        """Its fields in an address, with one more condition taken as typed."""
        return self._replace(ignore="\n".join([*self.ignore.splitlines(), chip])).address

    def narrowed(self, one: Suggestion) -> str:
        """Its fields in an address, with what a suggestion adds."""
        if one.words:
            return self._replace(q=f"{self.q} {one.words}").address
        return self._replace(narrow="\n".join([*self.narrow.splitlines(), f"{one.attribute}:{one.value}"])).address

    def widened(self, line: str) -> str:
        """Its fields in an address, without one of the further filters."""
        return self._replace(narrow="\n".join(one for one in self.narrow.splitlines() if one != line)).address

    @property
    def as_read(self) -> str:
        """Its fields in an address, with all conditions read."""
        return self._replace(ignore="").address

    def message(self) -> JobsRequest:
        """The request. Raises BadInput where a value does not fit."""
        chosen = {"workplace": self.workplace, "employment": self.employment}
        clauses: list[dict[str, object]] = [
            {"attribute": name, "any_of": [value]} for name, value in chosen.items() if value
        ]
        further = [line.partition(":") for line in self.narrow.splitlines() if line.strip()]
        clauses += [{"attribute": name, "any_of": [value]} for name, _, value in further]
        common = {"k": SHOWN, "location": self.where, "filter": {"all": clauses}}
        if self.empty:
            raise BadInput("nothing is asked", cure="fill in a search, a profile or a member")
        if self.tab == "search":
            return validated(SearchRequest, common | {"query": self.q, "ignore": self.ignore.splitlines()})
        if self.tab == "member":
            return validated(RecommendRequest, common | {"member_id": self.member})
        return validated(RecommendRequest, common | {"profile": self._profile()})

    def asker(self, engine: Engine) -> tuple[Member | None, str]:
        """Who asks, as a record, and for what: what a golden pair says of its request. Raises as `Engine.member`."""
        if self.tab == "search":
            return None, self.q
        if self.tab == "member":
            return engine.member(self.member), ""
        told = {"id": "profile", "updated_at": "2000-01-01T00:00:00Z", **self._profile()}
        return validated(Member, told), ""

    def _profile(self) -> dict[str, object]:
        skills = [skill.strip() for skill in self.skills.replace("\n", ",").split(",") if skill.strip()][:MOST_SKILLS]
        return {"headline": self.headline, "summary": self.summary, "skills": skills, "location": self.where}
