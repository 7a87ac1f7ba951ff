"""The rubric: a policy's criteria applied to two records.

In: a member or query, a job and a policy. Out: a score 0 to 4 for each dimension. Must not know the document's file,
any model or any judge.
"""
