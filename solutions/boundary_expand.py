"""Boundary Expand: train the forget set into an extra class, then drop that class.

1. The head gets one more output, with newly drawn weights.
2. 10 epochs of cross-entropy on the forget set, SGD, with the extra class as every example's label.
3. The extra output is dropped: the network has its own architecture again.

At the published learning rate the network changes little. Runs differ in the new weights and in the order of the examples.

Published, in a copy of the authors' code (https://github.com/TY-LEE-KR/Boundary-Unlearning-Code, boundary_unlearning.py): all
values, SGD with momentum 0.9 and no weight decay.

Departures: the new weights are uniform in ±1/√fan-in, torch's default for a new layer; the code draws a linear layer's by
Xavier and sets its biases to 0.
"""

METADATA = {
    "family": "classic",
    "source": 'Chen et al. 2023, "Boundary Unlearning", CVPR 2023, https://arxiv.org/abs/2303.11570',
    "reported": "none",
    "values": "published",
    "needs": "the forget set, and a head that is a linear layer or a convolution",
}

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.layers import head
from solutions.parts.members import by_member
from solutions.parts.training import sgd

SEARCH_SPACE = {
    "epochs": (1, 12),
    "learning_rate": (1e-6, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    epochs: int = 10,
    learning_rate: float = 1e-5,
) -> None:
    """Unlearn `net` in place."""
    with extra_class(net) as extra:
        optimiser = sgd(net, learning_rate, weight_decay=0.0)
        net.train()
        for _ in range(epochs):
            for images, labels in batches(forget_loader, net):
                optimiser.zero_grad()
                F.cross_entropy(net(images), torch.full_like(labels, extra)).backward()
                optimiser.step()
    net.eval()


@contextmanager
def extra_class(net: nn.Module) -> Iterator[int]:
    """Within this context the network has one more output, the last; the others keep what they learn.

    Afterwards the head has its own `nn.Parameter`s back, with the learnt values.

    Yields:
        The extra class.
    """
    layer = head(net)
    own = dict(layer.named_parameters())
    bound = layer.weight[0].numel() ** -0.5
    for name, weight in own.items():
        rows = by_member(weight.detach(), net)  # [models, outputs, ...]
        new = torch.empty_like(rows[:, :1]).uniform_(-bound, bound)
        setattr(layer, name, nn.Parameter(torch.cat([rows, new], dim=1).flatten(0, 1), weight.requires_grad))
    try:
        yield by_member(own["weight"], net).shape[1]
    finally:
        for name, weight in own.items():
            learnt = by_member(layer.get_parameter(name).detach(), net)[:, :-1]
            with torch.no_grad():
                weight.copy_(learnt.flatten(0, 1))
            setattr(layer, name, weight)
