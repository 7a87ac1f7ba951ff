"""Which fields of an answer and of its jobs a surface returns."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, field_validator

from contracts.documents import wrong
from contracts.values import FrozenModel
from serving.schemas import Answer, Result

OF_EVERY_ANSWER = ("request_id", "results", "degraded", "more")
"""By the first events name it, by the second they name its jobs; what was done without is never kept back; the last is
of a further page."""
OF_EVERY_JOB = ("job_id",)
FACETS = "facets"


class Shape(FrozenModel):
    """The fields of an answer, beside those that are always there."""

    job: tuple[str, ...] | None = Field(None, description="Of each job, beside `job_id`; null: all.")
    answer: tuple[str, ...] | None = Field(
        None, description="Of the answer, beside `request_id`, `results` and `degraded`; null: all."
    )

    @field_validator("job")
    @classmethod
    def _of_a_job(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return _known(names, Result, "a job")

    @field_validator("answer")
    @classmethod
    def _of_an_answer(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return _known(names, Answer, "an answer")

    @property
    def has_facets(self) -> bool:
        return self.answer is None or FACETS in self.answer

    def json_of(self, answer: BaseModel) -> bytes:
        """An answer or a further page as JSON, with these fields alone."""
        return answer.model_dump_json(include=self._included(type(answer))).encode()

    def _included(self, kind: type[BaseModel]) -> Any:
        if self.job is None and self.answer is None:
            return None
        names = kind.model_fields if self.answer is None else {*OF_EVERY_ANSWER, *self.answer} & {*kind.model_fields}
        included: dict[str, Any] = dict.fromkeys(names, True)
        if self.job is not None:
            included["results"] = {"__all__": {*OF_EVERY_JOB, *self.job}}
        return included


ALL_FIELDS = Shape()


def _known(names: tuple[str, ...] | None, kind: type[BaseModel], of: str) -> tuple[str, ...] | None:
    for name in names or ():
        if name not in kind.model_fields:
            raise wrong(f"{name[:80]!r} is no field of {of}", f"one of {', '.join(kind.model_fields)}")
    return names
