"""Training stays on the device that it is given; the meta device refuses an operation on tensors of two devices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contracts.errors import BadInput
from models.layers.backbone import mask_bias
from models.student.student import Student
from models.teachers.cross_encoder import CrossEncoder
from models.training.device import choose_device, device_of
from models.training.losses import Targets, distillation_loss
from tests.make import refused

META = torch.device("meta")


def test_a_student_and_its_loss_stay_on_their_device(tiny: Path) -> None:
    student = Student(tiny, ("relevance", "view"), 2, 1).to(META)
    states, mask = torch.zeros(3, 7, 32, device=META), torch.ones(3, 7, dtype=torch.long, device=META)
    prefix = student.encode_prefix(states, mask)
    items = student.encode_items(states, mask)[None].expand(3, -1, -1, -1)
    logits = student.score(prefix, mask_bias(mask, states.dtype), items)
    targets = Targets(torch.zeros_like(logits), torch.zeros_like(logits))
    loss = distillation_loss(logits, targets, "forward_kl", 1.0, 0.1)
    assert logits.device == loss.device == device_of(student) == META and logits.shape == (3, 3, 2)


def test_a_joint_teacher_stays_on_its_device(tiny: Path) -> None:
    model = CrossEncoder(tiny, ("view",), joint_layers=1).to(META)
    texts = torch.zeros(2, 5, 32, device=META), torch.ones(2, 5, dtype=torch.long, device=META)
    assert model(texts, texts, *torch.zeros(2, 4, dtype=torch.long, device=META)).device == META


def test_the_cpu_can_be_chosen_and_an_absent_device_is_refused() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with refused(BadInput, "cuda", where="device"):
        choose_device("cuda")
