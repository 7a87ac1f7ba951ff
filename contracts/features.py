"""The names of entities, feature views, features and feature services. No other folder spells them out."""

from __future__ import annotations

MEMBER_KEY = "member_id"
JOB_KEY = "job_id"
EVENT_TIME = "event_timestamp"
"""When a value became true in the world."""
CREATED_TIME = "created_timestamp"
"""When the value came to be known: a training row sees only what was known at its own time."""

MEMBER_TEXT = "member_text"
JOB_TEXT = "job_text"
MEMBER_VECTOR = "member_vector"
MEMBER_ENCODING = "member_encoding"
"""What the retrieval encoder makes of a member who asks for nothing in particular (`ranking.encoding`)."""
JOB_VECTOR = "job_vector"
JOB_STATS = "job_stats"
MEMBER_ACTIVITY = "member_activity"
ACTIVITY_PUSH = "member_activity_push"

VIEWS: dict[str, dict[str, str]] = {
    MEMBER_TEXT: {"text": "string", "text_hash": "string", "text_version": "string", "location": "string"},
    JOB_TEXT: {"text": "string", "text_hash": "string", "text_version": "string"},
    MEMBER_VECTOR: {"vector": "float32[]", "vector_hash": "string"},
    MEMBER_ENCODING: {"encoding": "bytes"},
    JOB_VECTOR: {"vector": "float32[]", "title_vector": "float32[]", "vector_hash": "string"},
    JOB_STATS: {"views_7d": "int64", "views_total": "int64", "applies_total": "int64", "last_view": "timestamp"},
    MEMBER_ACTIVITY: {"activity": "string", "activity_text": "string"},
}
"""View -> feature -> type. A view's table is `Workspace.features / view`, with its key and the two times."""

KEYS: dict[str, str] = {
    MEMBER_TEXT: MEMBER_KEY,
    MEMBER_VECTOR: MEMBER_KEY,
    MEMBER_ENCODING: MEMBER_KEY,
    MEMBER_ACTIVITY: MEMBER_KEY,
    JOB_TEXT: JOB_KEY,
    JOB_VECTOR: JOB_KEY,
    JOB_STATS: JOB_KEY,
}

PRODUCTS: dict[str, str] = {
    MEMBER_TEXT: "text",
    JOB_TEXT: "text",
    MEMBER_VECTOR: "vectors",
    MEMBER_ENCODING: "vectors",
    JOB_VECTOR: "vectors",
    MEMBER_ACTIVITY: "activity",
    JOB_STATS: "activity",
    "examples": "grades",
    "grades": "grades",
}
"""View, or table of labelled lists -> what it is switched with, where it was made anew beside what is in use
(`contracts.tables.in_use`)."""

TRAINING_SERVICE = "training"
"""The feature service with everything that a training row may see."""


def serving_service(bundle_version: str) -> str:
    """The name of the feature service that a bundle reads online: features of one member, none of jobs."""
    return f"student_{bundle_version}"
