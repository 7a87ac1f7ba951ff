"""The retrieval encoder of a workspace: trained on its log or as the backbone came, and exported."""

from __future__ import annotations

import logging

from contracts.encoder import ENCODER, read_encoder
from contracts.workspace import Workspace
from models.config import EncoderTraining, Precision
from models.encoder.log_positives import check_lists, log_positives

log = logging.getLogger("rolecall")


def make_encoder(
    workspace: Workspace,
    precision: Precision = "int8",
    dim: int | None = None,
    train: EncoderTraining | None = None,
    seed: int = 0,
) -> None:
    """Bring a workspace's retrieval encoder to these knobs; an encoder that is up to date stays as it is.

    Args:
        workspace: Where the encoder lies.
        precision: Arithmetic of the exported encoder.
        dim: Numbers of a vector, the first of the backbone's; None for all.
        train: How to train on the log; None for the backbone as it came.
        seed: Of the draw of requests.

    Raises:
        RolecallError: As `log_positives`, `check_lists`, `train_encoder` and `export_encoder`.
    """
    from models.encoder.export import encoder_version, export_encoder

    tower = None
    workspace.towers.mkdir(parents=True, exist_ok=True)  # DVC looks for it, trained or not
    if train is not None:
        from models.encoder.towers import train_encoder

        if train.lists is not None:
            check_lists(workspace, Workspace(train.lists))
        tower = train_encoder(workspace.towers, log_positives(workspace, train.max_requests, seed), train)
    version = encoder_version(tower, precision, dim)
    if (workspace.encoder / ENCODER).is_file() and read_encoder(workspace.encoder).version == version:
        log.info("encoder: version %s is up to date", version)
        return
    export_encoder(workspace.encoder, tower, precision, dim)
    log.info("encoder: version %s", version)
