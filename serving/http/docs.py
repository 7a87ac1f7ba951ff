"""The API's page at /docs, made on this side from the OpenAPI document: it needs no script and no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.http.access import needed

docs_router = APIRouter(include_in_schema=False)
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Field(NamedTuple):
    """A field of a body or a parameter of a path."""

    name: str
    kind: str
    needed: bool
    about: str


class Operation(NamedTuple):
    """One method of one path.

    Attributes:
        method: In capitals.
        path: With its parameters in braces.
        summary: A line.
        about: The rest of its description.
        scopes: Of which a key needs one; empty: no key is needed.
        takes: Parameters and fields of the body.
        example: A body as JSON; empty where it takes none.
        gives: Fields of the answer.
        answers: Status and what it means.
    """

    method: str
    path: str
    summary: str
    about: str
    scopes: tuple[str, ...]
    takes: tuple[Field, ...]
    example: str
    gives: tuple[Field, ...]
    answers: tuple[tuple[str, str], ...]


@docs_router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    app: FastAPI = request.app
    return HTMLResponse(_page(app), headers={"Content-Security-Policy": POLICY})


@cache
def _page(app: FastAPI) -> str:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    document = app.openapi()
    return templates.get_template("docs.html").render(
        title=document["info"]["title"],
        summary=document["info"].get("summary", ""),
        operations=list(operations(document)),
    )


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """What an OpenAPI document describes, in its order."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
            schema = _resolved(document, body.get("schema", {}))
            example = body.get("example", next(iter(schema.get("examples", ())), None))
            good = said["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
            parameters = (
                Field(of["name"], _kind(document, of["schema"]), of.get("required", False), of.get("description", ""))
                for of in said.get("parameters", ())
            )
            yield Operation(
                method=method.upper(),
                path=path,
                summary=said.get("summary", ""),
                about=said.get("description", ""),
                scopes=(said["x-scope"],) if "x-scope" in said else needed(method.upper(), path),
                takes=(*parameters, *_fields(document, schema)),
                example="" if example is None else json.dumps(example, indent=2, ensure_ascii=False),
                gives=tuple(_fields(document, _resolved(document, good))),
                answers=tuple((status, of.get("description", "")) for status, of in said["responses"].items()),
            )


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, of in schema.get("properties", {}).items():
        yield Field(name, _kind(document, of), name in schema.get("required", ()), of.get("description", ""))


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema behind its reference; of several that may stand, the first that has fields."""
    if "$ref" in schema:
        for part in schema["$ref"].removeprefix("#/").split("/"):
            document = document[part]
        return document
    choices = [_resolved(document, choice) for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    return next((choice for choice in choices if "properties" in choice), schema)


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A type in a few words: "list of string", "integer, 1 to 500"."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(document, choice) for choice in choices))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    least, most = schema.get("minimum"), schema.get("maximum")
    return f"{kind}, {least} to {most}" if least is not None and most is not None else kind
