"""The layers of a network of any architecture, found through its module tree."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from solutions.parts.batches import batches

CONTAINERS = (nn.Sequential, nn.ModuleList)
NORMALISATION = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    """All convolutions, in the order in which the network defines them."""
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def stem(net: nn.Module) -> nn.Conv2d | nn.Linear:
    """The first convolution or linear layer: the one that sees the images."""
    return next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear))


def head(net: nn.Module) -> nn.Conv2d | nn.Linear:
    """The last convolution or linear layer: the one that gives the classes."""
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)][-1]


def blocks(net: nn.Module) -> list[nn.ModuleList]:
    """The parts of a network from stem to head, each with the normalisation layers that follow it.

    Containers (`nn.Sequential`, `nn.ModuleList`) are opened, and so are modules that wrap a container of like modules (a
    transformer's encoder, a stage); others are not: a residual block or a transformer layer is one part. A torchvision
    ResNet-18 has ten: the stem, eight residual blocks, the head.
    """
    trunk = net
    while len(children := _children_with_weights(trunk)) == 1 and _children_with_weights(children[0]):
        trunk = children[0]
    parts: list[list[nn.Module]] = []
    for module in _opened(trunk):
        if parts and isinstance(module, NORMALISATION):
            parts[-1].append(module)
        else:
            parts.append([module])
    return [nn.ModuleList(part) for part in parts]


def normalisation_weights(net: nn.Module) -> set[nn.Parameter]:
    """Weights and biases of all normalisation layers, known by their type: not every batch-norm has "bn" in its name."""
    return {weight for layer in net.modules() if isinstance(layer, NORMALISATION) for weight in layer.parameters()}


def _children_with_weights(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if any(True for _ in child.parameters())]


def _opened(module: nn.Module) -> Iterator[nn.Module]:
    for child in _children_with_weights(module):
        if isinstance(child, CONTAINERS) or any(_repeats_a_module(inner) for inner in child.children()):
            yield from _opened(child)
        else:
            yield child


def _repeats_a_module(module: nn.Module) -> bool:
    """Whether this is a container of several modules of one class that are not single layers."""
    children = list(module.children()) if isinstance(module, CONTAINERS) else []
    like = len(children) > 1 and len({type(child) for child in children}) == 1
    return like and not isinstance(children[0], CONTAINERS) and bool(_children_with_weights(children[0]))


def number_of_classes(net: nn.Module, loader: Iterable[Any]) -> int:
    """The number of a network's logits, found by showing it a batch. Leaves it in eval mode."""
    net.eval()
    images, _ = next(batches(loader, net))
    with torch.no_grad():
        return int(net(images).shape[1])
