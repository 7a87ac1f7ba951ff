"""Where the console's grades lie, and who may read and write them: the golden set as it stands at this moment."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from contracts.errors import BadInput
from policy.document.load import load_policy
from policy.golden.grading import PICKED, Graded, begin, read_graded
from policy.golden.pairs import PAIRS, read_pairs
from policy.golden.sheets import sheet_path
from policy.judges.base import Judgement
from policy.judges.rubric import RubricJudge
from serving.engine import Engine

Part = Literal["drawn", "picked"]
PARTS: tuple[Part, ...] = get_args(Part)
JUDGE = "rubric judge"


class GoldenSet(NamedTuple):
    """One part of the golden set.

    Attributes:
        part: Pairs that were drawn, or that somebody picked.
        graded: As far as it is graded.
        judged: Pair id -> the rubric judge's grade by the policy in force.
    """

    part: Part
    graded: Graded
    judged: dict[str, int]


def golden_set(engine: Engine, part: str) -> GoldenSet:
    """A part of the golden set; of an unknown name the drawn one, or the picked one where none was drawn."""
    root = reading_folder(engine)
    has = {"drawn": (root / PAIRS).is_file(), "picked": (root / PICKED / PAIRS).is_file()}
    chosen: Part = "picked" if part == "picked" or (part != "drawn" and has["picked"] and not has["drawn"]) else "drawn"
    folder = of_part(root, chosen)
    judged = _judged(folder, (folder / PAIRS).stat().st_mtime_ns, engine.config.console.policy) if has[chosen] else {}
    return GoldenSet(chosen, read_graded(folder), judged)


def reading_folder(engine: Engine) -> Path:
    """The folder that is graded, or the workspace's golden set until somebody began to grade."""
    folder = engine.config.console.golden or engine.workspace.graded
    return folder if folder.is_dir() else engine.workspace.golden


def writing_folder(engine: Engine) -> Path:
    """The folder that is graded, made where it is not there. Raises BadInput where nothing may be written."""
    if not engine.config.console.writes:
        raise BadInput("no grades are written from this console", cure="set serve.console.writes to true")
    folder = engine.config.console.golden or engine.workspace.graded
    begin(folder, engine.workspace.golden)
    return folder


def of_part(root: Path, part: Part) -> Path:
    return root / PICKED if part == "picked" else root


def checked_grader(name: str) -> str:
    """A grader's name. Raises BadInput where it is none, or the judge's."""
    sheet_path(Path(), name)
    return name


@lru_cache(maxsize=8)
def _judged(folder: Path, changed: int, policy: Path | None) -> dict[str, int]:
    """Pair id -> the rubric judge's grade. changed: when the pairs were, so that new ones are graded too."""
    pairs = read_pairs(folder)
    outcomes = RubricJudge(load_policy(policy)).grade_many([pair.pair for pair in pairs])
    graded = zip(pairs, outcomes, strict=True)
    return {pair.pair_id: outcome.grade for pair, outcome in graded if isinstance(outcome, Judgement)}
