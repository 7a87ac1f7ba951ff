"""What the folders say to each other, once each: records, schemas, text, time, paths, errors, registries.

In: raw values. Out: typed values, names and errors. Opens no network, loads no model and knows no other folder.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""From its import on ONNX Runtime (1.29 and later, on Linux too) else tells its maker which graphs are opened and what
fails, by a thread and a database of its own, which a forked process would share. See its Privacy.md."""
