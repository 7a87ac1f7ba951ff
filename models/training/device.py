"""Where training runs: a GPU where there is one, else the CPU; and the autocast that fits it."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import BadInput
from models.config import Arithmetic, Device


def choose_device(knob: Device = "auto") -> torch.device:
    """The device of a knob.

    Args:
        knob: "auto" takes CUDA, else MPS, else the CPU. Under `torchrun` a process takes the GPU of its local rank.

    Raises:
        BadInput: The machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(name for name, there in available.items() if there) if knob == "auto" else knob
    if not available[kind]:
        names = ", ".join(name for name, there in available.items() if there)
        raise BadInput(f"device {kind}: this machine has {names}", where="device", cure="set device: auto")
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if kind == "cuda" else kind)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters are."""
    return next(module.parameters()).device


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """An array as a tensor on a device. On a CPU they share memory."""
    return torch.from_numpy(array).to(device)


def autocast(device: torch.device, precision: Arithmetic = "auto") -> contextlib.AbstractContextManager:
    """Matrix products in a precision.

    Args:
        device: Where they are computed.
        precision: "auto" is bfloat16 where the device has it (on two cores with AVX512-BF16 1.4 to 2 times faster),
            else float32.
    """
    has_bfloat16 = {
        "cpu": torch.cpu._is_avx512_bf16_supported,
        "cuda": torch.cuda.is_bf16_supported,
        "mps": lambda: False,
    }
    if precision == "bfloat16" or (precision == "auto" and has_bfloat16[device.type]()):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()
