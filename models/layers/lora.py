"""Low-rank adapters on any module, through peft. They are merged after training, so a stored teacher is a plain model.

Source: LoRA, Hu et al. 2021 (arXiv 2106.09685).
"""

from __future__ import annotations

from torch import nn

from contracts.errors import BadInput
from models.config import LoraConfig


def add_adapters(module: nn.Module, knobs: LoraConfig) -> None:
    """Add trainable adapters to the linear layers of a module and freeze its own weights, in place.

    Args:
        module: Of any kind.
        knobs: Rank, scale and target layers.

    Raises:
        BadInput: No layer's name ends in one of the targets.
    """
    from peft import LoraConfig as PeftConfig
    from peft import inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear | Conv1D)]
    chosen = [name for name in linear if not knobs.targets or name.split(".")[-1] in knobs.targets]
    if not chosen:
        raise BadInput(
            f"no linear layer is called {' or '.join(knobs.targets)}",
            where="lora.targets",
            cure=f"name some of {', '.join(sorted({name.split('.')[-1] for name in linear}))}",
        )
    module.requires_grad_(False)
    inject_adapter_in_model(PeftConfig(r=knobs.rank, lora_alpha=knobs.alpha, target_modules=chosen), module)


def merge_adapters(module: nn.Module) -> None:
    """Add the adapters' products to the weights and remove the adapters, in place; all weights become trainable."""
    from peft.tuners.lora import LoraLayer

    adapted = [(name, part) for name, part in module.named_modules() if isinstance(part, LoraLayer)]
    for name, part in adapted:
        part.merge(safe_merge=True)
        module.set_submodule(name, part.get_base_layer())
    for parameter in module.parameters():
        parameter.requires_grad_(True)
