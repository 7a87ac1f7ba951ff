"""The pairs that teachers and student learn from and replay judges by: their tables, column by column.

`beam_jobs.label` writes EXAMPLES; the point-in-time join adds the text as it was and makes TRAINING; each teacher
writes SCORES for the same (list_id, job_id) keys. A null label is unknown and masked, never zero.
"""

from __future__ import annotations

import pyarrow as pa

from contracts.arrow import TIME
from contracts.match import MATCH_TYPE
from contracts.tasks import ENGAGEMENT_TASKS

SPLITS = ("train", "valid", "test")

SERVED = "served"
"""The stratum of rows beside a list that hold what else retrieval returns, for the judge's sake.

Beside training lists they are learned from on purpose alone; beside valid and test lists they tell how far teachers and
student follow the judge there. No draw, target or metric of a list knows them.
"""

PAIR_FEATURES: tuple[str, ...] = (
    "dense",
    "recent",
    "recent_nearby",
    "terms",
    "same_city",
    "same_region",
    "same_company",
    "title_overlap",
    "views_7d",
    "days_since_view",
    "unseen",
)
"""Features of a pair that the blend reads beside the student's logits; `ranking.features` computes them."""

EXAMPLES = pa.schema(
    [
        pa.field("list_id", pa.string(), nullable=False),  # the request; pairs of one list compete with each other
        pa.field("member_id", pa.string(), nullable=False),  # empty: an anonymous search
        pa.field("query", pa.string(), nullable=False),  # empty: a recommendation
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("event_timestamp", TIME, nullable=False),  # the request's time: features are joined as of then
        pa.field("split", pa.string(), nullable=False),
        pa.field("stratum", pa.string(), nullable=False),
        pa.field("position", pa.int32()),
        pa.field("propensity", pa.float32()),
        pa.field("retrieved", pa.int32()),  # place among all candidates, from 1; null in training lists or if not found
        *(pa.field(task, pa.float32()) for task in ENGAGEMENT_TASKS),  # 0 or 1; null where not known
        pa.field("grade", pa.int8()),  # 0-4 by the judge; null where not graded
        pa.field("expected", pa.float32()),  # the judge's mean grade; null where it does not say how sure it is
        *(pa.field(name, pa.float32(), nullable=False) for name in PAIR_FEATURES),
        pa.field("match", MATCH_TYPE, nullable=False),  # the bins of `contracts.match.COMPARISONS`
        pa.field(
            "inclusion", pa.float32()
        ),  # probability with which a `SERVED` pair was drawn for the judge; else null
        pa.field("asker_text", pa.string()),  # of an asker who is nobody of the records; else null
    ]
)

TRAINING = pa.schema(
    [
        # Not what says whom to weigh in estimates, nor what the request's text says already.
        *(field for field in EXAMPLES if field.name not in ("inclusion", "asker_text")),
        pa.field("request_text", pa.string(), nullable=False),  # `request_text` as of event_timestamp
        pa.field("job_text", pa.string(), nullable=False),
        pa.field("text_version", pa.string(), nullable=False),
    ]
)


def scores_schema(tasks: tuple[str, ...]) -> pa.Schema:
    """One row a pair: the teacher's logit for each of its tasks (sigmoid gives the probability)."""
    keys = [pa.field("list_id", pa.string(), nullable=False), pa.field("job_id", pa.string(), nullable=False)]
    return pa.schema([*keys, *(pa.field(task, pa.float32(), nullable=False) for task in tasks)])
