"""The command line: `params.yaml` and flags in; one call of another folder out, or the whole recipe, stage by stage.

Each command is a thin call. Knows every folder by the function that it calls, and no algorithm.
"""
