"""Trials on what is served: members in arms, lists drawn by chance, a candidate bundle that is only asked beside.

In comes a request, out goes how it is served otherwise; the log of trials lies in `logs/trials/`.
"""
