"""Imports Feast without PyTorch, and without having its classes compiled again.

Feast takes PyTorch along wherever that is installed (feast/torch_wrapper.py of 0.67): for columns of embeddings as
tensors, which nobody here asks for; in a process that serves it is 110 MB and seconds of the start. Its classes are
decorated with `typeguard.typechecked`, which reads and compiles their source anew at each import, to check the types
of arguments: most of the rest of the start.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

_IMPORTING = threading.Lock()


def import_feast() -> None:
    """Import Feast; who imports PyTorch afterwards gets it."""
    with _IMPORTING:
        if "feast" in sys.modules:
            return
        modules: dict[str, Any] = sys.modules
        modules.setdefault("torch", None)  # as where it is not installed: importing it fails
        import typeguard

        checked, typeguard.typechecked = typeguard.typechecked, _as_it_is
        try:
            import feast  # noqa: F401
        finally:
            typeguard.typechecked = checked
            if modules.get("torch") is None:
                modules.pop("torch", None)


def _as_it_is(target: Any = None, **_: Any) -> Any:
    """In place of `typeguard.typechecked`: the class or function that is decorated."""
    return _as_it_is if target is None else target
