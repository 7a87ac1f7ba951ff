"""The picture of the chain shows the shares of its rows, and what each link lost."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from benchmarks.chain import CHANGE, SHARE, draw, in_words, links

TRUE_FIT = "demo, served candidates, true fit"
CHAIN = "demo, served candidates, what each link leaves, the first 100 of 24 requests that the teachers read"


def row(case: str, system: str, value: float, metric: str = SHARE) -> dict[str, Any]:
    return {"case": case, "system": system, "metric": metric, "value": value, "low": value - 0.1, "high": value + 0.1}


PLAIN = [row(TRUE_FIT, name, value) for name, value in (("best possible", 1.0), ("judge", 0.8), ("served order", 0.6))]
WHOLE = [
    *(row(CHAIN, name, value) for name, value in (("best possible", 1.0), ("judge", 0.8), ("policy teacher", 0.75))),
    row(CHAIN, "served order", 0.7),
    row(CHAIN, "policy teacher", -0.04, CHANGE),
]


def test_without_the_teachers_the_picture_is_of_the_table_of_true_fit() -> None:
    case, chain = links([*PLAIN, row(f"{TRUE_FIT}: surface, search", "judge", 0.1), row("other", "judge", 0.2)])
    assert case == TRUE_FIT
    assert [(link.value, round(link.lost, 6)) for link in chain] == [(1.0, 0.0), (0.8, -0.2), (0.6, -0.2)]


def test_the_chain_with_the_most_links_is_drawn_with_the_paired_losses() -> None:
    case, chain = links([*PLAIN, *WHOLE])
    assert case == CHAIN
    assert [(link.words, round(link.lost, 6)) for link in chain][2] == ("the policy teacher", -0.04)


def test_the_picture_says_every_share_and_loss() -> None:
    drawn = ElementTree.fromstring(draw([*PLAIN, *WHOLE]))
    said = [of.text for of in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"100%", "80%", "75%", "70%", "\N{MINUS SIGN}20", "\N{MINUS SIGN}4", "\N{MINUS SIGN}5"} <= set(said)
    assert "On the first 100 candidates of 24 requests that the teachers read." in said
    bars = [float(of.get("width", "0")) for of in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert [bar / bars[0] for bar in bars[1::2]] == [1.0, 0.8, 0.75, 0.7]
    assert drawn.find("{http://www.w3.org/2000/svg}desc").text == in_words(links(WHOLE)[1])  # type: ignore[union-attr]
