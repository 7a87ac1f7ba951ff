"""Beam pipelines, each a module with `run(argv)`: raw tables in, the records and feature tables of a workspace out.

Each writes only what changed and says how much it left alone. Workers read and write the workspace themselves, so on
a cluster it is a folder that all of them see. Knows nothing of serving or of how a model was trained.
"""

import logging

# Beam says at every import that a library for another cloud's tables is absent.
logging.getLogger().addFilter(lambda record: "apitools not found" not in str(record.msg))
