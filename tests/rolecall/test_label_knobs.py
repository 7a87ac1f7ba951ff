"""The knobs of labelling: from params.yaml and the environment to the flags that the job reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs import label
from contracts.errors import BadInput
from policy.judges.llm import LlmConfig
from policy.judges.registry import read_judge
from policy.judges.rubric import RubricConfig
from retrieval.config import RetrievalConfig
from rolecall.params import Label, Params, load_params

LLM = LlmConfig(model="some-model", base_url="http://localhost:1/v1", options={"top_k": 1}, prompt_price=0.5)
OTHER = Label(judge=LLM, policy=Path("own.yaml"), require_golden=True, hard_share=0.5, least_kappa=0.7)


@pytest.mark.parametrize("knobs", [Label(), OTHER])
def test_the_job_reads_what_the_knobs_say(knobs: Label, tmp_path: Path) -> None:
    own, rest = label._parser().parse_known_args(["--workspace", str(tmp_path), *knobs.as_flags()])
    assert rest == []
    found = {name: getattr(own, name) for name in Label.model_fields}
    assert Label.model_validate(found | {"judge": read_judge(own.judge)}) == knobs


def test_the_job_asks_for_candidates_as_the_params_say() -> None:
    knobs = RetrievalConfig(recommend={"terms": 0.3, "links": 0.1}, duplicates=None)
    parsed = label._parser().parse_args(["--workspace", ".", "--retrieval", knobs.model_dump_json()])
    assert parsed.retrieval == knobs


@pytest.mark.parametrize("given", ["{", '{"recommend": {"links": 0.5}}', '{"sources": []}'])
def test_a_section_that_does_not_fit_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        label._parser().parse_args(["--workspace", ".", "--retrieval", given])
    assert "--retrieval" in capsys.readouterr().err


def test_shares_in_the_params_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("retrieval: {recommend: {terms: 0.3, links: 0.1}}")
    assert load_params(path).retrieval.shares("")["links"] == 0.1
    monkeypatch.setenv("ROLECALL_RETRIEVAL__RECOMMEND__LINKS", "0.5")
    with pytest.raises(BadInput, match=r"retrieval\.recommend: .*add up to 1\.4"):
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
    with pytest.raises(BadInput, match=r"found 'http://\*\*\*@host/v1\?\*\*\*"):
        load_params(path)


def test_knobs_survive_being_written() -> None:
    from contracts.documents import read_yaml

    knobs = Params(label=OTHER)
    assert Params.model_validate(read_yaml(knobs.as_yaml(), "it")) == knobs
