"""Off-policy estimates: what another order of jobs would have brought, from a log of what was shown at random.

In: lists that were shown, with the probabilities that the logging and the other policy have of showing them. Out: a
value with its interval, and whether it can be trusted. `logged` is the log, `estimators` has a method each, `estimate`
adds up any of them as the log streams by, `verdict` says when not to believe it.
"""
