"""The clients' types are those of the service as it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from clients.generate import PYTHON, TYPESCRIPT, document, fingerprint, made_from


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document()


@pytest.mark.parametrize("path", [PYTHON, TYPESCRIPT], ids=["python", "typescript"])
def test_the_file_was_made_from_this_openapi(path: Any, api: dict[str, Any]) -> None:
    assert made_from(path) == fingerprint(api), "the service's schemas have changed: run `make clients`"


def test_typescript_has_every_route_and_every_schema_with_its_fields(api: dict[str, Any]) -> None:
    text = TYPESCRIPT.read_text()
    for path in api["paths"]:
        assert f'"{path}": {{' in text
    for name, schema in api["components"]["schemas"].items():
        declared = re.search(
            rf"^        (?:{re.escape(name)}|\"{re.escape(name)}\"): (.*?)^        [}}A-Z\"]", text, re.M | re.S
        )
        assert declared or f" {name}: " in text, name
        for field in schema.get("properties", {}) if declared else ():
            assert re.search(rf'\b{re.escape(field)}"?\??: ', declared[1]), (name, field)  # type: ignore[index]


def test_python_has_every_schema_with_its_fields(api: dict[str, Any]) -> None:
    import rolecall_client.types as types

    for name, schema in api["components"]["schemas"].items():
        found = getattr(types, name.replace("-", "_"))
        if schema.get("type") == "object" and "properties" in schema:
            assert set(found.__annotations__) == set(schema["properties"]), name


def test_words_do_not_change_the_fingerprint_and_fields_do(api: dict[str, Any]) -> None:
    answer = api["components"]["schemas"]["Answer"]
    before = fingerprint(api)
    answer["description"] = "Other words."
    assert fingerprint(api) == before
    answer["properties"]["description"] = {"type": "string"}
    assert fingerprint(api) != before
    del answer["properties"]["description"]
