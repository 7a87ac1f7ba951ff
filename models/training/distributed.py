"""Training by several processes under `torchrun`: each takes a share of the lists and holds a share of the weights.

    torchrun --nproc-per-node 2 -m rolecall train policy

Weights, gradients and optimizer states are sharded (FSDP2, `torch.distributed.fsdp.fully_shard`; ZeRO, Rajbhandari et
al. 2020). Without `torchrun` there is one process, and every function here does nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from models.config import Device
from models.training.device import choose_device, device_of

T = TypeVar("T")

log = logging.getLogger("rolecall")


@contextlib.contextmanager
def processes(knob: Device = "auto") -> Iterator[None]:
    """Join the processes that `torchrun` started, over NCCL on GPUs and gloo elsewhere, and part at the end.

    The first process alone logs. knob: of the device that they train on.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        yield
        return
    device = choose_device(knob)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    level = log.level
    if rank():
        log.setLevel(logging.WARNING)
    try:
        yield
        barrier()
    finally:
        log.setLevel(level)
        dist.destroy_process_group()


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process; 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def barrier() -> None:
    """Until every process is here."""
    if world_size() > 1:
        dist.barrier()


def shard_of(items: Sequence[T]) -> Sequence[T]:
    """This process's part of what all of them go through."""
    return items[rank() :: world_size()]


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum of `values`, of one shape everywhere, over all processes, where `values` are. Carries no gradient."""
    total = values.detach().clone()
    if world_size() > 1:
        shared = total.cuda() if dist.get_backend() == "nccl" else total
        dist.all_reduce(shared)
        total = shared.to(values.device)
    return total


def mean_of(total: Tensor, count: Tensor) -> Tensor:
    """total / count, with the count of all processes: a loss whose gradient, averaged over them as FSDP does, is that
    of one process with all pairs."""
    return total * world_size() / all_reduce_sum(count.float()).clamp(min=1e-9)


def shard(module: nn.Module, layers: Sequence[nn.Module] = ()) -> None:
    """Spread the weights over the processes; those of `layers` are gathered when each is run, the rest at once.

    Only `module(...)` gathers them: whatever uses weights must run inside its forward.
    """
    if world_size() == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device_of(module).type, (world_size(),))
    for part in (*layers, module):
        fully_shard(part, mesh=mesh)


def full_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """The state dict with whole tensors, in every process; all of them must ask."""
    return {name: full_tensor(value.detach()) for name, value in module.state_dict().items()}


def full_tensor(value: Tensor) -> Tensor:
    """A tensor that may be spread over the processes, whole; all of them must ask."""
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value
