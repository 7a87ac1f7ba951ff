"""The pages agree with the code and with each other; `make docs` checks links once more, with anchors."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from contracts import errors as errors_module
from docs import generated
from rolecall.params import load_params

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[\w-]*)?\)")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_the_folders_of_the_architecture_stand_in_the_order_that_lint_enforces() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text()
    [layers] = [
        contract["layers"]
        for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    order = [folder for layer in layers[::-1] for folder in layer.split(" | ")]
    assert re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE) == order


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_has_its_number_and_a_status_and_stands_in_the_index(path: Path) -> None:
    head = re.match(r"# (\d{4}) (.+)\n\nStatus: (accepted|superseded by \[\d{4}\])", path.read_text())
    assert head and head[1] == path.name[:4]
    assert f"[{head[2]}]({path.name})" in (DOCS / "decisions" / "index.md").read_text()


def test_no_two_decisions_have_one_number() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert len(set(numbers)) == len(numbers)


def test_the_glossary_has_at_most_forty_terms_in_order() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", (DOCS / "explanation" / "glossary.md").read_text(), re.MULTILINE)
    plain = [term.replace("*", "").lower() for term in terms]
    assert len(terms) <= 40 and plain == sorted(plain)


def test_every_page_has_a_place_in_the_navigation() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    pages = {str(page.relative_to(DOCS)) for page in PAGES}
    assert {page for page in pages - named if not page.startswith("decisions/0")} == set()


def test_the_reference_names_every_knob() -> None:
    named = set(re.findall(r"^\| `([^`]+)` \|", generated.params(), re.MULTILINE))

    def dotted(values: dict, head: str = "") -> set[str]:
        inner = [dotted(value, f"{head}{name}.") for name, value in values.items() if isinstance(value, dict) and value]
        return {f"{head}{name}" for name, value in values.items() if not isinstance(value, dict)}.union(*inner)

    knobs = dotted(load_params(ROOT / "params.yaml").model_dump(mode="json"))
    plain = {re.sub(r" \(\w+\)", "", name) for name in named}
    assert {knob for knob in knobs if not any(knob == name or knob.startswith(f"{name}.") for name in plain)} == set()


def test_the_reference_names_every_error() -> None:
    classes = inspect.getmembers(errors_module, inspect.isclass)
    kinds = [name for name, kind in classes if issubclass(kind, Exception)]
    page = generated.errors()
    assert [name for name in kinds if f"`{name}`" not in page] == []


def test_the_filters_and_knobs_of_a_page_are_yaml() -> None:
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            yaml.safe_load(block)
