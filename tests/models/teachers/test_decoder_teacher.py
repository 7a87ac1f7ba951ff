"""The decoder teacher: many tasks in one prompt, a history as of the request, and the score store of any teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from contracts.activity import Activity, Entry
from contracts.arrow import TIME
from contracts.errors import BadInput
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_KEY, MEMBER_TEXT
from contracts.tables import write_part
from contracts.text.token_ids import open_tokenizer
from contracts.workspace import Workspace
from models.config import DecoderConfig
from models.registry import DEFAULT_TEACHERS, TEACHERS
from models.teachers.decoder import DecoderTeacher
from models.teachers.fit_text import open_teacher
from models.teachers.packed_decoder import PackedDecoder, PackedPairs
from models.teachers.prompts import answer_ids
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.teachers.verbal import verbal_frame
from models.training.rows import Rows, read_rows
from replay.taught import _of_both_texts
from rolecall.backbones import check_backbones
from rolecall.params import load_params
from rolecall.recipe import stages
from tests.make import refused, tiny_decoder, write_tokenizer

ASKED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SMALL: dict[str, Any] = {
    "max_request_tokens": 16, "max_job_tokens": 16, "max_history_tokens": 40, "batch_pairs": 12, "epochs": 1,
    "least_kappa": 0, "match": False, "learning_rate": 1e-2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


def feature(view: str, column: str, values: dict[str, str], at: datetime = ASKED_AT - timedelta(days=1)) -> pa.Table:
    """Rows of a feature view, a value a member, known from `at` on."""
    times = pa.array([at] * len(values), TIME)
    columns = {MEMBER_KEY: list(values), EVENT_TIME: times, CREATED_TIME: times, column: list(values.values())}
    return pa.table(columns | ({"text_version": ["1-test"] * len(values)} if view == MEMBER_TEXT else {}))


def activity(*entries: tuple[float, str, str]) -> str:
    """A member's activity as JSON: (days before the request, action, job)."""
    made = [Entry(ASKED_AT - timedelta(days=days), action, job, f"Pilot {job}") for days, action, job in entries]
    return Activity(tuple(made)).to_json()


def write_features(workspace: Workspace, lists: int) -> None:
    """A text and three past actions of each member; the second action is on a job that is asked about later."""
    members = range(lists)
    texts = {f"m{i}": f"headline: baker | location: Tampa {i}" for i in members}
    acts = {f"m{i}": activity((2, "view", "old1"), (3, "apply", f"j{i}-1"), (5, "apply", "old2")) for i in members}
    write_part(workspace.features / MEMBER_TEXT, feature(MEMBER_TEXT, "text", texts), "made")
    write_part(workspace.features / MEMBER_ACTIVITY, feature(MEMBER_ACTIVITY, "activity", acts), "made")


def pairs_of(workspace: Workspace, folder: Path, **knobs: Any) -> tuple[Rows, PackedPairs]:
    """The pairs of a workspace with an untrained model that answers view and apply."""
    teacher, rows = (
        DecoderTeacher(workspace, DecoderConfig(backbone=folder, **SMALL | knobs)),
        read_rows(workspace.training),
    )
    torch.manual_seed(0)
    model, _ = teacher.untrained(("view", "apply"))
    pairs = teacher.read_pairs(rows, model.eval(), folder, 0)
    assert isinstance(pairs, PackedPairs)
    return rows, pairs


def scored(pairs: PackedPairs, chosen: np.ndarray) -> np.ndarray:
    found = np.zeros((len(pairs.rows), len(pairs.model.tasks)), np.float32)
    with torch.inference_mode():
        for batch, answers in pairs.scores(chosen):
            found[batch] = answers.numpy()
    return found[chosen]


def test_it_is_registered_and_waits_to_be_named(folder: Path, tiny: Path, tmp_path: Path) -> None:
    assert "decoder" in TEACHERS.names() and "decoder" not in DEFAULT_TEACHERS
    path = tmp_path / "params.yaml"
    path.write_text("teachers: [policy, click]\n")
    check_backbones(load_params(path))  # one that is off needs no folder
    for named, value in (("", "decoder_teacher.backbone"), (f"decoder_teacher: {{backbone: {tiny}}}", "bert")):
        path.write_text(f"teachers: [policy, click, decoder]\n{named}\n")
        with refused(BadInput, value, "smollm2"):
            check_backbones(load_params(path))
    path.write_text(f"teachers: [policy, click, decoder]\ndecoder_teacher: {{backbone: {folder}}}\n")
    check_backbones(load_params(path))
    stage = next(stage for stage in stages(("policy", "click", "decoder")) if stage.name == "decoder_teacher")
    assert {"features/member_text", "features/member_activity", "training"} <= set(stage.reads)
    assert "decoder" not in _of_both_texts()  # a replay has no history of the pairs that it scores


def test_it_trains_many_tasks_scores_and_is_opened_again(folder: Path, labelled: Callable[..., Workspace]) -> None:
    workspace = labelled(20)
    write_features(workspace, 20)
    config = DecoderConfig(backbone=folder, depth=1, checkpointing=True, **SMALL)
    version = train_teacher(workspace, "decoder", config)
    rows = read_rows(workspace.training)
    test = np.flatnonzero(rows.splits == "test")
    tasks, logits = read_scores(current_scores(workspace, "decoder"), rows, test)
    assert tasks == ("relevance", "view", "apply", "dismiss")  # nobody was hired
    model, knobs = open_teacher(version)
    assert (
        isinstance(model, PackedDecoder)
        and len(model.layers()) == 1
        and not any("lora" in n for n in model.state_dict())
    )
    askers = DecoderTeacher(workspace, config).askers(rows)
    again = scored(PackedPairs(rows, model, version, knobs, askers), test)  # type: ignore[arg-type]
    assert np.allclose(again, logits[test], atol=0.05)  # bfloat16


def test_scores_do_not_hang_on_who_shares_a_prompt(folder: Path, labelled: Callable[..., Workspace]) -> None:
    workspace = labelled(10)
    write_features(workspace, 10)
    rows, pairs = pairs_of(workspace, folder)
    chosen = np.random.default_rng(0).permutation(len(rows))[:24]
    _, alone = pairs_of(workspace, folder, jobs_a_prompt=1)
    assert np.abs(scored(pairs, chosen) - scored(alone, chosen)).max() < 1e-4
    assert scored(pairs, chosen).std(0).min() > 1e-4


def test_nothing_later_and_no_answer_stands_in_a_history(folder: Path, labelled: Callable[..., Workspace]) -> None:
    """An activity that became known after the request changes no prompt, and what was done with an asked job is left
    out; an earlier activity changes it."""
    workspace = labelled(10)
    write_features(workspace, 10)
    config = DecoderConfig(backbone=folder, **SMALL)
    rows = read_rows(workspace.training)
    before = DecoderTeacher(workspace, config)
    assert [shot.job_id for shot in before.askers(rows)["r0003"].shots] == ["old1", "old2"]
    assert before.askers(rows)["r0003"].text == "headline: baker | location: Tampa 3"
    told = {f"m{i}": activity((-1, "apply", f"j{i}-1"), (2, "view", "new")) for i in range(10)}
    for at, part in ((ASKED_AT + timedelta(seconds=1), "later"), (ASKED_AT - timedelta(hours=1), "earlier")):
        if part == "earlier":
            told = {f"m{i}": activity((0.1, "view", "new")) for i in range(10)}
        write_part(workspace.features / MEMBER_ACTIVITY, feature(MEMBER_ACTIVITY, "activity", told, at), part)
        after = DecoderTeacher(workspace, config)
        assert (after.askers(rows) == before.askers(rows)) == (part == "later")
        assert (after.version(rows) == before.version(rows)) == (part == "later")


def test_how_often_a_job_was_opened_is_part_of_the_version(folder: Path, labelled: Callable[..., Workspace]) -> None:
    workspace, config = labelled(10), DecoderConfig(backbone=folder, **SMALL)
    write_features(workspace, 10)
    rows = read_rows(workspace.training)
    more = replace(rows, features=rows.features + 1)  # a prompt says it, and no version of the rows does
    assert DecoderTeacher(workspace, config).version(rows) == DecoderTeacher(workspace, config).version(rows)
    assert DecoderTeacher(workspace, config).version(rows) != DecoderTeacher(workspace, config).version(more)


def test_members_text_of_another_version_is_refused(folder: Path, labelled: Callable[..., Workspace]) -> None:
    workspace = labelled(10)
    write_features(workspace, 10)
    rows = replace(read_rows(workspace.training), text_version="1-other")
    with refused(BadInput, "1-test", "1-other", "training-set", where=workspace.features / MEMBER_TEXT):
        DecoderTeacher(workspace, DecoderConfig(backbone=folder, **SMALL)).askers(rows)


def test_a_feature_table_that_knows_the_future_is_refused(folder: Path, labelled: Callable[..., Workspace]) -> None:
    """Its rows say that they were known before the request, and hold what came after."""
    workspace = labelled(10)
    told = {f"m{i}": activity((-1, "apply", "elsewhere")) for i in range(10)}
    write_part(workspace.features / MEMBER_ACTIVITY, feature(MEMBER_ACTIVITY, "activity", told), "planted")
    with refused(BadInput, "elsewhere", "2026-01-02"):
        train_teacher(workspace, "decoder", DecoderConfig(backbone=folder, **SMALL))


def test_what_is_not_known_is_not_asked_in_training(folder: Path, labelled: Callable[..., Workspace]) -> None:
    rows, pairs = pairs_of(labelled(10), folder)
    asked = np.zeros((len(rows), 2), bool)
    asked[[0, 3, 9], [0, 1, 0]] = True
    pairs._asked = asked
    logits = pairs.logits(np.arange(12))
    assert (logits != 0).tolist() == asked[:12].tolist()
    pairs._asked = np.zeros_like(asked)
    pairs.logits(np.arange(12)).sum().backward()  # a batch of which nothing is asked has a gradient all the same
    assert all(p.grad is None or not p.grad.any() for p in pairs.model.parameters())


def test_an_unseen_task_is_a_question(folder: Path, labelled: Callable[..., Workspace]) -> None:
    rows, pairs = pairs_of(labelled(10), folder)
    asking = pairs.model.asking(
        folder, {"save": "Will this member save this job?", "again": "Will this member open this job?"}
    )
    new = scored(PackedPairs(rows, asking, folder, pairs._config, pairs._askers), np.arange(12))
    assert np.abs(new[:, 1] - scored(pairs, np.arange(12))[:, 0]).max() < 1e-5  # as view is asked
    assert np.abs(new[:, 0] - new[:, 1]).max() > 1e-4


def test_a_depth_that_the_model_lacks_is_refused(folder: Path, labelled: Callable[..., Workspace]) -> None:
    with refused(BadInput, 3, 2, where=folder):
        pairs_of(labelled(10), folder, depth=3)


def test_adapters_without_a_layer_to_learn_in_are_refused(folder: Path, labelled: Callable[..., Workspace]) -> None:
    workspace = labelled(20)
    write_features(workspace, 20)
    with refused(BadInput, "all 2 layers", "lower frozen_layers", where="frozen_layers"):
        train_teacher(workspace, "decoder", DecoderConfig(backbone=folder, frozen_layers=2, **SMALL))


def test_weights_that_are_no_numbers_are_refused_before_training(
    folder: Path, labelled: Callable[..., Workspace], tmp_path: Path
) -> None:
    broken = tiny_decoder(tmp_path / "broken")
    tensors = load_file(str(broken / "model.safetensors"))
    tensors["model.norm.weight"][0] = torch.nan
    save_file(tensors, str(broken / "model.safetensors"), {"format": "pt"})
    with refused(BadInput, "finite", where=broken):
        pairs_of(labelled(10), broken)


def test_a_chat_template_frames_the_prompt_and_one_that_is_missing_leaves_plain_text(
    folder: Path, tmp_path: Path
) -> None:
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}<assistant>"
    chats = tiny_decoder(tmp_path / "chats", template=template)
    tokenizer = open_tokenizer(chats, 9)
    framed, plain = (verbal_frame(where, ["Will they apply?"]) for where in (chats, folder))
    assert tokenizer.decode(framed.before).startswith("< user > below are a member")
    assert tokenizer.decode(framed.endings[0][0]).endswith("< / user > < assistant >")
    assert tokenizer.decode(plain.before).startswith("below are a member")
    assert [tokenizer.decode(style[0]).endswith("answer :") for style in plain.endings] == [True] * 3


def test_answers_that_a_tokenizer_splits_are_told_by_their_first_token_or_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "bytes")  # knows neither word: a space is the first token of both
    with refused(BadInput, "yes", "no", where=tmp_path):
        answer_ids(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")  # after which an answer begins without a space
    tokenizer = open_tokenizer(tmp_path, 9)
    assert answer_ids(tmp_path) == (tokenizer.token_to_id("y"), tokenizer.token_to_id("n"))
