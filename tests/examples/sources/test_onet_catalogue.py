"""O*NET's files as a catalogue of the simulator."""

from pathlib import Path

import pytest

from contracts.errors import UnreadableFile
from examples.sources.onet import catalogue
from simulator.catalogue import Catalogue
from simulator.market import simulate
from simulator.truth import Truth
from tests.make import refused


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


def test_onet_gives_a_catalogue_with_its_attribution(onet_folder: Path) -> None:
    onet = catalogue(onet_folder)
    chef, cook, pilot = onet.occupations
    assert chef.titles == ("Head Chef", "Kitchen Lead")
    assert pilot.titles == ("Aviator",)
    assert chef.related["11-2.00"] == 0.7
    assert cook.related["11-1.00"] == 0.2
    assert "CC BY 4.0" in onet.attribution


def test_a_market_is_drawn_from_onet(onet_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "market"
    simulate(out, members=20, jobs=60, events=500, catalogue=catalogue(onet_folder), days=5)
    truth = Truth.load(out)
    assert {o.id for o in truth.catalogue.occupations} == {"11-1.00", "11-2.00", "53-1.00"}
    assert "CC BY 4.0" in (out / "truth" / "params.json").read_text()


def test_onet_files_without_tasks_make_no_catalogue(onet_folder: Path) -> None:
    (onet_folder / "Task Statements.txt").unlink()
    with refused(UnreadableFile, "Task Statements", where=onet_folder):
        catalogue(onet_folder)


def test_a_catalogue_travels_as_json(onet_folder: Path) -> None:
    assert Catalogue.from_json(catalogue(onet_folder).to_json()).occupations == catalogue(onet_folder).occupations
