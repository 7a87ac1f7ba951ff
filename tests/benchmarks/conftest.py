"""Benchmarks are programs of the repository and not installed: they are imported from its root."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
