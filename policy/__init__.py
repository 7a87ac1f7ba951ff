"""The product policy: what a good match is, as a document that people edit and code reads, and judges that grade by it.

In: a member or a query, and a job. Out: a grade 0-4 with its reasons. Knows no model, no table and no simulator.
"""

from policy.document import Policy, load_policy
from policy.judge import Judge, Judgement, RubricJudge

__all__ = ["Judge", "Judgement", "Policy", "RubricJudge", "load_policy"]
