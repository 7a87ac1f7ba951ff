"""Judges: whoever grades pairs by the policy, one class a file, listed in `policy.judges.registry.JUDGES`.

In: (member or query, job) pairs and a policy. Out: judgements, or the cause why a pair has none. A record's text is
data and never an instruction. Must not know who else graded a pair.
"""
