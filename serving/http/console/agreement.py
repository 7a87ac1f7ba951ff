"""The room that says how far graders agree: kappa with its interval beside the base rates that it depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from fastapi import APIRouter, Request, Response

from policy.golden.agreement import SCALE, Agreement, agreement
from policy.golden.golden import LEAST_AGREEMENT
from policy.golden.grading import open_decisions
from policy.golden.sheets import NO_SCORE
from policy.types import DIMENSIONS
from serving.engine import Engine
from serving.http.console.charts import cells
from serving.http.console.forms import fields_of
from serving.http.console.golden import JUDGE, PARTS, golden_set, of_part, reading_folder
from serving.http.console.page import render, shown
from serving.http.state import Service

router = APIRouter(include_in_schema=False)


class Row(NamedTuple):
    """How far two graders agree on some pairs: of a stratum, a kind or a dimension."""

    of: str
    name: str
    agreement: Agreement


class Both(NamedTuple):
    """Two graders held against each other.

    Attributes:
        overall: On all pairs that both graded.
        rates: (2, 5), share of each grade by the first and by the second: the base rates.
        chance: Share of equal grades if each drew from their own base rates.
        good: Share of the pairs that each calls good (3 or 4).
        rows: By stratum, kind and dimension.
    """

    overall: Agreement
    rates: np.ndarray
    chance: float
    good: tuple[float, float]
    rows: list[Row]


@router.get("/console/agreement")
async def agreed(service: Service, request: Request) -> Response:
    fields = await fields_of(request)
    return await shown(service, lambda engine: _page(engine, fields))


def compared(
    first: np.ndarray,
    second: np.ndarray,
    groups: Mapping[str, Sequence[str]],
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Both | None:
    """Two graders held against each other.

    Args:
        first: (n,) grades, NO_SCORE where there is none.
        second: Likewise.
        groups: "stratum", "kind" -> the value of each of the n pairs.
        scores: Dimension -> both graders' (n,) scores.

    Returns:
        None where no pair is graded by both.
    """
    both = (first != NO_SCORE) & (second != NO_SCORE)
    if not both.any():
        return None
    overall = agreement(first[both], second[both])
    rates = np.stack([np.bincount(grades[both], minlength=SCALE) / both.sum() for grades in (first, second)])
    rows = []
    for of, values in groups.items():
        names = np.array(values)
        for name in sorted(set(names[both].tolist())):
            at = both & (names == name)
            rows.append(Row(of, name, agreement(first[at], second[at])))
    for name, (one, other) in scores.items():
        at = (one != NO_SCORE) & (other != NO_SCORE)
        if at.any():
            rows.append(Row("dimension", name, agreement(one[at], other[at])))
    good = (float(rates[0][3:].sum()), float(rates[1][3:].sum()))
    return Both(overall, rates, float(rates[0] @ rates[1]), good, rows)


def _page(engine: Engine, fields: Mapping[str, str]) -> str:
    found = golden_set(engine, fields.get("set", ""))
    graded = found.graded
    columns = {sheet.grader: (sheet.grades, sheet.scores) for sheet in graded.sheets()}
    if found.judged:
        judged = np.array([found.judged.get(pair.pair_id, NO_SCORE) for pair in graded.pairs], np.int8)
        columns[JUDGE] = judged, np.full((len(graded.pairs), len(DIMENSIONS)), NO_SCORE, np.int8)
    first, second = _two(fields, columns)
    both = None
    if first and second:
        (grades, scores), (other, others) = columns[first], columns[second]
        groups: dict[str, list[str]] = {
            "stratum": [pair.stratum for pair in graded.pairs],
            "kind": [str(pair.kind) for pair in graded.pairs],
        }
        of_dimension: dict[str, tuple[np.ndarray, np.ndarray]] = {
            name: (scores[:, i], others[:, i]) for i, name in enumerate(DIMENSIONS)
        }
        both = compared(grades, other, groups, of_dimension)
    return render(
        "agreement.html",
        engine,
        "agreement",
        found=found,
        parts_=PARTS,
        graders=list(columns),
        counts={name: int((grades != NO_SCORE).sum()) for name, (grades, _) in columns.items()},
        first=first,
        second=second,
        both=both,
        cells=cells(both.overall.confusion) if both else [],
        least=LEAST_AGREEMENT,
        open_=len(open_decisions(of_part(reading_folder(engine), found.part), graded.pairs)),
    )


def _two(fields: Mapping[str, str], columns: Mapping[str, tuple]) -> tuple[str, str]:
    """The graders that are asked for, else the two (people before the judge) with the most pairs in common."""
    asked = fields.get("first", ""), fields.get("second", "")
    if all(name in columns for name in asked) and asked[0] != asked[1]:
        return asked

    def common(two: tuple[str, str]) -> tuple[bool, int]:
        grades, others = (columns[name][0] != NO_SCORE for name in two)
        return JUDGE not in two, int((grades & others).sum())

    return max(combinations(columns, 2), key=common, default=("", ""))
