"""The policy as people edit it: YAML in; a checked, versioned policy out, with what an edit changes.

In: a policy file. Out: Policy. Knows no judge and no pair.
"""
