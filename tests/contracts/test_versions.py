import hashlib
import json
from unittest.mock import Mock

import pytest

from contracts import versions
from contracts.errors import NotReady, NotWritten
from contracts.versions import (
    content_hash,
    current,
    file_hash,
    json_hash,
    require_current,
    set_current,
    staged_file,
    staged_folder,
    unset_current,
)
from tests.make import refused


def test_a_content_hash_is_that_of_the_parts_one_after_another(tmp_path):
    assert content_hash("ab") == content_hash(["a", b"b"]) == hashlib.sha256(b"ab").hexdigest()[:12]
    path = tmp_path / "weights"
    path.write_bytes(b"1")
    assert content_hash([path], 64) == hashlib.sha256(hashlib.sha256(b"1").digest()).hexdigest()
    assert file_hash(path) == hashlib.sha256(b"1").hexdigest()


def test_the_order_of_keys_does_not_change_a_json_hash():
    assert json_hash({"a": 1, "b": 2}) == json_hash({"b": 2, "a": 1}) == content_hash(json.dumps({"a": 1, "b": 2}))


def test_a_staged_file_replaces_the_former_one_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file.json"
    with staged_file(path) as staged:
        staged.write_text("first")
    with pytest.raises(OSError, match="full"), staged_file(path) as staged:
        staged.write_text("half")
        raise OSError("full")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_staged_folder_replaces_the_former_one_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "versions" / "v1"
    with staged_folder(folder) as staged:
        (staged / "old").write_text("1")
    with pytest.raises(OSError, match="full"), staged_folder(folder) as staged:
        (staged / "new").write_text("2")
        raise OSError("full")
    assert [path.name for path in folder.iterdir()] == ["old"]
    with staged_folder(folder) as staged:
        (staged / "new").write_text("2")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(folder.parent.iterdir()) == [folder]


def test_the_current_version_is_the_one_that_was_set(tmp_path):
    assert current(tmp_path) is None
    with refused(NotReady, "no student", str(tmp_path), "run `rolecall train student`"):
        require_current(tmp_path, "student", "run `rolecall train student`")
    set_current(tmp_path, "one")
    assert current(tmp_path) == tmp_path / "one" == require_current(tmp_path, "student", "")
    unset_current(tmp_path)
    assert current(tmp_path) is None


def test_a_version_that_cannot_be_made_current_leaves_the_one_before(tmp_path, monkeypatch):
    set_current(tmp_path, "one")
    monkeypatch.setattr(versions, "sync", Mock(side_effect=OSError("no space left")))
    with refused(NotWritten, "two", "no space left", where=tmp_path):
        set_current(tmp_path, "two")
    assert (tmp_path / "CURRENT").read_text() == "one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["CURRENT"]
