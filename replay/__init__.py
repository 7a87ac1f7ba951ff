"""Offline replay: a workspace with its held-out requests in; metrics of every system with intervals, and a report, out.

Each request is answered with what was known just before it. Must not know: the service, how a model was trained, nor
how a market was simulated.
"""
