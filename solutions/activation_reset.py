"""Activation reset: draw anew the kernels that are more active on forget than on retain and the last layer, then repair.

1. Measure: in eval mode, the mean activation of every convolution's channels, at each position, over the forget set and over a
   random 2 % of the retain set.
2. Reset: kernels whose mean activation is higher on forget than on retain at more than 80 % of the positions get new values
   (Kaiming normal, variance 2/fan-in), and so does the weight of the last layer. Biases are kept.
3. Repair: 5 epochs of cross-entropy on the retain set, in the order of the data set.

Published, in machine_unlearning/unlearn.py of the source (`activation_pruning`): all values; a channel's activation is the
convolution's output, before normalisation and ReLU.

Departures: the published code divides the sums over the 2 % by the size of the whole retain set, so that nearly every positive
activation looks higher on forget; here they are divided by the number of examples visited. It leaves convolutions on shortcuts
alone, by their name; here they are measured like others. It measures in the mode that it finds the network in. No
augmentation, as in `prune`. At least two retain examples are measured.
"""

METADATA = {
    "family": "Forget with Precision",
    "source": '"Forget with Precision" (ETH), https://github.com/vstrozzi/assessing-machine-unlearning-approaches',
    "reported": "ε̂ 3.58 on CIFAR-10 (retraining 0.88, lower is better); accuracy 99.99 % retain, 93.96 % forget, 94.76 % test",
    "values": "published",
    "needs": "the retain set in batches of another size (`.dataset`), the forget set, convolutions, and the last layer",
}

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import batches, in_order
from solutions.parts.layers import convolutions, head
from solutions.parts.training import train
from solutions.prune import matrices, renew
from solutions.prune_complex import random_share

SEARCH_SPACE = {
    "positions": (0.5, 0.8),  # below, what is not more active counts as such; above, on digits often nothing does
    "epochs": (1, 12),
    "learning_rate": (1e-4, 3.0, "log"),
    "batch_size": (16, 256, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    retain_share: float = 0.02,
    positions: float = 0.8,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place."""
    on_forget = mean_activations(net, forget_loader)
    on_retain = mean_activations(net, random_share(retain_loader, retain_share, batch_size, net))
    for layer, activation in on_forget.items():
        reset_kernels(layer, more_active(activation, on_retain[layer], positions))
    last = matrices(head(net))  # without its bias
    renew(last, [torch.ones_like(weight, dtype=torch.bool) for weight in last])
    train(net, in_order(retain_loader, batch_size), epochs, learning_rate, weight_decay)
    net.eval()


@torch.no_grad()
def mean_activations(net: nn.Module, loader: Iterable[Any]) -> dict[nn.Conv2d, Tensor]:
    """For every convolution the mean of its outputs over a loader's examples, [channels, height, width], in eval mode."""
    sums: dict[nn.Conv2d, Tensor] = defaultdict(lambda: torch.zeros((), device=next(net.parameters()).device))
    visited: Counter[nn.Conv2d] = Counter()

    def add(layer: nn.Conv2d, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        sums[layer] = sums[layer] + outputs.sum(dim=0)
        visited[layer] += len(outputs)

    net.eval()
    hooks = [layer.register_forward_hook(add) for layer in convolutions(net)]
    try:
        for images, _ in batches(loader, net):
            net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {layer: total / visited[layer] for layer, total in sums.items()}


def more_active(forget: Tensor, retain: Tensor, positions: float) -> Tensor:
    """Channels [channels] with higher activations [channels, height, width] on forget at more than a share of the positions."""
    return (forget > retain).flatten(1).double().mean(dim=1) > positions


def reset_kernels(layer: nn.Conv2d, channels: Tensor) -> None:
    """Draw anew a convolution's kernels of some output channels, unless its weight is frozen."""
    if layer.weight.requires_grad:
        renew([layer.weight], [channels[:, None, None, None]])
