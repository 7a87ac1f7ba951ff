from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs import workers
from beam_jobs.workers import Share, marked
from contracts.errors import NotWritten, WorkspaceNotSeen
from contracts.workspace import Workspace
from tests.make import refused


@pytest.mark.parametrize(
    ("flags", "threads"),
    [
        ([], None),
        (["--direct_running_mode=multi_processing", "--direct_num_workers=3"], 2),
        (["--direct_running_mode=multi_processing", "--direct_num_workers=0"], 1),
        (["--runner=PortableRunner"], None),
        (["--runner=FlinkRunner", "--sdk_worker_parallelism=3"], 2),
        (["--runner=FlinkRunner", "--sdk_worker_parallelism=0"], 1),
        (["--runner=FlinkRunner", "--sdk_worker_parallelism=99"], 1),
    ],
)
def test_all_workers_of_a_machine_of_6_cores_take_them_together(monkeypatch, flags, threads):
    monkeypatch.setattr(workers, "cores", lambda: 6)
    assert Share.of(PipelineOptions(flags)).threads() == threads


def test_a_mark_is_there_while_a_run_lasts_and_no_longer(tmp_path):
    workspace = Workspace(tmp_path / "w")
    with marked(workspace) as mark:
        assert mark.checked("element") == "element"
        with marked(workspace) as other:
            assert other != mark
    with refused(WorkspaceNotSeen, "the same folder", where=workspace.root):
        mark.checked("element")
    assert not list(workspace.root.iterdir())


def test_a_workspace_that_takes_no_file_is_a_typed_error(tmp_path):
    (tmp_path / "w").write_text("a file")
    with refused(NotWritten, "no run can begin", where=tmp_path / "w"), marked(Workspace(tmp_path / "w")):
        raise AssertionError("it began")
