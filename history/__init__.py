"""The log as it was: records and events in; past requests, what came of them and what was known at their time out.

In: records and feature tables of a workspace. Out: rows as of a time, requests with outcomes, splits. Knows no Beam,
no index and no model.
"""
