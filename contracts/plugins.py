"""Registries: one class a name, built in, registered by a module, or declared by another package's entry points.

A teacher, a retrieval source, a judge and a raw-data source are found here and named nowhere else.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from contracts.errors import BadInput, NotReady

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes of one kind by name. A class is imported when it is first asked for, since some imports take seconds."""

    def __init__(self, group: str, built_in: Mapping[str, str]) -> None:
        """Make a registry.

        Args:
            group: The entry-point group in which other packages declare classes, such as "rolecall.judges".
            built_in: Name to "module:Class".
        """
        self.group = group
        self._targets: dict[str, str] = dict(built_in)
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """A class decorator that adds the class under `name`.

        Raises:
            BadInput: The name is taken by another class.
        """

        def add(kind: type[T]) -> type[T]:
            taken = self._classes.get(name)
            if name in self._targets or (taken is not None and taken is not kind):
                raise BadInput(f"{name!r} is registered twice in {self.group}", cure="give one of them another name")
            self._classes[name] = kind
            return kind

        return add

    def names(self) -> tuple[str, ...]:
        """All names in order: built in, declared by other packages, registered by modules."""
        return tuple(dict.fromkeys((*self._targets, *sorted(self._declared()), *self._classes)))

    def get(self, name: str) -> type[T]:
        """The class of a name.

        Raises:
            BadInput: No class has that name.
            NotReady: The class cannot be imported, as where an extra is not installed.
        """
        if name not in self._classes:
            self._classes[name] = self._load(name)
        return self._classes[name]

    def _load(self, name: str) -> type[T]:
        target = self._targets.get(name)
        declared = self._declared()
        try:
            if target is not None:
                module, _, attribute = target.partition(":")
                return getattr(import_module(module), attribute)
            if name in declared:
                return declared[name].load()
        except ImportError as error:
            raise NotReady(f"{self.group} {name!r}: {error}", cure="install what it needs") from error
        known = ", ".join(self.names()) or "none"
        raise BadInput(f"no {name!r} in {self.group}", cure=f"one of {known}")

    def _declared(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}


def load_plugin(place: str) -> Any:
    """Import a module that registers classes: a dotted name, or the path of a Python file.

    Raises:
        NotReady: There is no such module, or it cannot be imported.
    """
    try:
        if not place.endswith(".py"):
            return import_module(place)
        path = Path(place).resolve()
        name = f"rolecall_plugin_{path.stem}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise NotReady(f"no Python file {place}", cure="give a module's name or the path of a .py file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    except ImportError as error:
        raise NotReady(f"plugin {place!r}: {error}", cure="install it, or give the path of a .py file") from error
