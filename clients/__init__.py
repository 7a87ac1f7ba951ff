"""Types of the service's API for programs in other processes, made from its OpenAPI: `make clients`.

In: the application's OpenAPI. Out: `typescript/rolecall.ts` and `rolecall_client/types.py`, which are checked in.
"""
