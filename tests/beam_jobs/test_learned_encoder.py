"""The encoder of a workspace with what it learned: chosen once, kept in its files, and undone with the knob."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts.encoder import read_encoder
from contracts.text.parts import PartWeights
from contracts.workspace import Workspace
from models.config import EncoderConfig, HeadTraining
from models.encoder.choice import MEASURES, read_choice
from models.encoder.make import CHOICE, make_encoder
from models.encoder.validation import valid_searches
from retrieval.encoder import TextEncoder

FEW = HeadTraining(least_pairs=2, least_requests=2, epochs=1)


@pytest.fixture
def workspace(market: Workspace, copy: Callable) -> Workspace:
    return copy(market)


def test_what_is_chosen_is_what_the_encoder_reads_with(workspace: Workspace, tiny: Path) -> None:
    plain = read_encoder(workspace.encoder)
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=FEW))
    choice, manifest = read_choice(workspace.encoder / CHOICE), read_encoder(workspace.encoder)
    assert choice is not None and choice.judged_by == "log" and choice.requests >= 2
    kept = next(one for one in choice.tried if one.name == choice.kept)
    assert manifest.parts == kept.parts and bool(manifest.head) == bool(kept.learned_from)
    assert manifest.graph == plain.version and (manifest.version == plain.version) == (kept is choice.tried[0])
    encoder, searches = TextEncoder(workspace.encoder), valid_searches(workspace, 400, 5_000, 0)
    found = searches.found(encoder.encode(searches.requests, "request"), encoder.encode(searches.jobs, "job")).mean(
        axis=0
    )
    np.testing.assert_allclose(found, [kept.found[name] for name in MEASURES], atol=1e-3)


def test_a_choice_that_fits_stays_and_goes_with_the_knob(
    workspace: Workspace, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rolecall")
    former = read_encoder(workspace.encoder)
    asked_for = PartWeights(titles=1)
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=FEW, parts=asked_for))
    stamp, made = (workspace.encoder / CHOICE).stat().st_mtime_ns, read_encoder(workspace.encoder)
    assert made.parts == asked_for and made.version != former.version
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=FEW, parts=asked_for))
    assert (workspace.encoder / CHOICE).stat().st_mtime_ns == stamp and "is up to date" in caplog.text
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=None))
    assert read_encoder(workspace.encoder) == former and not (workspace.encoder / CHOICE).exists()


def test_a_log_that_is_too_small_leaves_it_to_the_adverts(workspace: Workspace, tiny: Path) -> None:
    config = FEW.model_copy(update={"least_pairs": 10_000, "least_requests": 10_000})
    make_encoder(workspace, EncoderConfig(backbone=tiny, precision="float32", learn=config))
    choice = read_choice(workspace.encoder / CHOICE)
    assert choice is not None and choice.judged_by == "nothing" and choice.tried == ()
    assert read_encoder(workspace.encoder).parts == PartWeights()
    make_encoder(
        workspace, EncoderConfig(backbone=tiny, precision="float32", learn=FEW.model_copy(update={"least_pairs": 200}))
    )
    choice = read_choice(workspace.encoder / CHOICE)
    assert choice is not None and choice.judged_by == "log"


def test_an_empty_workspace_gets_the_encoder_as_it_came(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "empty")
    make_encoder(workspace, EncoderConfig(precision="float32", learn=HeadTraining()))
    choice = read_choice(workspace.encoder / CHOICE)
    assert choice is not None and choice.judged_by == "nothing"
    assert TextEncoder(workspace.encoder).encode(["nurse"], "request").shape == (1, 384)


def test_validation_requests_are_those_of_the_log_that_led_to_something(market: Workspace) -> None:
    searches = valid_searches(market, 400, 5_000, 0)
    assert len(searches) and all(searches.gains) and len(set(searches.jobs)) > 1
    few = valid_searches(market, 2, 1, 0)
    assert few.requests == searches.requests[:2]
    assert len(few.jobs) == len({job for gains in few.gains for job in gains})
