"""What the site shows beside the pages of `docs/`: the README as its first page, references made from the code, files.

MkDocs calls `on_files` before it lays out the navigation and `on_page_markdown` for each page. A page's links are
those of the repository, so that they work in both places; here they become links of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import generated  # MkDocs puts this folder on the path while it loads a hook, and takes it off afterwards
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""File of the repository's root -> page of the site."""
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[\w-]*)?(\))")
GENERATED = re.compile(r"<!-- generated: (\w+) -->")
EXAMPLE = re.compile(r"<!-- example: ([\w/.]+) -->")
ROOMS = (
    "contracts",
    "sources",
    "feature_repo",
    "retrieval",
    "history",
    "ranking",
    "models",
    "policy",
    "simulator",
    "release",
    "beam_jobs",
    "serving",
    "replay",
    "backfill",
    "rolecall",
)


def on_files(files: Files, config: Any) -> Files:
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for room in ROOMS:
        files.append(File.generated(config, f"reference/api/{room}.md", content=api_page(room)))
    linked = {target for file in files.documentation_pages() for target in _linked_files(file)}
    for target in sorted(linked):
        files.append(File.generated(config, f"source/{target}", abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = _repository_path(page.file)

    def rewritten(match: re.Match[str]) -> str:
        target = _site_path(here, match[2])
        if target is None:
            return match[0]
        relative = posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or ".")
        return f"{match[1]}{relative}{match[3] or ''}{match[4]}"

    text = LINK.sub(rewritten, markdown)
    text = EXAMPLE.sub(lambda match: f"```python\n{(ROOT / match[1]).read_text()}```", text)
    return GENERATED.sub(lambda match: getattr(generated, match[1])(), text)


def api_page(room: str) -> str:
    """A page with every public module of a room, by mkdocstrings."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(
            (ROOT / room).rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path)
        )
        if not path.name.startswith("_") or path.name == "__init__.py"
    ]
    return f"# {room}\n\n" + "\n\n".join(f"::: {module}" for module in modules) + "\n"


def _repository_path(file: File) -> str:
    """Where a page stands in the repository."""
    roots = {page: source for source, page in PAGES.items()}
    return roots.get(file.src_uri, f"docs/{file.src_uri}")


def _site_path(here: str, link: str) -> str | None:
    """The page or file of the site that a link leads to; None for what is not of the repository."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
    path = ROOT / target
    if target in PAGES:
        return PAGES[target]
    if target == "docs" or target.startswith("docs/"):
        inside = target.removeprefix("docs/")
        return f"{inside}/index.md" if path.is_dir() else inside
    return f"source/{target}" if path.is_file() else None


def _linked_files(file: File) -> list[str]:
    """Files outside `docs/` that a page links to, by their path in the repository."""
    here = _repository_path(file)
    targets = [_site_path(here, match[2]) for match in LINK.finditer(file.content_string)]
    return [target.removeprefix("source/") for target in targets if target and target.startswith("source/")]
