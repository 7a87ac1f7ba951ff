"""A lock has one holder, whom it names, and none that is gone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from contracts.errors import NotWritten, OtherWriter
from contracts.lock import locked
from tests.make import refused

HOLDER = """
import sys, time
from pathlib import Path
from contracts.lock import locked
with locked(Path(sys.argv[1]), "the work of another"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_holder_is_named_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "made" / ".lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with refused(OtherWriter, "the work of another", f"process {holder.pid}", where=path), locked(path, "mine"):
        raise AssertionError("both hold it")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(path, "mine"):
        note = json.loads(path.read_text())
        assert note["doing"] == "mine" and note["pid"] == os.getpid()
        with refused(OtherWriter, "mine"), locked(path, "again"):
            raise AssertionError("both hold it")
    with locked(path, "mine"):
        pass


def test_a_process_that_was_forked_meanwhile_holds_nothing_on(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock", "mine"):
        forked = os.fork()
        if not forked:
            signal.pause()
    try:
        with locked(tmp_path / ".lock", "the next"):
            pass
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_a_folder_that_takes_no_lock_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("a file")
    with refused(NotWritten, "the work", where=tmp_path / "w"), locked(tmp_path / "w" / ".lock", "the work"):
        raise AssertionError("it is held")


def test_those_who_share_it_keep_out_who_wants_it_alone_and_one_that_is_through_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    sharing = HOLDER.replace('"the work of another")', '"the work of another", shared=True)')
    holder = subprocess.Popen([sys.executable, "-c", sharing, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with (
        locked(path, "mine", shared=True),
        refused(OtherWriter, "mine"),
        locked(path, "alone", wait=0.2),
    ):
        raise AssertionError("one holds it alone that two share")
    gone = subprocess.Popen(["true"])
    gone.wait()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": gone.pid}))
    with refused(OtherWriter, "another process"), locked(path, "alone"):
        raise AssertionError("the other one still shares it")
    holder.kill()
    holder.wait()
    with locked(path, "alone"), refused(OtherWriter, "alone"), locked(path, "mine", shared=True):
        raise AssertionError("shared while one holds it alone")
