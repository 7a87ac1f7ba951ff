"""Candidate selection: job vectors, words, attributes and activity in; candidates out, and which source found each.

Usable alone (docs/retrieval.md): it knows no model but an exported encoder, and neither Feast nor Beam. What is named
here is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.collection.live import Collection
    from retrieval.collection.store import Store, load_collection
    from retrieval.engines.exact import ExactEngine
    from retrieval.filters.filters import any_of, between, either, none_of, parse_filter

__all__ = [
    "Collection",
    "ExactEngine",
    "Store",
    "any_of",
    "between",
    "either",
    "load_collection",
    "none_of",
    "parse_filter",
]
_MODULES = {
    "Collection": "collection.live",
    "ExactEngine": "engines.exact",
    "Store": "collection.store",
    "load_collection": "collection.store",
    **dict.fromkeys(("any_of", "between", "either", "none_of", "parse_filter"), "filters.filters"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
