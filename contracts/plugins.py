"""Registries: one class a name, built in, registered by a module, or declared by another package's entry points.

A teacher, a retrieval source, a judge and a raw-data source are found here and named nowhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

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
            if name in self._targets or (taken is not None and not _is_same(taken, kind)):
                raise BadInput(f"{name!r} is registered twice in {self.group}", cure="give one of them another name")
            self._classes[name] = kind
            return kind

        return add

    def names(self) -> tuple[str, ...]:
        """All names in order: built in, declared by other packages, registered by modules."""
        return tuple(dict.fromkeys((*self._targets, *sorted(self._declared), *self._classes)))

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
        declared = self._declared
        try:
            if target is not None:
                module, _, attribute = target.partition(":")
                return cast(type[T], getattr(import_module(module), attribute))
            if name in declared:
                return cast(type[T], declared[name].load())
        except ImportError as error:
            raise NotReady(f"{self.group} {name!r}: {error}", cure="install what it needs") from error
        known = ", ".join(self.names()) or "none"
        raise BadInput(f"no {name!r} in {self.group}", cure=f"one of {known}")

    @cached_property
    def _declared(self) -> dict[str, EntryPoint]:
        """Looked for once: it reads the metadata of every installed package."""
        return {point.name: point for point in entry_points(group=self.group)}


def load_plugin(place: str, beside: Path = Path()) -> Any:
    """Import a module that registers classes.

    A file is imported by its stem from its folder, which joins `sys.path` and `PYTHONPATH`: worker processes find it.

    Args:
        place: A dotted name, or the path of a Python file.
        beside: A folder where the file is looked for before the working directory.

    Raises:
        NotReady: There is no such module, or it cannot be imported.
        BadInput: Another module has the file's name.
    """
    try:
        if not place.endswith(".py"):
            return import_module(place)
        path = next((path.resolve() for path in (beside / place, Path(place)) if path.is_file()), None)
        if path is None:
            raise NotReady(f"no Python file {place}", cure="give a module's name or the path of a .py file")
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) == str(path):
                return module
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(path.parent))))
        module = import_module(path.stem)
    except ImportError as error:
        raise NotReady(f"plugin {place!r}: {error}", cure="install it, or give the path of a .py file") from error
    if module.__file__ != str(path):
        what = f"plugin {place!r} has the name of the module {module.__file__}"
        raise BadInput(what, cure="give the file another name")
    return module


def _is_same(kind: type, other: type) -> bool:
    """Whether two classes are one: a file may be imported by its stem and as a part of a package."""
    files = (sys.modules[module].__file__ for module in (kind.__module__, other.__module__) if module in sys.modules)
    return kind is other or (kind.__qualname__ == other.__qualname__ and len(set(files)) == 1)
