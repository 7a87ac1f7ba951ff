"""The knobs of labelling: from params.yaml and the environment to the flags that the job reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from beam_jobs.config import EmbedFlags, IngestFlags, LabelConfig, LabelFlags
from beam_jobs.flags import as_flags, read_flags
from contracts.errors import BadInput
from policy.judges.llm import LlmConfig
from policy.judges.local import LocalConfig
from policy.judges.rubric import RubricConfig
from retrieval.config import RetrievalConfig
from rolecall.params import Params, load_params
from tests.make import refused

LLM = LlmConfig(model="some-model", base_url="http://localhost:1/v1", options={"top_k": 1}, prompt_price=0.5)
OTHER = LabelConfig(judge=LLM, policy=Path("own.yaml"), require_golden=True, hard_share=0.5, least_kappa=0.7)
WITHOUT_RANDOM = RetrievalConfig(recommend={"terms": 0.3, "links": 0.05}, duplicates=None)


def read(*argv: str) -> LabelFlags:
    return read_flags("label", None, LabelFlags, ["--workspace", ".", *argv])[1]


def test_without_flags_every_job_does_what_the_params_say_by_default() -> None:
    params = Params()
    assert read() == LabelFlags(**dict(params.label), seed=params.seed, retrieval=params.retrieval)
    _, ingest, _ = read_flags("ingest", None, IngestFlags, ["--workspace", ".", "--source", "data"])
    assert ingest == IngestFlags(**dict(params.ingest), source="data")


@pytest.mark.parametrize(
    "flags",
    [
        LabelFlags(),
        LabelFlags(**dict(OTHER), seed=7, retrieval=WITHOUT_RANDOM),
        IngestFlags(source="a", now=datetime(2026, 1, 1, tzinfo=UTC)),
        EmbedFlags(what="items", history=True, bundle=Path("b")),
    ],
)
def test_the_job_reads_the_flags_that_are_made_of_its_knobs(flags: BaseModel) -> None:
    assert read_flags("job", None, type(flags), ["--workspace", ".", *as_flags(flags)])[1] == flags


@pytest.mark.parametrize(
    ("flag", "text", "named"),
    [
        ("--retrieval", "{", "YAML"),
        ("--retrieval", "{recommend: {links: 0.5}}", "recommend"),
        ("--retrieval", "{sources: []}", "sources"),
        ("--train-lists", "0", "1"),
        ("--hard-share", "1.5", "1"),
        ("--seed", "x", "integer"),
        ("--judge", "llm", "model"),
        ("--judge", "oracle", "kind"),
        ("--judge", "7", "kind"),
        ("--judge", "https://x/v1?key=s3cr3t", "kind"),
        ("--judge", "{kind: local}", "folder"),
        ("--judge", "{kind: llm, model: m, key: s3cr3t}", "key"),
        ("--judge", "{kind: llm, model: m, base_url: ftp://x}", "base_url"),
        ("--judge", "{kind: llm, model: m, base_url: 'https://me:s3cr3t@x/v1'}", "api_key_env"),
        ("--judge", "{kind: llm, model: m, base_url: 'https://x/v1?key=s3cr3t'}", "api_key_env"),
        ("--judge", "{kind: llm, model: m, base_url: 'http://x:s3cr3t/v1'}", "base_url"),
        ("--judge", "{kind: [", "YAML"),
        ("--judge", "2024-99-99", "YAML"),
    ],
)
def test_a_flag_that_does_not_fit_is_named_without_its_value(flag: str, text: str, named: str) -> None:
    with pytest.raises(BadInput) as raised:
        read(flag, text)
    assert raised.value.where == flag and named in str(raised.value) and raised.value.cure
    assert "s3cr3t" not in str(raised.value)


def test_a_judge_is_named_or_described_by_its_flag() -> None:
    assert read("--judge", "rubric").judge == RubricConfig()
    assert read("--judge", "{kind: llm, model: m, tries: 2}").judge == LlmConfig(model="m", tries=2)
    assert read("--judge", '{"kind": "local", "folder": "/m"}').judge == LocalConfig(folder=Path("/m"))


def test_shares_in_the_params_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("retrieval: {recommend: {terms: 0.3, links: 0.05}}")
    assert load_params(path).retrieval.shares("")["links"] == 0.05
    monkeypatch.setenv("ROLECALL_RETRIEVAL__RECOMMEND__LINKS", "0.5")
    with refused(BadInput, "retrieval.recommend", "1.4"):
        load_params(path)


def test_a_judge_is_named_or_described_in_the_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("label: {judge: rubric}")
    assert load_params(path).label.judge == RubricConfig()
    path.write_text("label: {judge: {kind: rubric}}")
    monkeypatch.setenv("ROLECALL_LABEL__JUDGE__KIND", "llm")
    monkeypatch.setenv("ROLECALL_LABEL__JUDGE__MODEL", "some-model")
    assert load_params(path).label.judge == LlmConfig(model="some-model")


def test_a_wrong_judge_names_its_knob(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("label: {judge: {kind: llm, model: m, api_key: s3cr3t}}")
    with pytest.raises(BadInput) as raised:
        load_params(path)
    assert "label.judge.api_key" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


def test_an_unknown_knob_of_a_judge_names_the_ones_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("label: {judge: {kind: llm, model: m, trys: 2}}")
    with refused(BadInput, "label.judge.trys", "did you mean tries"):
        load_params(path)
    path.write_text("label: {judge: {kind: local, folder: f, zzz: 2}}")
    with refused(BadInput, "label.judge.zzz", *LocalConfig.model_fields):
        load_params(path)


@pytest.mark.parametrize(
    "judge",
    [
        "{kind: llm, model: m, base_url: 'http://ann:s3cr3t@host/v1'}",
        "{kind: llm, model: m, base_url: 'ftp://host/v1?key=s3cr3t'}",
        "{kind: llm, model: m, base_url: 's3cr3t'}",
        "{kind: llm, model: [m, s3cr3t]}",
        "{kind: 'http://ann:s3cr3t@host/v1', model: m}",
        "{kind: oracle, api_key: s3cr3t}",
        "'http://ann:s3cr3t@host/v1'",
        "{kind: llm, model: m, base_url: 'http://ann:s3cr3t@host/v1'",
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, judge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"label: {{judge: {judge}}}")
    with pytest.raises(BadInput) as raised:
        load_params(path)
    assert "s3cr3t" not in str(raised.value)
    monkeypatch.setenv("ROLECALL_LABEL__JUDGE", judge)
    path.write_text("seed: 0")
    with pytest.raises(BadInput) as raised:
        load_params(path)
    assert "s3cr3t" not in str(raised.value)


def test_an_address_that_is_refused_is_told_without_its_key(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("label: {judge: {kind: llm, model: m, base_url: 'http://ann:s3cr3t@host/v1?key=s3cr3t'}}")
    with refused(BadInput, "'http://***@host/v1?***"):
        load_params(path)


def test_knobs_survive_being_written() -> None:
    from contracts.documents import read_yaml

    knobs = Params(label=OTHER)
    assert Params.model_validate(read_yaml(knobs.as_yaml(), "it")) == knobs
