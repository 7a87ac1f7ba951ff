"""The product policy: a document that people edit, and the judges that grade (member, job) pairs by it.

In: records, a query, and people's grades of a golden set. Out: grades 0 to 4 with a rationale, how far graders agree,
and whether a judge may label. Must not know retrieval, models, or what the grades are used for.
"""

from policy.document.load import load_policy
from policy.judges.base import Judge, Judgement, Pair, Ungraded
from policy.judges.rubric import RubricJudge
from policy.types import Policy

__all__ = ["Judge", "Judgement", "Pair", "Policy", "RubricJudge", "Ungraded", "load_policy"]
