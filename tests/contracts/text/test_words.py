"""Words are the same for the index and the judge: folded, whole in every script, without endings."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.text.words import split_words, stem, stems, word_groups, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nurses' Résumé: bus_bus", ["nurses", "resume", "bus", "bus"]),
        ("HTML+CSS, Nurse#4521, Bac+5", ["html", "css", "nurse", "4521", "bac", "5"]),
        ("C++ C# ASP.NET .NET c++17 network", ["c++", "c#", "asp", ".net", ".net", "c++", "17", "network"]),
        ("नौकरी अस्पताल", ["नौकरी", "अस्पताल"]),
        ("ผู้จัดการ", ["ผู้จั", "จัด", "ดก", "กา", "าร"]),
        ("ガラス、カラス・医", ["ガラ", "ラス", "カラ", "ラス", "医"]),
        ("PHPエンジニア", ["php", "エン", "ンジ", "ジニ", "ニア"]),
        ("Рабочий, ёлка", ["рабочий", "елка"]),
        ("مُهَنْدِس مـهندس", ["مهندس", "مهندس"]),
        ("soft\u00adware zero\u200bwidth\ufeff Ｃ＋＋", ["software", "zerowidth", "c++"]),
        ("STRASSE straße İstanbul", ["strasse", "strasse", "istanbul"]),
        ("dotnet, dot net, C-sharp, cpp", [".net", ".net", "c#", "c++"]),
        ("", []),
    ],
)
def test_a_text_is_split_into_whole_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Join us at a.m. Node.js, ASP.NET", ["join", "us", "at", "am", "nodejs", "asp", ".net"]),
        ("B2B, EC2, MP3, k8s, sha256sum, log4j", ["b2b", "ec2", "mp3", "k8s", "sha256sum", "log4j"]),
        ("l'hôpital d'accueil", ["l", "hopital", "d", "accueil"]),
        ("Option A. B is next", ["option", "a", "b", "is", "next"]),
        ("v.1.2 of 3.5", ["v", "1", "2", "of", "3", "5"]),
    ],
)
def test_what_only_looks_like_a_word_put_together_stays(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("companies", "company"),
        ("buses", "bus"),
        ("coaches", "coach"),
        ("waitresses", "waitress"),
        ("businesses", "business"),
        ("taxes", "tax"),
        ("nurses", "nurse"),
        ("gases", "gas"),
        ("lenses", "lens"),
    ],
)
def test_a_plural_is_the_singular_to_the_index_and_to_the_judge(plural: str, singular: str) -> None:
    assert list(split_words(plural)) == list(split_words(singular)) == list(stems(plural)) == list(stems(singular))


@pytest.mark.parametrize(
    "ways",
    [
        ("node.js", "NodeJS", "node js", "Node-JS"),
        ("front-end", "frontend", "front end", "Front-Ends"),
        ("full stack", "full-stack", "fullstack"),
        ("e-commerce", "ecommerce", "E Commerce"),
        ("react.js", "React", "ReactJS"),
        ("part-time", "part time", "parttime"),
        ("RN", "R.N.", "r.n"),
        ("Ph.D.", "PhD", "Ph. D."),
        ("U.S.A.", "USA"),
        ("Java8", "Java 8", "java-8"),
        ("C++", "C ++", "c＋＋"),
        ("C#", "C♯", "C #"),
        ("CI/CD", "cicd", "ci-cd"),
        ("S/4HANA", "s4hana", "S4 HANA"),
        ("O'Reilly", "O’Reilly", "oreilly"),
        ("co-op", "coop"),
        ("women's", "woman's"),
        ("satış danışmanı", "SATIŞ DANIŞMANI", "satis danismani"),
        ("ılıca", "Ilıca", "İlıca"),
        ("København", "kobenhavn"),
        ("Łódź", "lodz", "ŁÓDŹ"),
        ("Đà Nẵng", "da nang"),
        ("Œuvre", "oeuvre"),
        ("كار", "کار"),
    ],
)
def test_a_word_is_one_however_it_is_put_together(ways: tuple[str, ...]) -> None:
    assert len({stems(f"{way} developer") for way in ways}) == 1


TEXTS = st.text(max_size=40) | st.text("aé\u0301ßİCс+#.- नौกกาカ゛ガ看護\u200b\u00ad_", max_size=30)


@given(TEXTS)
def test_words_do_not_depend_on_case_and_composition(text: str) -> None:
    forms = {tuple(words(unicodedata.normalize(form, text))) for form in ("NFC", "NFD")}
    assert len(forms) == 1
    if text.upper().casefold() == text.casefold():  # as all letters but a few
        assert words(text.upper()) == words(text)


@given(TEXTS)
def test_words_are_their_own_words_and_groups_are_the_words(text: str) -> None:
    found = words(text)
    assert [word for group in word_groups(text) for word in group] == found
    assert not any(character.isspace() or character in "_-\u200b\u00ad" for word in found for character in word)


@given(st.lists(st.sampled_from(["nurse", "front", "end", "node", "js", "c++", "part", "time", "看護師"]), max_size=8))
def test_words_apart_by_spaces_and_by_hyphens_are_the_same(parts: list[str]) -> None:
    assert words(" ".join(parts)) == words("-".join(parts))


def test_words_of_a_script_have_its_endings_in_a_text_of_any_language() -> None:
    assert stem("медсестры", "english") == stem("медсестра", "german")
    assert stem("नौकरियां", "english") == stem("नौकरियाँ".replace("ँ", "ं"), "english")


def test_production_is_not_a_product() -> None:
    assert stem("production") != stem("product")


def test_another_language_has_its_own_endings() -> None:
    assert stem("krankenschwestern", "german") == stem("krankenschwester", "german")
