"""Imports Feast without PyTorch, which it takes along wherever that is installed (feast/torch_wrapper.py of 0.67).

It is for columns of embeddings as tensors, which nobody here asks for; in a process that serves it is 110 MB and
seconds of the start.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

_IMPORTING = threading.Lock()


def import_feast() -> None:
    """Import Feast; who imports PyTorch afterwards gets it."""
    with _IMPORTING:
        if "feast" in sys.modules or "torch" in sys.modules:
            return
        modules: dict[str, Any] = sys.modules
        modules["torch"] = None  # as where it is not installed: importing it fails
        try:
            import feast  # noqa: F401
        finally:
            if modules.get("torch") is None:
                modules.pop("torch", None)
