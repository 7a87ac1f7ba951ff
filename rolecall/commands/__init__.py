"""Groups of sub-commands of the command line, one module a group; each command is a thin call into one folder.

In: command-line arguments. Out: printed lines. Holds no logic of its own.
"""
