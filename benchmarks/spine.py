"""Everything behind `results/spine.json`, one program after the other: `python -m benchmarks.spine --size small|full`.

small fits in 15 minutes on two cores; full takes the sizes that the documentation's tables name.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import result_file
from contracts.versions import current

SIZES: dict[str, dict[str, list[str]]] = {
    "small": {"beam": ["--rows", "20000"], "serving": ["--jobs", "5000", "--requests", "100", "--obvious", "4"]},
    "full": {"beam": [], "serving": ["--encode", "2000"]},
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--jobviews", type=Path, help="the public job-views folder, where you have it")
    options = parser.parse_args(argv)
    if current(options.workspace / "bundles") is None:
        _run("rolecall", "run", "--workspace", str(options.workspace))
    publish = ["--publish"] if options.publish else []
    _run("benchmarks.summary", "--workspace", str(options.workspace), *publish)
    size = SIZES[options.size]
    _run("benchmarks.beam", *size["beam"], *publish)
    _run("benchmarks.judge", "--workspace", str(options.workspace), *publish)
    _run("benchmarks.student", "--workspace", str(options.workspace), *publish)
    _run("benchmarks.serving", "--workspace", str(options.workspace), *size["serving"], *publish)
    if options.jobviews:
        _run("benchmarks.jobviews", "--data", str(options.jobviews), *publish)


def _run(module: str, *arguments: str) -> None:
    print(f"== {module} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


if __name__ == "__main__":
    main()
