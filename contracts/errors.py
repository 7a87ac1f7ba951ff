"""Every error that Rolecall raises on purpose. One cause, one type; the message names the value and the cure.

RolecallError
  x BadInput                a value or file handed in does not fit
    + MissingColumn
    + UnreadableFile
    + UnknownSource
    + UnknownAttribute
    + ShapeMismatch
    + NotAFeatureRepo
    + OtherPolicy
  x NotReady                the output of an earlier step is not there
    + TooFewHires
    + TooFewGrades
    + NothingToLearn
  x WorkspaceNotSeen        a worker lacks what the others write to
  x BundleMismatch          parts do not belong together
  x IndexMismatch
  x NotWritten              the disk, another writer or a hole in a feed is in the way
  x OtherWriter
  x MissingChanges
  x TooManyRejects          a measured share or figure is past its limit
  x NotAgreed
  x NotVerified
  x JudgeFailed
  x TrainingFailed
  x ExportRefused
  x GateRefused

"x": raised as it is or as one of the types below it. The command line prints `str(error)` on one line and exits with
`exit_code`; the service answers with `http_status` and `reason`. Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

from typing import Any


class RolecallError(Exception):
    """Base of all typed errors.

    Attributes:
        what: What is wrong, with the offending value.
        where: The file, row or field; may be empty.
        cure: What to do about it; may be empty.
        reason: The type's name in answers of the service.
        http_status: Status of such an answer.
        exit_code: Of the command line.
    """

    reason = "error"
    http_status = 500
    exit_code = 1

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        self.what, self.where, self.cure = what, where, cure
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f" ({self.cure})" if self.cure else ""
        return f"{place}{self.what}{cure}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments do not survive the default, and Beam ships errors between processes.
        return _rebuild, (type(self), self.what, self.where, self.cure)


def _rebuild(kind: type[RolecallError], what: str, where: str, cure: str) -> RolecallError:
    return kind(what, where=where, cure=cure)


class BadInput(RolecallError):
    """A value handed in by a person or a client does not fit; nothing was done with it."""

    reason, http_status, exit_code = "bad_input", 422, 2


class MissingColumn(BadInput):
    """A table lacks a column that is needed."""

    reason = "missing_column"


class UnreadableFile(BadInput):
    """A file is half-written, not of its stated format, or empty where it must not be."""

    reason = "unreadable_file"


class UnknownSource(BadInput):
    """A folder is of no format that a raw-data source recognises."""

    reason = "unknown_source"


class UnknownAttribute(BadInput):
    """A filter names an attribute that the index does not hold."""

    reason, http_status = "unknown_attribute", 400


class ShapeMismatch(BadInput):
    """An array has the wrong rank, width or dtype."""

    reason = "shape_mismatch"


class NotAFeatureRepo(BadInput):
    """The folder holds no `feature_store.yaml`, or one that Feast cannot read."""

    reason = "not_a_feature_repo"


class OtherPolicy(BadInput):
    """Golden pairs were graded by another version of the policy, and nobody said that the grades still hold."""

    reason = "other_policy"


class NotReady(RolecallError):
    """A step needs the output of an earlier step that is not there; the cure names the command."""

    reason, http_status, exit_code = "not_ready", 503, 5


class TooFewHires(NotReady):
    """A log holds too few hires, or nothing but hires, to learn links from."""

    reason = "too_few_hires"


class TooFewGrades(NotReady):
    """A judge graded too few pairs to learn from, or those of one kind of request alone."""

    reason = "too_few_grades"


class NothingToLearn(NotReady):
    """No training pair tells a teacher's tasks apart, as on a board without a log."""

    reason = "nothing_to_learn"


class WorkspaceNotSeen(RolecallError):
    """A worker of a run does not see the workspace under the path that the run names; it did nothing."""

    reason, http_status, exit_code = "workspace_not_seen", 503, 13


class BundleMismatch(RolecallError):
    """A bundle's content hash, text version or feature service does not match what it is used with."""

    reason, http_status, exit_code = "bundle_mismatch", 503, 4


class IndexMismatch(RolecallError):
    """An index was built by another bundle or encoder, or is incomplete."""

    reason, http_status, exit_code = "index_mismatch", 503, 4


class NotWritten(RolecallError):
    """A file could not be written whole, as on a full disk; what stood there before still stands."""

    reason, http_status, exit_code = "not_written", 503, 10


class OtherWriter(RolecallError):
    """Something else already writes to what takes one writer."""

    reason, http_status, exit_code = "other_writer", 503, 11


class MissingChanges(RolecallError):
    """A feed lacks changes between those that it holds, so that no state can be made from it."""

    reason, http_status, exit_code = "missing_changes", 503, 12


class TooManyRejects(RolecallError):
    """More rows went to quarantine than the stated share allows."""

    reason, exit_code = "too_many_rejects", 3


class NotVerified(RolecallError):
    """What was made differs from its manifest, or from what is made again; nothing was switched to it."""

    reason, exit_code = "not_verified", 14


class NotAgreed(RolecallError):
    """Graders, or a judge and the golden set, agree less than a judge must before it may label; or a teacher and its
    judge less than a teacher must before anything is distilled from it."""

    reason, exit_code = "not_agreed", 8


class JudgeFailed(RolecallError):
    """A judge cannot be asked, or leaves more pairs ungraded than the stated share allows."""

    reason, exit_code = "judge_failed", 7


class TrainingFailed(RolecallError):
    """A loss became NaN, or a ranker's scores collapsed to a constant."""

    reason, exit_code = "training_failed", 6


class GateRefused(RolecallError):
    """A bundle may do worse than that which is served, by a replay of the log; that of before stays."""

    reason, exit_code = "gate_refused", 20


class ExportRefused(RolecallError):
    """What would be served ranks otherwise than the model that was trained, or its probabilities do not hold."""

    reason, exit_code = "export_refused", 9
