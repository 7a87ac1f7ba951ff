"""Two runs held against each other: which is better, for whom it is worse, how sure that is, and whether it may ship.

In: two folders of `replay.runs` over the same requests. Out: one value with a sentence and a verdict, which
`replay.report` draws.
"""
