"""JiT: flatten the network around the forget examples, by one step per batch that lowers its local Lipschitz constants.

1. Neighbours: every forget image 25 times with normal noise of σ = 0.01, cut to the range of the batch's pixels.
2. Steepness of a batch: the sum over its images of the mean of |f(x) - f(x')|/|x - x'| over an image's neighbours x', where f
   are the logits and the lengths Euclidean.
3. One step of SGD down the steepness for every batch, a single pass over the forget set; learning rate 3e-4, no momentum.

The retain set is not looked at, nor are labels.

Values: all published, for VGG on CIFAR-10 with random examples to be forgotten, in `src/forget_random_main.py` and
`forget_random_strategies.py` of the authors (0.1 and σ = 0.5 for a ViT; σ = 0.5 and 0.8 for whole classes). Pixels there have
a standard deviation of about 1. To carry σ over, noise and distances are here in units of that of the batch's pixels.

Departures: the code takes the logits of the neighbours for constants. Then a step is mostly noise, and on digits two steps
raise the steepness more than a hundredfold and leave nothing of the network; here the gradient is that of the paper's formula.
The code never clears gradients between batches, which does nothing where the forget set is one batch, as there. Its network is
in train mode, which is dropout in a VGG without batch-norm; here it is in eval mode, and the statistics stay.
"""

METADATA = {
    "family": "classic",
    "source": (
        "Foster et al. 2024, https://arxiv.org/abs/2402.01401; code jwf40/Zeroshot-Unlearning-At-Scale "
        "and jwf40/Information-Theoretic-Unlearning"
    ),
    "reported": "none for the competition's metric",
    "values": "published",
    "needs": "the forget set without labels, nothing else",
    "published_steps": 390,
    "published_batch_size": 128,
}

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.members import by_member

SEARCH_SPACE = {
    "noise": (1e-3, 1.0, "log"),
    "neighbours": (5, 50),
    "learning_rate": (1e-5, 1e-2, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    noise: float = 0.01,
    neighbours: int = 25,
    learning_rate: float = 3e-4,
) -> None:
    """Unlearn `net` in place."""
    net.eval()
    optimiser = torch.optim.SGD(net.parameters(), lr=learning_rate)
    for images, _ in batches(forget_loader, net):
        optimiser.zero_grad()
        steepness(net, images, noise, neighbours).backward()
        optimiser.step()


def steepness(net: nn.Module, images: Tensor, noise: float, neighbours: int) -> Tensor:
    """The sum over a model's images of the mean slope to their neighbours; the mean over models.

    Args:
        net: the network.
        images: [batch, channels, height, width].
        noise: standard deviation, in units of that of the pixels.
        neighbours: of every image.
    """
    scale = by_member(images, net).flatten(1).std(dim=1, keepdim=True)  # [models, 1]
    logits = net(images)
    slopes = torch.zeros_like(scale)
    for _ in range(neighbours):
        near = neighbour(net, images, noise * scale)
        distances = by_member((near - images).flatten(1).norm(dim=1), net) / scale
        slopes = slopes + by_member((net(near) - logits).norm(dim=1), net) / distances
    return slopes.sum(dim=1).mean() / neighbours


def neighbour(net: nn.Module, images: Tensor, std: Tensor) -> Tensor:
    """The images with normal noise, cut to the range of the pixels of each model's own batch.

    Args:
        net: the network.
        images: [batch, channels, height, width].
        std: of the noise, [models, 1].
    """
    own = by_member(images, net).flatten(1)
    least, greatest = own.amin(dim=1, keepdim=True), own.amax(dim=1, keepdim=True)
    noisy = own + std * by_member(torch.randn_like(images), net).flatten(1)
    return noisy.clamp(least, greatest).view_as(images)
