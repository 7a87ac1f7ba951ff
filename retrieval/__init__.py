"""Candidate selection: job vectors, words, attributes and activity in; candidates out, and which source found each.

Usable alone (docs/how-to/search-alone.md): it knows no model but an exported encoder, and neither Feast nor Beam.
A name below is imported when it is first used, so that reading the configuration loads no NumPy.
"""

from importlib import import_module
from typing import Any

import contracts  # noqa: F401  # says what ONNX Runtime may tell, before it is imported

_MODULES = {
    "AttributeTable": "filters.attributes",
    "DeltaEngine": "engines.delta",
    "ExactEngine": "engines.exact",
    "any_of": "filters.filters",
    "attribute_table": "filters.attributes",
    "between": "filters.filters",
    "either": "filters.filters",
    "encode": "engines.vectors",
    "exact_engine": "engines.device",
    "none_of": "filters.filters",
    "parse_filter": "filters.filters",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
