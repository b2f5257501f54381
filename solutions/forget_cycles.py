"""8th place: re-initialise layers drawn by lot, then imitate the original on noisy retain images; in cycles.

1. Keep a copy of the original, the teacher.
2. Three cycles of
   a. Forget: draw 6 layers with replacement and re-initialise them, that is draw their weights as before training. The pool is
      all convolutions and linear layers but the head and the projection shortcuts of residual blocks;
   b. Recover: descend the mean squared difference between the network's logits and the teacher's on retain images with
      noise from N(0, 0.01²) added; no labels are used. Epochs and their learning rates are 1e-3; then 1e-3, 5e-4; then the
      same again: a cosine from 1e-3 over two epochs, begun anew in every cycle.

That is the team's algorithm 1. Their algorithm 2 has four cycles of 2, 1, 1 and 1 epochs, 5e-4 in the first epoch and 1e-3 in
the others: `learning_rates=((5e-4, 1e-3), (1e-3,), (1e-3,), (1e-3,))`.

A projection shortcut is known by its place: a 1x1 convolution in an `nn.Sequential` inside a block (not an `nn.Sequential`
itself) that has convolutions beside it. The 1x1 convolutions of bottleneck blocks stand in the block itself and stay in the
pool. A ResNet-18 has 17 layers in the pool; in a small network 6 draws hit nearly all.

Where the source is silent we decided that the teacher sees the same noisy images as the network does, that every cycle has an
optimiser of its own (SGD with momentum, weight decay 5e-4), and that normalisation layers keep their weights. The noise is in
units of the images as they are given: 0.01 was chosen for theirs, and is next to nothing on pixels from 0 to 255.
"""

METADATA = {
    "family": "winner",
    "source": "team Forget, NeurIPS 2023 Machine Unlearning challenge, https://junhyunb.github.io",
    "reported": "0.0939 ± 0.0065 and 0.0929 ± 0.0051 (public leaderboard), the best 0.1024",
    "values": "published; ours: weight_decay",
    "needs": "the retain set, and the original as a teacher",
}

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.distillation import frozen_copy
from solutions.parts.layers import head
from solutions.parts.training import sgd
from solutions.parts.weights import reinitialise

SEARCH_SPACE = {
    "layers": (1, 6),  # more would leave nothing to the lot in a small network
    "learning_rates": (0.1, 300.0, "times"),  # with more, squared differences of logits diverge
    "noise": (1e-3, 10.0, "log"),
    "weight_decay": (1e-5, 0.5, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    layers: int = 6,
    learning_rates: tuple[tuple[float, ...], ...] = ((1e-3,), (1e-3, 5e-4), (1e-3, 5e-4)),
    noise: float = 0.01,
    weight_decay: float = 5e-4,
) -> None:
    """Unlearn `net` in place; `learning_rates` has a tuple per cycle, with a number per epoch."""
    teacher = frozen_copy(net)
    net.train()
    for of_cycle in learning_rates:
        forget(net, layers)
        optimiser = sgd(net, of_cycle[0], weight_decay)
        for learning_rate in of_cycle:
            optimiser.param_groups[0]["lr"] = learning_rate
            imitate(net, teacher, retain_loader, noise, optimiser)
    net.eval()


def forget(net: nn.Module, draws: int) -> None:
    """Re-initialise layers drawn with replacement."""
    layers = pool(net)
    for i in torch.randint(len(layers), (draws,)).tolist():
        reinitialise(layers[i])


def pool(net: nn.Module) -> list[nn.Module]:
    """Convolutions and linear layers but the head and projection shortcuts."""
    excluded = {head(net), *projection_shortcuts(net)}
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in excluded]


def projection_shortcuts(net: nn.Module) -> list[nn.Conv2d]:
    """1x1 convolutions in an `nn.Sequential` that stands beside the convolutions of a block."""
    return [
        layer
        for block in net.modules()
        if not isinstance(block, nn.Sequential) and any(isinstance(child, nn.Conv2d) for child in block.children())
        for branch in block.children()
        if isinstance(branch, nn.Sequential)
        for layer in branch.children()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)
    ]


def imitate(net: nn.Module, teacher: nn.Module, loader: DataLoader[Any], noise: float, optimiser: Optimizer) -> None:
    """One epoch that brings the network's logits to the teacher's, on images with noise."""
    for images, _ in batches(loader, net):
        noisy = images + noise * torch.randn_like(images)
        optimiser.zero_grad()
        F.mse_loss(net(noisy), teacher(noisy)).backward()
        optimiser.step()
