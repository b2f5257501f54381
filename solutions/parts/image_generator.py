"""The generator that makes up the images of GKT, and how it learns to challenge a student."""

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from solutions.parts.data_spec import DataSpec
from solutions.parts.gated_transfer import FEWEST, Gate, descend, divergence
from solutions.parts.layers import convolutions

NOISE = 128  # numbers that an image is made from
PUBLISHED_WIDTH = 192  # of the widest convolution of the source's network, for which its generator is 128 channels wide
LEAST_WIDTH = 16


class Generator(nn.Module):
    """Images of mean 0 and deviation 1 from noise.

    Args:
        image_shape: channels, height, width.
        width: its channels; half as many in its last layer.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, *size = image_shape
        half, quarter = ([-(-length // parts) for length in size] for parts in (2, 4))
        self.layers = nn.Sequential(
            nn.Linear(NOISE, width * quarter[0] * quarter[1]),
            nn.Unflatten(1, (width, *quarter)),
            nn.BatchNorm2d(width),
            *upsampled(width, width, half),
            *upsampled(width, width // 2, size),
            nn.Conv2d(width // 2, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Images [batch, channels, height, width] of noise [batch, 128]."""
        images: Tensor = self.layers(noise)
        return images


def upsampled(channels_in: int, channels_out: int, size: list[int]) -> list[nn.Module]:
    """Layers that upsample images by a factor of two, to a size."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1)
    return [nn.Upsample(tuple(size)), convolution, nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.2)]


def generator_for(net: nn.Module, spec: DataSpec) -> Generator:
    """A generator in proportion to a network, on its device and in its type."""
    widest = max(layer.out_channels for layer in convolutions(net))
    width = max(LEAST_WIDTH, min(NOISE, round(NOISE * widest / PUBLISHED_WIDTH)))
    return Generator(spec.image_shape, width).to(next(net.parameters()))


def draw_noise(generator: nn.Module, number: int) -> Tensor:
    """Noise for a number of images, [number, 128]."""
    weight = next(generator.parameters())
    return torch.randn(number, NOISE, dtype=weight.dtype, device=weight.device)


def challenge(generator: Generator, noise: Tensor, student: nn.Module, gate: Gate, optimiser: Optimizer) -> None:
    """One step of the generator, towards images that teacher and student disagree about."""
    images = gate.spec.pixels(generator(noise))
    logits = gate.teacher(images)
    passes = gate.passes(logits)
    loss = gate.settings.balance * (gate.excess(logits).mean() - log_shown(logits)[list(gate.spec.retain)].mean())
    if passes.sum() >= FEWEST:
        loss = loss - divergence(student(images[passes]), gate.targets(logits[passes]))
    descend(loss, generator, optimiser, gate.settings)


def log_shown(logits: Tensor) -> Tensor:
    """The logarithm of each class's mean probability, [classes], of logits [images, classes]."""
    return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))
