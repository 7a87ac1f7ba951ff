"""Every error that Rolecall raises on purpose. One cause, one type; the message names the value and the cure.

The command line prints `str(error)` on one line and exits with `exit_code`; the service answers with `http_status`
and `reason`. Anything that is not a `RolecallError` is a bug and keeps its traceback.
"""

from __future__ import annotations


class RolecallError(Exception):
    """Base of all typed errors.

    what: what was found, with the offending value; where: the file, row or field; cure: what to do about it.
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

    def __reduce__(self) -> tuple:
        # Keyword arguments do not survive the default, and Beam ships errors between processes.
        return _rebuild, (type(self), self.what, self.where, self.cure)


def _rebuild(kind: type[RolecallError], what: str, where: str, cure: str) -> RolecallError:
    return kind(what, where=where, cure=cure)


class BadInput(RolecallError):
    """A value handed in by a person or a client does not fit; nothing was done with it."""

    reason, http_status, exit_code = "bad_input", 422, 2


class MissingColumn(BadInput):
    reason = "missing_column"


class UnreadableFile(BadInput):
    """A file is half-written, not of its stated format, or empty where it must not be."""

    reason = "unreadable_file"


class UnknownSource(BadInput):
    """A folder holds no layout that a source adapter recognises."""

    reason = "unknown_source"


class TooManyRejects(RolecallError):
    """More rows went to quarantine than the stated share allows."""

    reason, exit_code = "too_many_rejects", 3


class UnknownAttribute(BadInput):
    """A filter names an attribute that the index does not hold."""

    reason, http_status = "unknown_attribute", 400


class ShapeMismatch(BadInput):
    """An array has the wrong rank, width or dtype."""

    reason = "shape_mismatch"


class NotAFeatureRepo(BadInput):
    """The folder holds no `feature_store.yaml`, or one that Feast cannot read."""

    reason = "not_a_feature_repo"


class BundleMismatch(RolecallError):
    """A bundle's content hash, text version or feature service does not match what it is used with."""

    reason, http_status, exit_code = "bundle_mismatch", 503, 4


class IndexMismatch(RolecallError):
    """An index was built by another bundle or encoder, or is incomplete."""

    reason, http_status, exit_code = "index_mismatch", 503, 4


class NotReady(RolecallError):
    """A step needs the output of an earlier step that is not there; the cure names the command."""

    reason, http_status, exit_code = "not_ready", 503, 5


class TooFewHires(NotReady):
    """A log tells of too few hires, or of nothing but hires, to learn links from."""

    reason = "too_few_hires"


class NotWritten(RolecallError):
    """A file could not be written whole, as on a full disk; what stood there before still stands."""

    reason, http_status, exit_code = "not_written", 503, 10


class OtherWriter(RolecallError):
    """Another process already writes to a folder that takes one writer."""

    reason, http_status, exit_code = "other_writer", 503, 11


class MissingChanges(RolecallError):
    """A change log lacks changes between those that it holds, so that no state can be made from it."""

    reason, http_status, exit_code = "missing_changes", 503, 12


class TrainingFailed(RolecallError):
    """A loss became NaN, or a ranker's scores collapsed to a constant."""

    reason, exit_code = "training_failed", 6


class OtherPolicy(BadInput):
    """Golden pairs were graded by another version of the policy, and nobody said that the grades still hold."""

    reason = "other_policy"


class NotAgreed(RolecallError):
    """Graders, or a judge and the golden set, agree less than a judge must before it may label."""

    reason, exit_code = "not_agreed", 8


class ExportRefused(RolecallError):
    """What would be served ranks otherwise than the model that was trained, or its probabilities do not hold."""

    reason, exit_code = "export_refused", 9


class JudgeFailed(RolecallError):
    """A judge cannot be asked, or leaves more pairs ungraded than the stated share allows."""

    reason, exit_code = "judge_failed", 7
