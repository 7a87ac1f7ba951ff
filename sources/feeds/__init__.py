"""Feeds: changed jobs from files or a stream in; checked changes in order out.

In: a folder or a Redis stream. Out: upserts and deletes with their place. Knows no index.
"""
