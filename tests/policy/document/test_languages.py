"""Titles in other languages are read by files beside the policy, and what the policy says stays as it was."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from contracts.records import SENIORITY_LADDER
from policy import Policy, load_policy
from policy.rubric.titles import TitleReader
from simulator import Catalogue
from tests.make import refused

TEXT = resources.files("policy").joinpath("policy.yaml").read_text("utf-8")


def policy_with(folder: Path, languages: str, text: str = "") -> Policy:
    (folder / "own.yaml").write_text(TEXT.replace("languages: [de, es, pt]", f"languages: [{languages}]"), "utf-8")
    (folder / "klingon.yaml").write_text(text, "utf-8")
    return load_policy(folder / "own.yaml")


@pytest.mark.parametrize("code", ["de", "es", "pt"])
def test_titles_of_a_language_are_work_and_rungs_of_the_policy(code: str) -> None:
    reader, catalogue = TitleReader(load_policy()), Catalogue.own(code)
    titles = [title for occupation in catalogue.occupations for title in occupation.titles]
    assert sum(bool(reader.read(title).kinds) for title in titles) / len(titles) > 0.9
    for rung, words in enumerate(catalogue.phrases.levels):
        found = {reader.read(pattern.format(titles[0])).rung for pattern in words}
        assert found <= {rung, None} and (rung in found or rung == SENIORITY_LADDER.index("mid"))


@pytest.mark.parametrize(
    "pair",
    [
        ("Krankenschwester", "Gesundheits- und Krankenpfleger (m/w/d)"),
        ("Lkw-Fahrer", "Truck Driver"),
        ("Camarera", "Kellner"),
        ("Técnica de enfermagem", "Auxiliar de enfermería"),
    ],
)
def test_work_is_the_same_whatever_language_calls_it(pair: tuple[str, str]) -> None:
    reader = TitleReader(load_policy())
    assert reader.closeness(*pair) >= 0.8 > 0.4 > reader.closeness(pair[0], "Rechtsanwaltsfachangestellte")


def test_english_titles_are_read_as_without_other_languages(tmp_path: Path) -> None:
    alone, with_others = TitleReader(policy_with(tmp_path, "")), TitleReader(load_policy())
    for occupation in Catalogue.own().occupations:
        for title in occupation.titles:
            assert alone.read(title) == with_others.read(title)


def test_a_language_changes_the_version_and_so_does_its_text(tmp_path: Path) -> None:
    made = [policy_with(tmp_path, languages).version for languages in ("", "de", "de, es")]
    made += [policy_with(tmp_path, "klingon.yaml", text).version for text in ("", "work: {nursing: [Qel]}")]
    assert len(set(made)) == 5


def test_a_file_of_ones_own_is_read_beside_the_policy(tmp_path: Path) -> None:
    policy = policy_with(tmp_path, "klingon.yaml", "work: {nursing: [Qel, nurse], cooking: [vutwI']}\ngeneric: [Hoch]")
    reader = TitleReader(policy)
    assert reader.read("Qel").kinds == reader.read("Nurse").kinds == {("health care", "nursing")}
    assert "Hoch" in policy.generic


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("work: {sorcery: [Zauberer]}", "sorcery"),
        ("levels: {wizard: [Zauberer]}", "wizard"),
        ("work: {nursing: [Qel], cooking: [Qel]}", "Qel"),
        ("generic: [y, on]", "generic"),
        ("words: [a]", "words"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str, named: str) -> None:
    with refused(BadInput, named, where="klingon.yaml"):
        policy_with(tmp_path, "klingon.yaml", text)


def test_a_language_nobody_knows_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with refused(BadInput, "tlh", "de, es, pt"):
        policy_with(tmp_path, "tlh")
    with refused(NotReady, "absent.yaml"):
        policy_with(tmp_path, "absent.yaml")
