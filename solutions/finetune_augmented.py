"""Augmented fine-tuning: train on flipped, rotated and jittered retain images, with early stopping.

1. Epochs of cross-entropy on the retain set, every image as it is or mirrored (with equal odds), rotated, and with another
   brightness, contrast and saturation.
2. Early stopping: end after 3 epochs in a row without a lower validation loss.
3. Return the weights of the epoch with the lowest validation loss.

The source names these ingredients and gives no numbers: the learning rate, the ranges of the augmentation and the patience are
ours. So is the decision that the original weights are not among those that may be returned: that would not be unlearning. Every
image is augmented independently. Hue is left alone, because an image may have any number of channels and any scale.

Augmentation helps where the original model was trained with it. Where it was not, the unlearned models differ from retrained
ones by what augmentation does to predictions. Validation data choose the weights, so accuracy on them is no longer a fair
estimate.
"""

METADATA = {
    "family": "classic",
    "source": "the repository Zero-Shot-Machine-Unlearning-MNIST-HAM10000 (it has a README only)",
    "reported": (
        "attack accuracy 0.50, retrained 0.50 (HAM10000; the original model's is not given, so nothing shows that there "
        "was anything to forget)"
    ),
    "values": "ours",
    "needs": "the retain set and validation images with labels",
}

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from solutions.parts.batches import batches
from solutions.parts.training import sgd, train_epoch

SEARCH_SPACE = {
    "most_epochs": (4, 20),  # with fewer than patience + 1 nothing can stop early
    "learning_rate": (1e-4, 3.0, "log"),
    "weight_decay": (1e-5, 0.1, "log"),
}


def unlearning(
    net: nn.Module,
    retain_loader: DataLoader[Any],
    forget_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    *,
    most_epochs: int = 20,
    patience: int = 3,
    learning_rate: float = 1e-3,
    weight_decay: float = 5e-4,
    rotation: float = 15.0,
    jitter: float = 0.2,
) -> None:
    """Unlearn `net` in place."""
    optimiser = sgd(net, learning_rate, weight_decay)
    best, lowest, waited = net.state_dict(), math.inf, 0
    for _ in range(most_epochs):
        net.train()
        train_epoch(net, augmented(retain_loader, net, rotation, jitter), optimiser)
        loss = mean_loss(net.eval(), val_loader)
        if loss < lowest:
            best, lowest, waited = copy.deepcopy(net.state_dict()), loss, 0
        else:
            waited += 1
        if waited == patience:
            break
    net.load_state_dict(best)
    net.eval()


@torch.no_grad()
def mean_loss(net: nn.Module, loader: DataLoader[Any]) -> float:
    """Mean cross-entropy over all examples of a loader."""
    losses = [F.cross_entropy(net(images), labels, reduction="none") for images, labels in batches(loader, net)]
    return torch.cat(losses).mean().item()


def augmented(loader: DataLoader[Any], net: nn.Module, rotation: float, jitter: float) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of a loader with augmented images."""
    for images, labels in batches(loader, net):
        turned = rotated(mirrored(images, _draw(images) < 0), rotation * _draw(images))
        yield jittered(turned, jitter), labels


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """Images [batch, channels, height, width] with left and right swapped in some of them, [batch]."""
    return torch.where(which[:, None, None, None], images.flip(3), images)


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Every image rotated anticlockwise by an angle of its own; pixels from outside repeat the border.

    Args:
        images: [batch, channels, height, width].
        degrees: [batch].
    """
    height, width = images.shape[2:]
    angles = degrees.deg2rad()
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # Where each pixel comes from, in coordinates that go from -1 to 1 along both axes, whatever their lengths.
    x = torch.stack([cos, -sin * height / width, zero], dim=1)
    y = torch.stack([sin * width / height, cos, zero], dim=1)
    grid = F.affine_grid(torch.stack([x, y], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def jittered(images: Tensor, strength: float) -> Tensor:
    """Every image with a brightness, contrast and saturation of its own.

    What is added to an image is measured in its standard deviations, and factors work around its means, so images may have any
    scale. Values are not clipped.

    Args:
        images: [batch, channels, height, width]; with one channel the saturation changes nothing.
        strength: factors are drawn from 1 ± strength, the shift of the brightness from ± strength standard deviations.
    """
    brightness, contrast, saturation = (strength * _draw(images)[:, None, None, None] for _ in range(3))
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (1 + saturation) * (images - grey)
    mean, std = images.mean(dim=(1, 2, 3), keepdim=True), images.std(dim=(1, 2, 3), keepdim=True)
    return mean + (1 + contrast) * (images - mean) + brightness * std


def _draw(images: Tensor) -> Tensor:
    """A number between -1 and 1 for every image of a batch."""
    return 2 * torch.rand(len(images), dtype=images.dtype, device=images.device) - 1
