"""Surfaces in, one pipeline out: what a list of jobs is asked with, found by, ordered by and cut to, as files.

`surface` reads the files; `serving.answering` is the pipeline. Nothing here knows HTTP.
"""
