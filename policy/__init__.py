"""The product policy: a document that people edit, and the judges that grade (member, job) pairs by it.

In: records, a query, and people's grades of a golden set. Out: grades 0 to 4 with a rationale, how far graders agree,
and whether a judge may label.
"""

from policy.document.document import Policy, load_policy
from policy.judges.rubric import Judge, Judgement, Pair, RubricJudge, Ungraded

__all__ = ["Judge", "Judgement", "Pair", "Policy", "RubricJudge", "Ungraded", "load_policy"]
