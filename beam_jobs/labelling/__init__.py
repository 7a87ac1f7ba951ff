"""What `beam_jobs.label` does to one list of jobs.

In: a past request, an index and a judge. Out: the list's jobs, its grades and its rows of `examples`. Must not know
Beam, or how lists are shared among workers.
"""
