"""Training: the optimiser, epochs, and which weights may change."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from solutions.parts.batches import batches

Loss = Callable[[Tensor, Tensor], Tensor]  # of logits [batch, classes] and labels [batch]


def sgd(net: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.SGD:
    """SGD with the momentum that every winner used, 0.9; weights without a gradient stay as they are."""
    return torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9, weight_decay=weight_decay)


def train_epoch(net: nn.Module, loader: Iterable[Any], optimiser: Optimizer, loss: Loss = F.cross_entropy) -> None:
    """One epoch that descends a loss of logits [batch, classes] and labels [batch]; cross-entropy by default."""
    for images, labels in batches(loader, net):
        optimiser.zero_grad()
        loss(net(images), labels).backward()
        optimiser.step()


def train(net: nn.Module, loader: Iterable[Any], epochs: int, learning_rate: float, weight_decay: float) -> None:
    """Epochs of cross-entropy in train mode at a constant learning rate."""
    optimiser = sgd(net, learning_rate, weight_decay)
    net.train()
    for _ in range(epochs):
        train_epoch(net, loader, optimiser)


@contextmanager
def training_only(net: nn.Module, weights: Iterable[Tensor]) -> Iterator[None]:
    """Within this context only these weights of the network have gradients; `requires_grad` is restored afterwards."""
    chosen = {id(weight) for weight in weights}
    before = [(weight, weight.requires_grad) for weight in net.parameters()]
    for weight, trains in before:
        weight.requires_grad_(trains and id(weight) in chosen)
    try:
        yield
    finally:
        for weight, trains in before:
            weight.requires_grad_(trains)


def confine(optimiser: Optimizer, masks: dict[nn.Parameter, Tensor]) -> None:
    """Let an optimiser change nothing but the masked elements of some weights.

    Masking gradients is not enough: weight decay and momentum move a weight whose gradient is 0. So after each step the other
    elements are reset to the values that they have now.

    Args:
        optimiser: of the weights.
        masks: for each weight a boolean tensor of its shape, True where it may change.
    """
    kept = {weight: weight.detach().clone() for weight in masks}

    def put_back(*_: Any) -> None:
        with torch.no_grad():
            for weight, mask in masks.items():
                weight.copy_(torch.where(mask, weight, kept[weight]))

    optimiser.register_step_post_hook(put_back)
