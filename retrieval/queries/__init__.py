"""What a query says: the conditions among its words, what is left to search for, and spelling.

In comes a query as typed and an index, out goes a `Reading`. It knows nothing of members, models or the service.
"""
