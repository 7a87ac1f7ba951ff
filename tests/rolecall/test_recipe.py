from pathlib import Path

from rolecall.recipe import STAGES, as_dvc


def test_the_dvc_file_is_the_recipe():
    assert Path("dvc.yaml").read_text() == as_dvc()


def test_every_stage_reads_what_an_earlier_one_wrote():
    written: set[str] = set()
    for stage in STAGES:
        missing = {path for path in stage.reads if not any(path == w or path.startswith(w + "/") for w in written)}
        assert not missing, stage.name
        written.update(stage.writes)
