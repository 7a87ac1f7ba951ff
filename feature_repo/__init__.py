"""The Feast repository. In: feature tables that the Beam jobs wrote. Out: training sets as things were, one member as
they are now. Knows no model and no job; Feast is imported where it is used, since that import takes seconds.
"""
