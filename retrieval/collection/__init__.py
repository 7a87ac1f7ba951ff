"""A vector collection of its own: upserts, deletes and searches with filters, kept on disk.

In: vectors and attributes. Out: ids and scores. Knows no job, no encoder and no workspace.
"""
