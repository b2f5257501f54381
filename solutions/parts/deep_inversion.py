"""Deep Inversion: images of a network's classes, made from the network alone.

1. Images begin as normal noise. Each has a class that the network is to see in it; a batch cycles through the classes.
2. Adam moves the images of a batch, its learning rate falling to 0 as a cosine. Every step sees them shifted by a few pixels,
   the same way for the whole batch and around the edges (jitter).
3. They descend the cross-entropy of their classes, a little of their total variation, and the mismatch of statistics: how far,
   at every batch-norm layer, the batch's means and variances are from the running ones, which are all that the network
   remembers of its training images. Optionally they descend their squared norm, too.
4. After every step they are clipped to the range of pixels.

Source: Yin et al. 2020, "Dreaming to Distill", https://arxiv.org/abs/1912.08795. Published for CIFAR-10: 2000 iterations of
Adam at 0.1, batches of 256, jitter of 2 pixels, a weight of 100 for the mismatch, 2.5e-5 for the total variation and none for
the norm. The defaults here differ in two: 200 iterations, because 2000 take hours on a CPU, and a weight of 10, because in so
few iterations 100 left the classes no chance in a trial on `digits` (the network saw the class in one image of four). The
competition with a student ("Adaptive Deep Inversion") is left out. The cosine is that of the authors' code for ImageNet,
without its warm-up. SP1029/CS-772-Unlearning, whose reported accuracies `gkt_deep_inversion` is held against, took that code:
Adam at 0.2, 2000 iterations, batches of 1000, no jitter, a weight of 0.05 for the mismatch (0.5 in the first layer), 1e-4 for
the total variation and 1e-5 for the norm (its `Deep Inversion.ipynb`).

Images are made and penalised in units of their mean and deviation, z in pixel = mean + deviation·z.

A network without batch-norm layers (or whose layers keep no running statistics) remembers none. Its images are found by the
other terms alone: it is sure of them, but nothing makes them resemble its training images.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solutions.parts.data_spec import DataSpec
from solutions.parts.training import training_only


@dataclass(frozen=True)
class Settings:
    """The hyper-parameters.

    Attributes:
        iterations: steps of Adam for every batch.
        batch_size: images that are made together; their statistics are matched, so there should be hundreds.
        learning_rate: of Adam at first.
        statistics_weight: of the mismatch beside the cross-entropy.
        variation_weight: of the total variation.
        norm_weight: of the squared norm.
        jitter: the largest shift as a share of an image's width, to the nearest pixel; 2 of 32 are published.
    """

    iterations: int = 200
    batch_size: int = 256
    learning_rate: float = 0.1
    statistics_weight: float = 10.0
    variation_weight: float = 2.5e-5
    norm_weight: float = 0.0
    jitter: float = 1 / 16


def invert(net: nn.Module, spec: DataSpec, classes: Sequence[int], per_class: int, settings: Settings) -> tuple[Tensor, Tensor]:
    """Images that a network takes for some classes, with the statistics of its training images.

    Args:
        net: a trained network that takes images as pixels; it is left in eval mode, otherwise as it was.
        spec: shape, scale and range of the images.
        classes: which.
        per_class: how many images of each.
        settings: of the inversion.

    Returns:
        images [classes · per_class, channels, height, width] in pixel values, and the class of each [classes · per_class], both
        on the network's device; classes alternate.
    """
    labels = torch.tensor(list(classes), device=spec.mean.device).repeat(per_class)
    net.eval()
    made = []
    with training_only(net, []), inversion_loss(net, spec, settings) as loss:
        for wanted in labels.split(settings.batch_size):
            z = torch.randn(len(wanted), *spec.image_shape).to(spec.mean).requires_grad_()
            of_batch = partial(loss, labels=wanted)
            descend(z, of_batch, spec.normalised_range(), settings.iterations, settings.learning_rate)
            made.append(spec.pixels(z.detach()))
    return torch.cat(made), labels


@contextmanager
def inversion_loss(net: nn.Module, spec: DataSpec, settings: Settings) -> Iterator[Callable[..., Tensor]]:
    """While this lasts, the loss that images descend, of images in units of deviations and their classes."""
    with statistics_mismatch(net) as mismatches:

        def loss(z: Tensor, labels: Tensor) -> Tensor:
            mismatches.clear()
            logits = net(spec.pixels(shifted(z, settings.jitter)))
            at_layers = settings.statistics_weight * sum(mismatches, z.new_zeros(()))
            of_images = settings.variation_weight * total_variation(z) + settings.norm_weight * mean_square(z)
            return F.cross_entropy(logits, labels) + at_layers + of_images

        yield loss


def descend(
    z: Tensor, loss: Callable[[Tensor], Tensor], ends: tuple[Tensor, Tensor], iterations: int, learning_rate: float
) -> None:
    """Move images, in place, to where a loss of them is low, between some least and greatest values."""
    optimiser = torch.optim.Adam([z], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    for _ in range(iterations):
        optimiser.zero_grad()
        loss(z).backward()
        optimiser.step()
        schedule.step()
        z.data.clamp_(*ends)


@contextmanager
def statistics_mismatch(net: nn.Module) -> Iterator[list[Tensor]]:
    """While this lasts, every forward pass adds to a list, for each batch-norm layer, how far its batch is from its memory.

    That is the Euclidean distance of the batch's means from the running means, and of its variances from the running ones, over
    all channels, added up.
    """
    mismatches: list[Tensor] = []

    def measure(layer: Any, arguments: tuple[Tensor], output: Any) -> None:
        features = arguments[0]
        axes = [axis for axis in range(features.dim()) if axis != 1]
        variances, means = torch.var_mean(features, axes, correction=0)
        mismatches.append((means - layer.running_mean).norm() + (variances - layer.running_var).norm())

    layers = [layer for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    hooks = [layer.register_forward_hook(measure) for layer in layers if layer.running_mean is not None]
    try:
        yield mismatches
    finally:
        for hook in hooks:
            hook.remove()


def shifted(images: Tensor, jitter: float) -> Tensor:
    """All images moved by that share of their width at most, at random and the same way, around the edges."""
    most = round(jitter * images.shape[-1])
    down, right = torch.randint(-most, most + 1, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))


def total_variation(images: Tensor) -> Tensor:
    """Norms of the differences between neighbours, over the whole batch: across, down, and along both diagonals, added up."""
    across, down = images[..., 1:] - images[..., :-1], images[..., 1:, :] - images[..., :-1, :]
    falling, rising = images[..., 1:, 1:] - images[..., :-1, :-1], images[..., 1:, :-1] - images[..., :-1, 1:]
    total: Tensor = across.norm() + down.norm() + falling.norm() + rising.norm()
    return total


def mean_square(images: Tensor) -> Tensor:
    """The squared norm of an image, the mean over a batch."""
    return images.square().flatten(1).sum(dim=1).mean()
