"""Candidate selection on a CPU: the exact engine against its rivals, its own choices, and every engine by its size.

    python -m benchmarks.retrieval_cpu                        # a million jobs and more: about 40 minutes, 16 GB
    python -m benchmarks.retrieval_cpu --parts rivals         # one part again; the rows of the others stay
    python -m benchmarks.retrieval_cpu --size small

Vectors are drawn around centres and normalised; a row passes a filter by chance. `python -m benchmarks.pages`
draws docs/benchmarks/retrieval.md from the published result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks import result_file
from benchmarks.retrieval_plans import choices
from benchmarks.retrieval_rivals import rivals
from benchmarks.retrieval_sizes import Size, sizes
from benchmarks.retrieval_turns import Rows

NAME = "retrieval_cpu"


class Scale(NamedTuple):
    """jobs and dims: of the rivals and choices; sizes: of every engine, with vectors of the first width."""

    jobs: int
    dims: tuple[int, ...]
    sizes: tuple[Size, ...]
    rounds: int


SCALES = {
    "small": Scale(3_000, (16,), (Size(1_500, ("flat", "ivf", "hnsw", "sq8", "pq")), Size(3_000, ("pq",))), 2),
    "full": Scale(
        1_000_000,
        (128, 384),
        (
            Size(10_000, ("flat", "ivf", "hnsw", "sq8", "pq")),
            Size(100_000, ("flat", "ivf", "hnsw", "sq8", "pq")),
            Size(1_000_000, ("flat", "ivf", "sq8", "pq")),  # a graph of a million takes two cores many minutes
            Size(5_000_000, ("sq8", "pq"), lists=4_096, terms=False),  # fewer lists: half of the building time
        ),
        5,
    ),
}
PARTS: dict[str, Callable[[Scale], Rows]] = {
    "rivals": lambda scale: rivals(scale.jobs, scale.dims, scale.rounds),
    "choices": lambda scale: choices(scale.jobs, scale.dims, scale.rounds),
    "sizes": lambda scale: sizes(scale.sizes, scale.dims[0], max(1, scale.rounds // 2)),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--size", choices=sorted(SCALES), default="full")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args(argv)
    made: Rows = []
    for part in options.parts:
        started = time.perf_counter()
        made += PARTS[part](SCALES[options.size])
        print(f"{part}: {time.perf_counter() - started:,.0f} s", flush=True)
        result_file.write(
            NAME, result_file.command_line("benchmarks.retrieval_cpu"), made, simulated=True, publish=options.publish
        )


if __name__ == "__main__":
    main()
