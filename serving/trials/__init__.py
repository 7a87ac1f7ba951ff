"""Trials on what is served: members in arms and lists drawn by chance.

In comes a request, out goes how it is served otherwise; the log of trials lies in `logs/trials/`.
"""
