"""Filters: conditions on attributes in; one mask over rows out.

In: a filter as JSON and columns of attributes. Out: a boolean mask. Knows no vector and no text query.
"""
