"""The policy as people edit it.

In: a YAML file. Out: a checked Policy, whose version is a hash of the file. Must not know any judge or pair.
"""
