"""The folders of models that the knobs name, checked before anything runs. Loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from contracts.errors import RolecallError
from models.config import DecoderConfig, TeacherConfig
from models.layers.folder import backbone_folder, complete_folder, decoder_folder
from models.layers.sentences import EncoderOverrides, reading_of
from rolecall.params import Params

Check = tuple[str, Path | None, Callable[[], object]]
"""A knob, the folder that it names and what raises where that does not do; None: the embedded one."""


def checks(knobs: Params) -> Iterator[Check]:
    """A check for each knob that names a folder of a model."""
    encoder, student = knobs.encoder, knobs.student
    overrides = EncoderOverrides(encoder.pooling, encoder.prompts, encoder.max_tokens)
    yield (
        "encoder.backbone",
        encoder.backbone,
        lambda: reading_of(complete_folder(encoder.backbone), overrides),
    )
    if encoder.train is not None:
        start = encoder.train.backbone or encoder.backbone
        yield "encoder.train.backbone", start, lambda: backbone_folder(start)
    yield "student.backbone", student.backbone, lambda: backbone_folder(student.backbone)
    for name, config in sorted(knobs):
        if isinstance(config, DecoderConfig):
            if name.removesuffix("_teacher") in knobs.teachers:  # it needs one, where others have the embedded encoder
                chosen = config.backbone
                yield f"{name}.backbone", chosen or Path(), lambda chosen=chosen: decoder_folder(chosen)  # type: ignore[misc]
        elif isinstance(config, TeacherConfig):
            check = backbone_folder if config.architecture == "joint" else complete_folder
            yield f"{name}.backbone", config.backbone, lambda check=check, folder=config.backbone: check(folder)  # type: ignore[misc]


def check_backbones(knobs: Params) -> None:
    """Raise the typed error of the first folder that does not do, with the knob that names it.

    Raises:
        BadInput: It is incomplete, of a family that does not fit, or says that its texts are read in an unknown way.
        UnreadableFile: One of its files is broken.
    """
    for knob, folder, check in checks(knobs):
        if folder is None:
            continue
        try:
            check()
        except RolecallError as error:
            raise type(error)(error.what, where=f"{knob}: {error.where}", cure=error.cure) from error
