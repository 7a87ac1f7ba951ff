"""Who asked for the pairs that a judge graded: whether they are enough, and of more than one kind, to learn from."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pyarrow.compute as pc

from contracts.errors import TooFewGrades
from contracts.examples import SERVED
from contracts.tables import read_table
from contracts.values import FrozenModel

log = logging.getLogger("rolecall")


class Asked(FrozenModel):
    """Requests of one set of training lists.

    Attributes:
        pairs: Of their lists.
        lists: How many requests.
        searches: Those with a query.
        members: Distinct ones who asked, without the anonymous.
    """

    pairs: int
    lists: int
    searches: int
    members: int

    @property
    def only(self) -> str:
        """What all of the requests have in common; empty for nothing."""
        if self.lists < 2:
            return "one request" if self.lists else ""
        if self.searches in (0, self.lists):
            return "searches" if self.searches else "recommendations"
        return ""


def asked_for_grades(training: Path) -> tuple[Asked, Asked]:
    """The training lists of which pairs are graded, counted by these pairs alone, and all training lists."""
    columns = ["list_id", "member_id", "query", "grade"]
    is_listed = (pc.field("split") == "train") & (pc.field("stratum") != SERVED)
    table = pl.DataFrame(read_table(training, columns, is_listed))
    return _asked(table.filter(pl.col("grade").is_not_null())), _asked(table)


def _asked(table: pl.DataFrame) -> Asked:
    lists = table.unique("list_id")
    members = lists.filter(pl.col("member_id") != "")["member_id"].n_unique()
    return Asked(pairs=len(table), lists=len(lists), searches=int((lists["query"] != "").sum()), members=members)


def require_grades(training: Path, least: int) -> None:
    """Hold the graded pairs of a training set against what a teacher needs, and say what they lack.

    A log of one kind of request alone is learned from, and said; grades of one kind from a log of both are refused, for
    they would be taken for grades of the other.

    Args:
        training: The folder of the training set.
        least: Graded training pairs that it takes.

    Raises:
        TooFewGrades: There are fewer, or all are of one kind of request or of one member and the others are not.
    """
    graded, every = asked_for_grades(training)
    more = f"label with graded_lists of {every.lists} (`label: {{graded_lists: ...}}`), then `rolecall label`"
    if graded.pairs < least:
        all_are = graded.lists == every.lists
        cure = "load more jobs or a longer log" if all_are else f"{more}, or with more train_lists"
        cure += "; or lower least_graded"
        what = f"{graded.pairs:,} graded pairs for the task relevance, least_graded is {least:,}"
        raise TooFewGrades(what, where=str(training), cure=cure)
    if graded.only and graded.only != every.only:
        what = f"all {graded.pairs:,} graded pairs are of {graded.only}, not so the {every.lists:,} requests"
        raise TooFewGrades(what, where=str(training), cure=more)
    if graded.members == 1 < every.members and graded.lists > graded.searches:
        what = f"all {graded.pairs:,} graded pairs are of one member, the requests of {every.members:,}"
        raise TooFewGrades(what, where=str(training), cure=more)
    if graded.only:
        log.warning("graded pairs: %s, all of %s, as the log is", f"{graded.pairs:,}", graded.only)
