"""Candidate selection: job vectors, words, attributes and activity in; candidates out, and which source found each.

Usable alone (docs/retrieval.md): it knows no model but an exported encoder, and neither Feast nor Beam. What is named
here is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.exact import ExactEngine
    from retrieval.filters import any_of, between, either, none_of, parse_filter
    from retrieval.live import Collection
    from retrieval.store import Store, load_collection

__all__ = [
    "Collection", "ExactEngine", "Store", "any_of", "between", "either", "load_collection", "none_of", "parse_filter",
]  # fmt: skip
_MODULES = {
    "Collection": "live",
    "ExactEngine": "exact",
    "Store": "store",
    "load_collection": "store",
    **dict.fromkeys(("any_of", "between", "either", "none_of", "parse_filter"), "filters"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
