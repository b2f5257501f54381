"""What becomes of a checkpoint: the competition's scorer loads it into torchvision's ResNet-18, strictly."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torchvision.models import resnet18

# What the names in a checkpoint give away, and what to do about it.
SIGNS = (
    (r"lora|adapter|base_layer", "has adapters (LoRA): return it with the adapters merged into its weights"),
    (r"packed_params|zero_point|\.scale$", "is quantised: return it with floating-point weights"),
    (
        r"parametrizations\.|_orig$|_mask$|weight_[guv]$",
        "computes its weights from other tensors (pruning, a parametrization, weight norm): make them permanent before "
        "returning it, for instance by torch.nn.utils.prune.remove or parametrize.remove_parametrizations",
    ),
    (r"^(module|_orig_mod)\.", "is wrapped: return the network inside"),
)


def loaded(state: Mapping[str, Any], classes: int) -> nn.Module:
    """The competition's network with a checkpoint's weights, in eval mode; float16 becomes float32.

    Raises:
        ValueError: it cannot be loaded; the message goes on after "the network".
    """
    net: nn.Module = resnet18(weights=None, num_classes=classes)
    own = net.state_dict()
    foreign = sorted(state.keys() - own.keys())
    for pattern, sentence in SIGNS:
        if any(re.search(pattern, name) for name in foreign):
            raise ValueError(f"{sentence} ({foreign[0]})")
    if missing := sorted(own.keys() - state.keys()):
        raise ValueError(f"has other layers than the competition's ResNet-18: {missing[0]} is missing")
    if foreign:
        raise ValueError(f"has other layers than the competition's ResNet-18: {foreign[0]} is not among its own")
    for name, tensor in own.items():
        given = state[name]
        if not isinstance(given, torch.Tensor) or given.is_floating_point() != tensor.is_floating_point():
            raise ValueError(f"is quantised: return it with floating-point weights ({name})")
        if given.is_meta:
            raise ValueError(f"has no weights, it lies on the meta device ({name})")
        if given.shape != tensor.shape:
            raise ValueError(
                f"has other layers than the competition's ResNet-18: {name} is {list(given.shape)}, not {list(tensor.shape)}"
            )
    net.load_state_dict(state, strict=True)
    return net.eval()
