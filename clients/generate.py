"""Makes the clients' types anew from the application's OpenAPI: `python -m clients.generate`.

TypeScript's are made by openapi-typescript (npm), Python's by datamodel-code-generator (PyPI). Each file begins with a
hash of the OpenAPI that it was made from, by which a test finds a file that was left behind.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from contracts.versions import write_text

ROOT = Path(__file__).parents[1]
TYPESCRIPT = ROOT / "clients" / "typescript" / "rolecall.ts"
PYTHON = ROOT / "rolecall_client" / "types.py"
OPENAPI_TYPESCRIPT = "openapi-typescript@7.13.0"
_WORDS = ("description", "summary", "example", "examples")


def document() -> dict[str, Any]:
    """The OpenAPI of the application, with a name for each object that a body spells out in place."""
    from serving.http.app import create_app

    api = create_app(Future()).openapi()
    schemas = api["components"]["schemas"]
    for path in api["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"] = _lifted(operation["requestBody"], schemas)
    return api


def _lifted(part: Any, schemas: dict[str, Any]) -> Any:
    """A part of a body in which an object of a title stands among `schemas` and is referred to."""
    if isinstance(part, list):
        return [_lifted(one, schemas) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "object" and "title" in part and "properties" in part:
        schemas.setdefault(part["title"], {name: value for name, value in part.items() if name != "$defs"})
        return {"$ref": f"#/components/schemas/{part['title']}"}
    return {name: _lifted(value, schemas) for name, value in part.items()}


def fingerprint(api: dict[str, Any]) -> str:
    """A hash of what the types depend on: not of the words around it."""
    return hashlib.sha256(json.dumps(_without_words(api), sort_keys=True).encode()).hexdigest()[:16]


def _without_words(part: Any, names: bool = False) -> Any:
    """A part of the document without descriptions; names: its keys are names of fields, which may be such a word."""
    if isinstance(part, list):
        return [_without_words(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _without_words(value, names=key == "properties" and not names)
        for key, value in part.items()
        if names or key not in _WORDS
    }


def made_from(path: Path) -> str:
    """The fingerprint that a file says it was made from."""
    found = re.search(r"OpenAPI ([0-9a-f]{16})", path.read_text())
    return found[1] if found else ""


def main() -> None:
    """Write both files."""
    api = document()
    made = f"Made by `make clients` from the service's OpenAPI {fingerprint(api)}; edit the schemas, not this file."
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "openapi.json"
        source.write_text(json.dumps(api))
        typescript = _run(["npx", "--yes", OPENAPI_TYPESCRIPT, str(source)])
        typescript = typescript[typescript.index("export interface paths") :]
        python = _run([sys.executable, "-m", "datamodel_code_generator", "--input", str(source), *_PYTHON_OPTIONS])
    write_text(TYPESCRIPT, f"// {made}\n\n{typescript}")
    write_text(PYTHON, f'"""{made}"""\n\n{_plain(python)}')
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(PYTHON)], check=True)


_PYTHON_OPTIONS = (
    "--input-file-type",
    "openapi",
    "--output-model-type",
    "typing.TypedDict",
    "--target-python-version",
    "3.11",
    "--disable-timestamp",
    "--use-union-operator",
    "--use-standard-collections",
    "--formatters",
    "builtin",
)


def _plain(source: str) -> str:
    """The module without its header, and open to fields that a newer service adds."""
    source = source[source.index("from __future__") :]
    source = re.sub(r",\s*closed=True,?", "", source)
    return source.replace("from typing_extensions import TypedDict", "from typing import TypedDict")


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
