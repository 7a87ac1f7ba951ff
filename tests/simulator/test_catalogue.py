"""The words of the market: enough of them, drawn so that words alone do not give the answer away."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.errors import UnreadableFile
from simulator import Catalogue, Truth, simulate


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.own()


@pytest.fixture
def onet_folder(tmp_path: Path) -> Path:
    code = "O*NET-SOC Code"
    files: dict[str, list[str]] = {
        "Occupation Data.txt": [f"{code}\tTitle\tDescription"],
        "Sample of Reported Titles.txt": [f"{code}\tReported Job Title", "11-1.00\tHead Chef (HC)"],
        "Alternate Titles.txt": [f"{code}\tAlternate Title", "11-1.00\tKitchen Lead", "53-1.00\tAviator"],
        "Job Zones.txt": [f"{code}\tJob Zone", "11-1.00\t4", "11-2.00\t2", "53-1.00\t5"],
        "Task Statements.txt": [f"{code}\tTask"],
        "Technology Skills.txt": [f"{code}\tExample\tHot Technology"],
        "Related Occupations.txt": [f"{code}\tRelated {code}\tRelatedness Tier\tIndex"],
    }
    files["Related Occupations.txt"].append("11-1.00\t11-2.00\tPrimary-Short\t1")
    for number, title in (("11-1.00", "Chefs"), ("11-2.00", "Cooks"), ("53-1.00", "Pilots")):
        files["Occupation Data.txt"].append(f"{number}\t{title}\tx")
        files["Task Statements.txt"] += [f"{number}\tTask {k} of {number}." for k in range(6)]
        files["Technology Skills.txt"] += [f"{number}\tTool {k} of {number}\tN" for k in range(5)]
    for name, rows in files.items():
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    return tmp_path


def test_every_occupation_has_enough_words(catalogue: Catalogue) -> None:
    for occupation in catalogue.occupations:
        assert len(set(occupation.titles)) >= 4
        assert len(set(occupation.tasks)) >= 6
        assert 8 <= len(set(occupation.skills)) <= 14


def test_a_title_belongs_to_one_occupation(catalogue: Catalogue) -> None:
    titles = [title.casefold() for occupation in catalogue.occupations for title in occupation.titles]
    assert len(titles) == len(set(titles))


def test_relatedness_is_symmetric_and_one_only_to_itself(catalogue: Catalogue) -> None:
    related = catalogue.relatedness
    np.testing.assert_array_equal(related, related.T)
    assert (np.diag(related) == 1).all()
    assert related[~np.eye(len(related), dtype=bool)].max() < 1


def test_a_catalogue_survives_json(catalogue: Catalogue) -> None:
    again = Catalogue.from_json(catalogue.to_json())
    assert again.occupations == catalogue.occupations
    assert again.cities == catalogue.cities
    np.testing.assert_array_equal(again.relatedness, catalogue.relatedness)


def test_members_and_adverts_of_one_occupation_often_use_other_words(truth: Truth, small_market: Path) -> None:
    jobs = pl.read_parquet(small_market / "jobs" / "*.parquet").unique("id", keep="first", maintain_order=True)
    same = truth.jobs.occupation[0]
    titles = jobs["title"].to_list()
    peers = [titles[row].casefold() for row in np.flatnonzero(truth.jobs.occupation == same)]
    variants = {title.casefold() for title in truth.catalogue.occupations[same].titles}
    used = {variant for variant in variants if any(variant in title for title in peers)}
    assert len(used) > 1


def test_onet_gives_a_catalogue_with_its_attribution(onet_folder: Path) -> None:
    catalogue = Catalogue.from_onet(onet_folder)
    chef, cook, pilot = catalogue.occupations
    assert chef.titles == ("Head Chef", "Kitchen Lead")
    assert pilot.titles == ("Aviator",)
    assert chef.related["11-2.00"] == 0.7
    assert cook.related["11-1.00"] == 0.2
    assert "CC BY 4.0" in catalogue.attribution


def test_a_market_is_drawn_from_onet(onet_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "market"
    simulate(out, members=20, jobs=60, events=500, catalogue=Catalogue.from_onet(onet_folder), days=5)
    truth = Truth.load(out)
    assert {o.id for o in truth.catalogue.occupations} == {"11-1.00", "11-2.00", "53-1.00"}
    assert "CC BY 4.0" in (out / "truth" / "params.json").read_text()


def test_onet_files_without_tasks_make_no_catalogue(onet_folder: Path) -> None:
    (onet_folder / "Task Statements.txt").unlink()
    with pytest.raises(UnreadableFile, match="no occupation has a title, a job zone, tasks and tools"):
        Catalogue.from_onet(onet_folder)
