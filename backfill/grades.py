"""Labelled lists with a judge's grades, made anew beside those in use: by another judge, policy or draw.

A part is a batch of `rolecall label`, with its name and its rows, so that the job finds all of it done after a switch.
Lists and grades are switched at once, with who graded and what it cost.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from backfill.product import Maker, Piece, Product
from backfill.versions import Plan
from beam_jobs.config import LabelFlags
from beam_jobs.label import BATCH_LISTS, Work, check_strata, keep_vocabulary, lay_out, report_grading
from beam_jobs.labelling.grading import cost_of_pair, judge_setting, measure_judge
from beam_jobs.labelling.making import ListMaker
from contracts.arrow import to_table
from contracts.erased import ErasedMembers
from contracts.features import MEMBER_KEY
from contracts.records import Grade
from contracts.versions import json_hash
from contracts.workspace import Workspace
from policy import Judge, load_policy
from policy.golden.golden import JudgeAgreement
from policy.judges.registry import open_judge

log = logging.getLogger("rolecall")

EXAMPLES_TABLE, GRADES_TABLE = "examples", "grades"


class Grades(Product):
    """The lists that `label` would make now, with their grades."""

    name = "grades"
    key: Mapping[str, str] = {EXAMPLES_TABLE: "list_id"}
    order: Sequence[str] = ("place",)
    range = "batch"
    part_rows = BATCH_LISTS
    alone, exact = False, False
    beside = (GRADES_TABLE,)
    sample = 2

    def __init__(self, config: LabelFlags) -> None:
        """config: The knobs of `label`."""
        self._config = config
        self._laid_out: tuple[Work, Judge, JudgeAgreement | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_laid_out": None}  # a worker opens its own

    def folder(self, workspace: Workspace) -> Path:
        """`grades`: lists and grades are switched by its pointer."""
        return workspace.grades

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """What `rolecall label` wrote."""
        return [workspace.examples, workspace.grades]

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Judge, policy, index of first versions and the batches, whose names are digests of all that decides them.

        Raises what `label` raises before it grades:
            NotReady: Events, jobs, vectors, the encoder or a required golden set are missing.
            NotAgreed: The judge does not agree with the golden set.
        """
        work, judge, _ = self._work(workspace)
        return {
            "judge": judge.name,
            "policy": work.policy.version,
            "index": work.index_folder.name,
            "lists": json_hash([batch.name for batch in work.batches]),
        }

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The requests of all batches, by their place in each, as one piece."""
        batches = self._work(workspace)[0].batches
        names = [
            (batch.name, place, request.past.list_id)
            for batch in batches
            for place, request in enumerate(batch.requests)
        ]
        return [Piece(json_hash(names), EXAMPLES_TABLE, Counter(name for name, *_ in names), names)] if names else []

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """The ids of the lists."""
        batches, places, ids = zip(*piece.what, strict=True)
        yield pa.table({"batch": pa.array(batches), "place": pa.array(places), "list_id": pa.array(ids)})

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """Opens index, encoder and judge.

        Raises:
            NotReady: What decides the lists is another now than when it was planned.
        """
        self.require_pinned(workspace, plan)
        work = self._work(workspace)[0]
        requests = {batch.name: batch.requests for batch in work.batches}
        maker, erased = (
            ListMaker(workspace, work.index_folder, work.policy, self._config, threads),
            ErasedMembers(workspace),
        )

        def make(table: str, rows: pa.Table) -> Sequence[pa.Table]:
            asked = zip(rows["batch"].to_pylist(), rows["place"].to_pylist(), strict=True)
            examples, grades = maker.make([requests[batch][place] for batch, place in asked])
            kept = [member not in erased for member in examples[MEMBER_KEY].to_pylist()]
            told = [grade for grade in grades if grade.member_id not in erased]
            return examples.filter(pa.array(kept, pa.bool_())), to_table(told, Grade)

        return make

    def begin(self, workspace: Workspace, plan: Plan, version: Path) -> None:
        """The table of work that pairs are compared by."""
        keep_vocabulary(version / EXAMPLES_TABLE, self._work(workspace)[0].policy)

    def end(self, workspace: Workspace, version: Path, counters: Counter[str]) -> None:
        """Who graded, and what it cost. Raises JudgeFailed where no pair of a stratum has a grade."""
        work, judge, measured = self._work(workspace)
        examples = version / EXAMPLES_TABLE
        check_strata(examples, judge.name)
        report_grading(examples, version / GRADES_TABLE, self._config.judge, judge, work.policy, measured, counters)

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """Who reads them."""
        found = [
            "`rolecall features training-set`, and by it teachers, scores and the student: they learn from the new "
            "lists from their next run on; what is trained and served stays",
            "the reports of replay and of a bundle, which name who graded",
        ]
        if cost := cost_of_pair(workspace, plan.inputs["judge"]):
            found.insert(0, f"the judge: {cost} when it graded last")
        return found

    def _work(self, workspace: Workspace) -> tuple[Work, Judge, JudgeAgreement | None]:
        if self._laid_out is None:
            config, policy = self._config, load_policy(self._config.policy)
            judge = open_judge(config.judge, judge_setting(policy, workspace))
            measured = measure_judge(judge, policy, workspace, config.least_kappa, config.require_golden)
            self._laid_out = lay_out(workspace, config, policy, judge.name), judge, measured
        return self._laid_out
