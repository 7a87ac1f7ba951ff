"""The gate of a bundle that was trained at night: what was held out of the log, asked of it and of that of before."""

from __future__ import annotations

from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs import embed
from contracts.errors import GateRefused
from contracts.workspace import Workspace
from history.requests import Which
from replay.diff.compare import Wanted, compare, gate_sentence
from replay.report.diff_page import diff_folder, write_diff
from replay.runs.contender import find_contender
from replay.runs.run import Asked, run


def require_no_worse(workspace: Workspace, before: str, after: str, worst: float, runner: Sequence[str] = ()) -> str:
    """Replay two bundles over the held-out requests and judge every slice of them.

    Args:
        workspace: With the log, both bundles and an index of one.
        before: Version of the bundle that is served.
        after: Of that which may replace it.
        worst: Share of what `before` reaches that no slice may lose, at most 0.
        runner: Beam's flags.

    Returns:
        The verdict in a sentence, and where its page is.

    Raises:
        GateRefused: A slice loses more, or that cannot be ruled out.
        NotReady: The log holds no held-out request.
        BadInput: No request says anything of the measure.
    """
    embed.run(["--workspace", str(workspace.root), "--what", "items", *_of(workspace, after), *runner])
    asked = Asked(which=Which(splits=("test",)), options=PipelineOptions(list(runner)))
    first, second = (run(workspace, find_contender(workspace, bundle), asked) for bundle in (before, after))
    found = compare(workspace, first, second, Wanted(worst_slice=worst))
    page = write_diff(diff_folder(workspace, first, second), found)
    assert found.gate is not None  # it was asked for
    said = gate_sentence(found.gate)
    if found.gate.says != "pass":
        cure = f"see {page}; replay more requests, train again, or allow a greater loss"
        raise GateRefused(said, where=f"bundle {after}", cure=cure)
    return f"{said} {page}"


def _of(workspace: Workspace, bundle: str) -> list[str]:
    return ["--bundle", str(workspace.bundles / bundle)]
