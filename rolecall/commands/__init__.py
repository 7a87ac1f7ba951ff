"""One module a command group: options of the command line in, one call of another folder, lines or JSON out.

A command imports what it needs when it is called, so that `rolecall --help` takes a fraction of a second. It knows
no algorithm and keeps no state.
"""
