"""Sources of candidates, each one class in one file: an index and a request in; rows with scores out.

In: a `SourceQuery`. Out: `Hits`, and a sentence that says why. Sources know neither each other nor how they are merged.
"""
