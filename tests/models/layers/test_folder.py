"""A folder that is incomplete, or that says what is not read, is named before anything is built of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from contracts.encoder import Prompts
from contracts.errors import BadInput, UnreadableFile
from models.encoder.export import encoder_version
from models.layers.folder import backbone_folder, complete_folder
from models.layers.sentences import EncoderOverrides, SentenceReading, copy_sentence_files, reading_of, sentence_reading
from tests.make import refused

STEPS = [{"path": "", "type": "sentence_transformers.models.Transformer"}]
POOLING = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny, tmp_path / "m")
    return tmp_path / "m"


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with refused(BadInput, where=tmp_path / "absent"):
        complete_folder(tmp_path / "absent")


def test_pickled_weights_are_not_opened_and_the_cure_writes_others(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with refused(BadInput, "model.safetensors", "pytorch_model.bin", "save_pretrained", where=folder):
        complete_folder(folder)


def test_a_slow_tokenizer_alone_has_its_own_cure(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "vocab.txt")
    with refused(BadInput, "tokenizer.json", "vocab.txt", "AutoTokenizer", where=folder):
        complete_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_file_that_is_cut_short_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with refused(UnreadableFile, where=folder):
        complete_folder(folder)


def test_a_config_that_is_no_object_is_named(folder: Path) -> None:
    write(folder, "config.json", ["bert"])
    with refused(UnreadableFile, where=folder / "config.json"):
        complete_folder(folder)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["[JOB]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with refused(BadInput, 30_523, 30_522, where=folder):
        complete_folder(folder)


def test_a_table_of_fewer_tokens_than_the_config_says_is_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    save_file(tensors | {name: tensors[name][:1_000].clone()}, folder / "model.safetensors", {"format": "pt"})
    with refused(BadInput, 30_522, 1_000, where=folder):
        complete_folder(folder)


def test_an_encoder_without_a_family_is_refused(folder: Path) -> None:
    write(folder, "config.json", {"hidden_size": 32})
    with refused(BadInput, where=folder):
        backbone_folder(folder)


def test_a_folder_says_how_its_texts_are_read(folder: Path) -> None:
    assert sentence_reading(folder) == SentenceReading()
    write(folder, "modules.json", [*STEPS, POOLING, {"path": "2", "type": "sentence_transformers.models.Normalize"}])
    write(folder, "1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    write(folder, "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": True})
    write(folder, "config_sentence_transformers.json", {"prompts": {"query": "q: ", "document": "d: "}})
    wanted = SentenceReading(pooling="cls", prompts=Prompts(request="q: ", job="d: "), max_tokens=64, lowercase=True)
    assert sentence_reading(folder) == wanted
    (folder.parent / "copy").mkdir()
    copy_sentence_files(folder, folder.parent / "copy")
    assert sentence_reading(folder.parent / "copy") == wanted


@pytest.mark.parametrize(
    "config",
    [{"pooling_mode": "max"}, {"pooling_mode": ["max"], "include_prompt": True}, {"pooling_mode_max_tokens": True}],
)
def test_pooling_is_read_in_either_form(folder: Path, config: dict[str, Any]) -> None:
    write(folder, "modules.json", [*STEPS, POOLING])
    write(folder, "1_Pooling/config.json", config)
    assert sentence_reading(folder).pooling == "max"


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode": "attention"},
        {"pooling_mode": ["cls", "mean"]},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode_mean_tokens": False},
        {"pooling_mode": "mean", "include_prompt": False},
    ],
)
def test_a_pooling_that_is_not_read_is_named(folder: Path, config: dict[str, Any]) -> None:
    write(folder, "modules.json", [*STEPS, POOLING])
    write(folder, "1_Pooling/config.json", config)
    with refused(BadInput, where=folder / "1_Pooling" / "config.json"):
        sentence_reading(folder)


def test_a_pooling_file_that_is_missing_is_named(folder: Path) -> None:
    write(folder, "modules.json", [*STEPS, POOLING])
    with refused(BadInput, where=folder / "1_Pooling" / "config.json"):
        sentence_reading(folder)


@pytest.mark.parametrize(
    "steps",
    [
        [*STEPS, POOLING, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}],
        [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}],
        ["Transformer"],
    ],
)
def test_a_step_that_is_not_taken_is_named(folder: Path, steps: list[Any]) -> None:
    write(folder, "modules.json", steps)
    write(folder, "1_Pooling/config.json", {"pooling_mode": "mean"})
    with refused(BadInput, where=folder / "modules.json"):
        sentence_reading(folder)


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({"prompts": {"query": "query: ", "passage": "passage: "}}, Prompts(request="query: ", job="passage: ")),
        ({"prompts": {"all": "Find: "}, "default_prompt_name": "all"}, Prompts(request="Find: ", job="Find: ")),
        ({"prompts": {"clustering": "Sort: "}}, Prompts()),
        ({}, Prompts()),
    ],
)
def test_prompts_are_read_by_their_names(folder: Path, about: dict[str, Any], wanted: Prompts) -> None:
    write(folder, "config_sentence_transformers.json", about)
    assert sentence_reading(folder).prompts == wanted


def test_prompts_that_are_no_texts_are_named(folder: Path) -> None:
    write(folder, "config_sentence_transformers.json", {"prompts": {"query": 1}})
    with refused(UnreadableFile, where=folder / "config_sentence_transformers.json"):
        sentence_reading(folder)


def test_a_knob_speaks_over_the_folder_and_changes_the_version(folder: Path) -> None:
    write(folder, "sentence_bert_config.json", {"max_seq_length": 64})
    write(folder, "config_sentence_transformers.json", {"prompts": {"query": "q: "}})
    assert reading_of(folder).max_tokens == 64, "a folder's limit holds under the knob's"
    own = EncoderOverrides("max", Prompts(), 32)
    assert reading_of(folder, own) == SentenceReading(pooling="max", max_tokens=32)
    assert encoder_version(folder, "int8", None) != encoder_version(folder, "int8", None, own)
