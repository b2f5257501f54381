"""Adversarial examples: the range of pixels, the way up the loss, and the ball around an image."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solutions.parts.batches import Batch


def pixel_limits(examples: Iterable[Batch]) -> tuple[float, float]:
    """The smallest and the largest pixel value of all images of some batches."""
    extremes = [images.aminmax() for images, _ in examples]
    return min(low.item() for low, _ in extremes), max(high.item() for _, high in extremes)


def ascent(net: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The directions, of length 1, in which the cross-entropy of images rises most, and whether the predictions are wrong."""
    images = images.detach().requires_grad_(True)
    logits = net(images)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), images)
    return F.normalize(gradient.flatten(1), dim=1).view_as(gradient), logits.argmax(dim=1) != labels


def within(images: Tensor, centres: Tensor, radius: float) -> Tensor:
    """Images [examples, ...], pulled to their centres as far as they are farther from them than a radius."""
    away = images - centres
    lengths = away.flatten(1).norm(dim=1).clamp_min(1e-12)
    pulled: Tensor = centres + away * (radius / lengths).clamp(max=1).view(-1, *[1] * (away.dim() - 1))
    return pulled
