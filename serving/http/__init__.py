"""The service over HTTP: requests in; JSON answers and problems out.

In: sockets and JSON. Out: calls of the engine. Ranks nothing itself.
"""
