"""Offline replay: a workspace with its held-out requests in; every system's metrics with intervals, and a report, out.

Each request is answered with what was known just before it. Knows bundles, indexes, records and score files, and
nothing of how a model was trained or a market simulated.
"""
