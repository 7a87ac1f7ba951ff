"""The product policy: a document that people edit, and the judges that grade (member, job) pairs by it.

In: records and a query. Out: grades 0 to 4 with a rationale, and how far two graders agree. Knows no model, file layout
or event.
"""

from policy.document import Policy, load_policy
from policy.judge import Judge, Judgement, Pair, RubricJudge, Ungraded

__all__ = ["Judge", "Judgement", "Pair", "Policy", "RubricJudge", "Ungraded", "load_policy"]
