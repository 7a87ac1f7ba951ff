"""The further pages of a recent answer: its ranking is kept for a while, so that no model is asked for them.

The order is that of the first page, whatever became of index, bundle and member since; jobs that have closed or left
since are left out. A ranking is kept by the process that answered.
"""

from __future__ import annotations

from dataclasses import replace

from contracts.errors import BadInput
from ranking.eligibility import EligibleJob
from ranking.rank import Ranked
from serving.choosing import choose
from serving.results import Shown
from serving.schemas import NextAnswer, NextRequest
from serving.servable import Servable
from serving.slates import Ranking, Slate


class NotTheirAnswer(BadInput):
    """A member asks for more of an answer that another one got."""

    reason, http_status = "not_their_request", 403


def next_page(servable: Servable, slate: Slate, kept: Ranking, message: NextRequest) -> tuple[NextAnswer, Slate, Slate]:
    """The jobs of an answer behind `after`, without a model.

    Args:
        servable: Of now, whose index says what is open and what a person is shown.
        slate: What was shown of the answer so far.
        kept: What its jobs are chosen from.
        message: Which of them are asked for.

    Returns:
        The page, its own slate, and the slate of all that was shown with it.

    Raises:
        NotTheirAnswer: The member is not the answer's.
        BadInput: `after` lies behind all that was shown.
    """
    if slate.member_id and message.member_id != slate.member_id:
        raise NotTheirAnswer("the answer is another member's", where="request_id", cure="ask for your own")
    so_far = slate.job_ids
    after = len(so_far) if message.after is None else message.after
    if after > len(so_far):
        raise BadInput(f"{after} is behind the {len(so_far)} jobs that were shown", where="after", cure="leave it out")
    ranked = kept.now(servable.index)
    chosen = choose(servable.index, kept.request, kept.surface, ranked, len(so_far) + message.k)
    by_id = {job.record["id"]: job for job in chosen.jobs}
    fresh = [job_id for job_id in by_id if job_id not in set(so_far)]
    order = [*so_far, *fresh][after : after + message.k]
    page = _page(servable, kept, ranked, [by_id[job_id] for job_id in order if job_id in by_id], after)
    own = page.slate(servable, kept.surface, slate.member_id, kept.request, slate.request_id)
    own = replace(own, logged_by=slate.logged_by)
    bundle, index = slate.logged_by.split("/", 1)
    answer = NextAnswer(
        request_id=slate.request_id,
        surface=kept.surface.name,
        results=page.results(),
        bundle_version=bundle,
        index_version=index,
        objective=slate.objective,
        more=len(by_id) == len(so_far) + message.k,
    )
    return answer, own, slate.extended(own)


def _page(servable: Servable, kept: Ranking, ranked: Ranked, jobs: list[EligibleJob], after: int) -> Shown:
    return Shown.of(servable.index, kept.request, ranked, jobs, after + 1)
