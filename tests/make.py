"""Builders and checks that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts.errors import RolecallError


@contextmanager
def refused(kind: type[RolecallError], *values: object, where: object = None) -> Iterator[None]:
    """Claims that a typed error is raised which names the given values, where they stand, and a cure.

    It asks for the values of the input that must be named, never for the wording around them.

    Args:
        kind: The exact type of the error.
        *values: Found in `what`, `where` or `cure`: a field, an id, a number, a line.
        where: A part of the error's place, such as a file's name or a row.
    """
    with pytest.raises(kind) as caught:
        yield
    error = caught.value
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    missing = [str(value) for value in values if str(value) not in str(error)]
    assert not missing, f"{error} does not name {missing}"
    assert where is None or str(where) in error.where, f"{error.where!r} is not {where!r}"
    assert error.cure, f"{error} has no cure"
