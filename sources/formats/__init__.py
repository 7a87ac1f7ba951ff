"""How rows lie in a file. A format is one class in one file: it gives rows as they stand, under the file's own names.

What the names mean is said by `sources.mapping`; what a whole document of a known schema means, by `sources.schemas`.
"""
