"""Judges: (member or query, job) pairs in; grades 0 to 4 with a rationale out.

In: pairs and a policy. Out: judgements, or why a pair has none. Knows nothing of who else graded it.
"""
