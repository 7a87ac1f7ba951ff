"""The job index: a workspace's tables in; a folder that answers requests out, changed while it serves.

In: records, vectors, words and activity. Out: JobIndex. Knows no ranking and no HTTP.
"""
